// Where the events of every stream and subject are: a function of the event entries applied so far, kept in
// memory, saved in checkpoints and rebuilt from the log if lost.
//
//   tenant ─┬─ positions of all its entries
//           ├─ stream "orders" ─ positions, number of events, first revision of every 128th entry
//           └─ subject "patient-17" of a stream ─ positions, number of events
//
// Streams are numbered in order of appearance. Everything is listed in that order, so that equal logs give
// equal bytes. Section "streams" of a checkpoint: docs/format/index.md.
#pragma once

#include "engine/index/position_list.h"
#include "engine/index/record.h"
#include "engine/log/body.h"
#include "io/base/ids.h"
#include "io/base/result.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

namespace verity::index {

// Which revisions of a stream one entry holds.
struct RevisionRange {
  Revision first;
  std::uint64_t count = 0;  // at least 1
};

// The entry that holds an event of a stream: `first` and `last` are the same. If it is damaged, so are all of the
// stream's entries from `first` to `last`, and the event is in one of them.
struct Located {
  Position first;
  Position last;

  bool operator==(const Located&) const = default;
};

class StreamIndex {
 public:
  // Seeds hash tables only; nothing that can be seen depends on it.
  explicit StreamIndex(std::uint64_t hash_seed);
  ~StreamIndex();
  StreamIndex(StreamIndex&&) noexcept;
  StreamIndex& operator=(StreamIndex&&) noexcept;

  // Takes in the entry at `position`, which is after all applied before. corrupt, and the index is of no
  // further use, if the body's revisions do not continue what is there.
  Status apply(Position position, TenantId tenant, const log::EventsBody& body);
  // Forgets everything of a deleted tenant.
  void remove_tenant(TenantId tenant);

  std::uint64_t stream_count(TenantId tenant) const;
  std::uint64_t event_count(TenantId tenant) const;
  bool has_stream(TenantId tenant, std::string_view stream) const {
    return last_revision(tenant, stream).has_value();
  }
  // In order of appearance; requires number < stream_count(). Valid until the tenant is removed.
  std::string_view stream_name(TenantId tenant, std::uint32_t number) const;

  // Nothing if there is no event yet.
  std::optional<Revision> last_revision(TenantId tenant, std::string_view stream) const;
  std::optional<Revision> subject_last_revision(TenantId tenant, std::string_view stream,
                                                std::string_view subject) const;

  // The entries that hold events of a tenant, a stream, a subject; null if there are none. Valid until the
  // tenant is removed: ask again after anything that may suspend.
  const PositionList* positions(TenantId tenant) const;
  const PositionList* positions(TenantId tenant, std::string_view stream) const;
  const PositionList* positions(TenantId tenant, std::string_view stream, std::string_view subject) const;

  // Reads from the entry at a position which revisions it holds of the stream that is looked for; nothing if the
  // entry is damaged. May suspend; the index may grow meanwhile.
  using ReadRevisions = std::function<Result<std::optional<RevisionRange>>(Position)>;
  // The entry that holds `revision` of a stream; nothing if there is no such event. Asks `read` at most seven
  // times, and not at all where entries hold one event each; where entries are damaged, their neighbours as well.
  // corrupt if log and index contradict each other; else what `read` fails with.
  Result<std::optional<Located>> locate(TenantId tenant, std::string_view stream, Revision revision,
                                        const ReadRevisions& read) const;

  // About what it occupies, in bytes.
  std::size_t memory_bytes() const;

  Status encode(RecordSink& sink) const;
  // `applied`: the position the checkpoint speaks of; nothing in it may be later.
  static Result<StreamIndex> decode(RecordSource& source, Position applied, std::uint64_t hash_seed);

 private:
  struct Stream;
  struct Subject;
  struct Tenant;
  class Search;

  const Tenant* find(TenantId tenant) const;
  const Stream* find(TenantId tenant, std::string_view stream) const;
  const Subject* find(TenantId tenant, std::string_view stream, std::string_view subject) const;
  Tenant& tenant_for(TenantId tenant);
  Status apply_stream(Position position, Tenant& tenant, const log::EventsBody& body,
                      const log::BodyStream& stream);

  std::uint64_t hash_seed_;
  std::map<TenantId, std::unique_ptr<Tenant>> tenants_;
};

}  // namespace verity::index
