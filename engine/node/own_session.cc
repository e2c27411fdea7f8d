#include "engine/node/own_session.h"

namespace verity::node {

Outcome<SessionRequest> OwnSession::take(io::Wait& wait) {
  const auto cancelled = [] {
    return std::unexpected(
        Refusal{RefusalCode::cancelled, "the request was given up before it was passed on"});
  };
  while (true) {
    if (!session_) {
      const auto guard = opening_.lock(wait);
      if (!guard) return cancelled();
      if (session_) continue;
      const Outcome<Id128> opened = open_(wait);
      if (!opened) return std::unexpected(opened.error());
      session_ = *opened;
      last_number_ = 0;
      under_way_.clear();
    }
    if (under_way_.empty() || last_number_ + 1 - *under_way_.begin() < requests_kept_) {
      under_way_.insert(++last_number_);
      return SessionRequest{.session = *session_, .number = last_number_};
    }
    if (!given_back_.wait(wait)) return cancelled();
  }
}

void OwnSession::give_back(const SessionRequest& request) {
  if (session_ == request.session && under_way_.erase(request.number) != 0) given_back_.notify_all();
}

void OwnSession::forget(const Id128& session) {
  if (session_ == session) session_.reset();
  given_back_.notify_all();
}

}  // namespace verity::node
