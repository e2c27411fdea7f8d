#include "engine/index/sessions.h"

#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <algorithm>

namespace verity::index {
namespace {

using log::put_varint;

constexpr std::uint8_t section_version = 1;
// Of a map's node besides what it holds.
constexpr std::size_t node_bytes = 48;

}  // namespace

std::uint64_t SessionIndex::forgotten_up_to(const Session& session) const {
  return session.highest > limits_.requests_kept ? session.highest - limits_.requests_kept : 0;
}

std::optional<SettledRequest> SessionIndex::find(const Id128& id, std::uint64_t number) const {
  const Session& session = sessions_.at(id);
  if (number <= forgotten_up_to(session)) return SettledRequest{SettledRequest::Fate::forgotten};
  const auto at = std::ranges::lower_bound(session.settled, number, {}, &Settled::number);
  if (at == session.settled.end() || at->number != number) return std::nullopt;
  return SettledRequest{at->given_up ? SettledRequest::Fate::given_up : SettledRequest::Fate::carried_out,
                        at->position};
}

void SessionIndex::touch(const Id128& id, Session& session, Position position) {
  by_last_.erase(session.last);
  session.last = position;
  by_last_.emplace(position, id);
}

void SessionIndex::add(Position position, const Id128& id) {
  touch(id, sessions_[id], position);
  while (sessions_.size() > limits_.sessions_max) {
    const auto oldest = by_last_.begin();
    sessions_.erase(oldest->second);
    by_last_.erase(oldest);
  }
}

void SessionIndex::settle(Position position, const Id128& id, std::uint64_t number,
                          SettledRequest::Fate fate) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  touch(id, session, position);
  session.highest = std::max(session.highest, number);
  const auto at = std::ranges::lower_bound(session.settled, number, {}, &Settled::number);
  if (at == session.settled.end() || at->number != number)
    session.settled.insert(at, {number, position, fate == SettledRequest::Fate::given_up});
  const std::uint64_t forgotten = forgotten_up_to(session);
  const auto kept = std::ranges::upper_bound(session.settled, forgotten, {}, &Settled::number);
  session.settled.erase(session.settled.begin(), kept);
}

std::size_t SessionIndex::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, session] : sessions_) {
    bytes += sizeof(id) + sizeof(session) + session.settled.capacity() * sizeof(Settled);
    bytes += 2 * node_bytes + sizeof(Position) + sizeof(Id128);
  }
  return bytes;
}

Status SessionIndex::encode(RecordSink& sink) const {
  Bytes record;
  put(record, section_version);
  put_varint(record, sessions_.size());
  VERITY_TRY(sink.put(record));
  for (const auto& [id, session] : sessions_) {
    record.clear();
    put(record, id);
    put_varint(record, session.last.value);
    put_varint(record, session.highest);
    put_varint(record, session.settled.size());
    std::uint64_t last_number = 0;
    for (const Settled& settled : session.settled) {
      put_varint(record, settled.number - last_number);
      put_varint(record, settled.position.value);
      put(record, settled.given_up);
      last_number = settled.number;
    }
    VERITY_TRY(sink.put(record));
  }
  return {};
}

namespace {

template <class ReadFields>
Status take_record(RecordSource& source, ReadFields&& read_fields) {
  VERITY_TRY_ASSIGN(const auto record, source.take());
  if (!record) return fail(ErrorCode::corrupt, "sessions section ends too early");
  log::FieldReader reader(*record, "sessions section, record");
  read_fields(reader);
  return reader.finish();
}

}  // namespace

Result<SessionIndex> SessionIndex::decode(RecordSource& source, Position applied, SessionLimits limits) {
  SessionIndex index(limits);
  std::uint64_t rest = 0;
  VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
    reader.byte("version", section_version, section_version);
    rest = reader.number("session count");
  }));
  std::optional<Id128> before;
  for (; rest > 0; --rest) {
    VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
      const auto id = reader.value<Id128>("session");
      if (reader.ok() && before && id <= *before) reader.fail_here("does not follow the session before it");
      before = id;
      Session session;
      session.last = {reader.number("last position", 1, applied.value)};
      if (reader.ok() && !index.by_last_.emplace(session.last, id).second)
        reader.fail_here("names a position that another session has");
      session.highest = reader.number("highest number");
      const std::uint64_t count = reader.number("count", 0, reader.rest_bytes() / 3);
      Settled settled{};
      for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
        settled.number += reader.number("number", 1, session.highest - settled.number);
        settled.position = {reader.number("position", 1, session.last.value)};
        settled.given_up = reader.byte("given up", 0, 1) == 1;
        session.settled.push_back(settled);
      }
      index.sessions_.emplace(id, std::move(session));
    }));
  }
  VERITY_TRY_ASSIGN(const auto more, source.take());
  if (more) return fail(ErrorCode::corrupt, "sessions section: records follow the last session");
  return index;
}

}  // namespace verity::index
