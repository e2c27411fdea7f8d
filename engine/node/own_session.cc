#include "engine/node/own_session.h"

#include "io/base/probe.h"

#include <algorithm>

namespace verity::node {

Outcome<SessionRequest> OwnSession::take(io::Wait& wait) {
  const auto cancelled = [] {
    return std::unexpected(
        Refusal{RefusalCode::cancelled, "the request was given up before it was passed on"});
  };
  const auto find = [&] {
    return std::ranges::find_if(sessions_, [&](const auto& session) { return has_room(session.second); });
  };
  while (true) {
    if (const auto session = find(); session != sessions_.end()) {
      Numbers& numbers = session->second;
      numbers.under_way.insert(++numbers.last);
      return SessionRequest{.session = session->first, .number = numbers.last};
    }
    if (sessions_.size() >= sessions_max) {
      VERITY_PROBE("sessions: a node's own are all full");
      if (!has_room_.wait(wait)) return cancelled();
      continue;
    }
    const auto guard = opening_.lock(wait);
    if (!guard) return cancelled();
    if (find() != sessions_.end()) continue;
    const Outcome<Id128> opened = open_(wait);
    if (!opened) return std::unexpected(opened.error());
    sessions_.try_emplace(*opened);
    has_room_.notify_all();
  }
}

void OwnSession::give_back(const SessionRequest& request) {
  const auto session = sessions_.find(request.session);
  if (session == sessions_.end()) return;
  const bool had_room = has_room(session->second);
  session->second.under_way.erase(request.number);
  if (!had_room && has_room(session->second)) has_room_.notify_all();
}

void OwnSession::forget(const Id128& session) {
  sessions_.erase(session);
  has_room_.notify_all();
}

}  // namespace verity::node
