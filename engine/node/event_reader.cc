#include "engine/node/event_reader.h"

#include "engine/log/body.h"
#include "engine/tenant/names.h"
#include "io/fiber/wait.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr std::uint32_t limit_max = 1000;

std::unexpected<Refusal> refuse(RefusalCode code, std::string detail, Position position = {}) {
  return std::unexpected(Refusal{.code = code, .detail = std::move(detail), .position = position});
}

// Not in the log although the index has it: a part of the log is gone.
bool is_damage(const Error& error) {
  return error.code == ErrorCode::corrupt || error.code == ErrorCode::not_found;
}

std::unexpected<Refusal> unreadable(const Error& error, Position position) {
  if (is_damage(error)) return refuse(RefusalCode::damaged, error.message, position);
  return refuse(RefusalCode::not_ready, error.message);
}

const index::PositionList* positions_of(const ReadRequest& request, TenantId tenant, const Derived& derived) {
  if (request.stream.empty()) return derived.streams.positions(tenant);
  if (request.subject.empty()) return derived.streams.positions(tenant, request.stream);
  return derived.streams.positions(tenant, request.stream, request.subject);
}

// Collects one event more than the page holds: it is where the next page begins.
class PageReader {
 public:
  PageReader(io::Wait& wait, const ReadRequest& request, TenantId tenant, const Derived& derived,
             log::LogReader& reader)
      : wait_(wait),
        request_(request),
        tenant_(tenant),
        derived_(derived),
        reader_(reader),
        horizon_(derived.position) {}

  Outcome<EventPage> run() {
    page_.head = horizon_;
    if (!request_.stream.empty())
      page_.last_revision = derived_.streams.last_revision(tenant_, request_.stream);
    Outcome<EventToken> from = start();
    if (!from) return std::unexpected(from.error());
    const bool forward = request_.direction == Direction::forward;
    EventToken at = *from;
    while (!full_) {
      const std::optional<Position> position = step(at.position, forward);
      if (!position) break;
      if (*position != at.position) at.index = forward ? 0 : UINT32_MAX;
      at.position = *position;
      if (auto read = take_entry(at); !read) {
        if (page_.events.empty()) return std::unexpected(read.error());
        // What was read is good; whoever asks for the next page is told what is wrong there.
        page_.next = ReadFrom::at(at);
        full_ = true;
        break;
      }
      if (!forward && at.position.value == 0) break;
      at = forward ? EventToken{at.position.next(), 0} : EventToken{{at.position.value - 1}, UINT32_MAX};
    }
    page_.at_end = !full_;
    if (page_.at_end && forward) page_.next = at_head(*from);
    return std::move(page_);
  }

 private:
  Outcome<EventToken> start() {
    const bool forward = request_.direction == Direction::forward;
    switch (request_.from.kind) {
      case ReadFrom::Kind::start:
        return EventToken{forward ? Position{1} : Position{0}, 0};
      case ReadFrom::Kind::end:
        return forward ? EventToken{horizon_.next(), 0} : EventToken{horizon_, UINT32_MAX};
      case ReadFrom::Kind::token:
        return request_.from.token;
      case ReadFrom::Kind::revision:
        return start_at_revision(forward);
    }
    return EventToken{};
  }

  // Where the next event will be; but one that is asked for by its revision may have others before it.
  ReadFrom at_head(EventToken from) const {
    const bool far_ahead = request_.from.kind == ReadFrom::Kind::revision &&
                           (page_.last_revision ? request_.from.revision > page_.last_revision->next()
                                                : request_.from.revision > Revision{0});
    if (far_ahead) return request_.from;
    return ReadFrom::at(std::max(EventToken{horizon_.next(), 0}, from));
  }

  Outcome<EventToken> start_at_revision(bool forward) {
    const Revision wanted = request_.from.revision;
    const std::optional<Revision> last = page_.last_revision;
    if (!last || wanted > *last)
      return forward ? EventToken{horizon_.next(), 0} : EventToken{horizon_, UINT32_MAX};
    const auto located = derived_.streams.locate(tenant_, request_.stream, wanted,
                                                 [&](Position position) { return revisions_in(position); });
    if (!located) return unreadable(located.error(), {});
    if (!*located) return EventToken{horizon_.next(), 0};
    (forward ? revision_min_ : revision_max_) = wanted;
    return forward ? EventToken{(*located)->first, 0} : EventToken{(*located)->last, UINT32_MAX};
  }

  Result<std::optional<index::RevisionRange>> revisions_in(Position position) {
    const Result<log::EntryPtr> entry = reader_.read(wait_, position);
    log::EventsBody body;
    const Status decoded = entry ? log::decode((*entry)->body(), body) : std::unexpected(entry.error());
    if (!decoded && is_damage(decoded.error())) return std::nullopt;
    VERITY_TRY(decoded);
    for (const log::BodyStream& stream : body.streams) {
      if (stream.name == request_.stream)
        return index::RevisionRange{stream.first_revision, stream.event_count};
    }
    return fail(ErrorCode::corrupt,
                (*entry)->describe() + " has no event of the stream the index says it has");
  }

  // The nearest entry at `position` or beyond it in the direction of reading.
  std::optional<Position> step(Position position, bool forward) const {
    const index::PositionList* const positions = positions_of(request_, tenant_, derived_);
    if (positions == nullptr) return std::nullopt;
    const std::optional<Position> found = forward ? positions->next(position) : positions->previous(position);
    if (!found || *found > horizon_) return std::nullopt;
    return found;
  }

  bool wanted(const log::EventsBody& body, const log::BodyEvent& event) const {
    if (request_.stream.empty()) return true;
    if (body.streams[event.stream].name != request_.stream) return false;
    if (!request_.subject.empty() && event.subject != request_.subject) return false;
    return event.revision >= revision_min_ && event.revision <= revision_max_;
  }

  Outcome<bool> take_entry(EventToken from) {
    const Result<log::EntryPtr> entry = reader_.read(wait_, from.position);
    if (!entry) return unreadable(entry.error(), from.position);
    log::EventsBody body;
    if (Status decoded = log::decode((*entry)->body(), body); !decoded) {
      return unreadable(decoded.error(), from.position);
    }
    bool used = false;
    const auto take = [&](std::size_t index) {
      const log::BodyEvent& event = body.events[index];
      if (full_ || !wanted(body, event)) return;
      if (page_.events.size() >= std::min(request_.limit, limit_max) || bytes_ >= request_.bytes_max) {
        page_.next = ReadFrom::at(EventToken{from.position, static_cast<std::uint32_t>(index)});
        full_ = true;
        return;
      }
      bytes_ += event.data.size() + event.metadata.size();
      page_.events.push_back({.stream = body.streams[event.stream].name,
                              .revision = event.revision,
                              .position = from.position,
                              .index = static_cast<std::uint32_t>(index),
                              .subject = event.subject,
                              .subject_revision = event.subject_revision,
                              .type = event.type,
                              .data = event.data,
                              .metadata = event.metadata,
                              .id = event.id,
                              .recorded_at = (*entry)->header().timestamp});
      used = true;
    };
    if (request_.direction == Direction::forward) {
      for (std::size_t i = from.index; i < body.events.size(); ++i) take(i);
    } else {
      for (std::size_t i = std::min<std::size_t>(body.events.size(), std::size_t{from.index} + 1); i > 0; --i)
        take(i - 1);
    }
    if (used) page_.storage.push_back(*entry);
    return true;
  }

  io::Wait& wait_;
  const ReadRequest& request_;
  const TenantId tenant_;
  const Derived& derived_;
  log::LogReader& reader_;
  const Position horizon_;  // what comes later is for the next page
  Revision revision_min_{0};
  Revision revision_max_{UINT64_MAX};
  EventPage page_;
  ByteCount bytes_ = 0;
  bool full_ = false;
};

}  // namespace

Outcome<EventPage> read_events(io::Wait& wait, const ReadRequest& request, TenantId tenant,
                               const Derived& derived, log::LogReader& reader) {
  if (request.limit == 0 || request.limit > limit_max) {
    return refuse(RefusalCode::invalid_request, "limit " + std::to_string(request.limit) + ": 1 to " +
                                                    std::to_string(limit_max) + " are allowed");
  }
  if (!request.stream.empty()) {
    if (Status named = tenant::check_stream_name(request.stream); !named) {
      return refuse(RefusalCode::invalid_request, named.error().message);
    }
    if (!request.awaits_stream && !derived.streams.has_stream(tenant, request.stream)) {
      return refuse(RefusalCode::stream_not_found,
                    "there is no stream '" + std::string(request.stream) + "'");
    }
  } else if (!request.subject.empty() || request.from.kind == ReadFrom::Kind::revision) {
    return refuse(RefusalCode::invalid_request, "subjects and revisions belong to a stream; name one");
  }
  return PageReader(wait, request, tenant, derived, reader).run();
}

bool may_have_events(const ReadRequest& request, TenantId tenant, const Derived& derived, EventToken from) {
  const index::PositionList* const positions = positions_of(request, tenant, derived);
  return positions != nullptr && positions->next(from.position).has_value();
}

}  // namespace verity::node
