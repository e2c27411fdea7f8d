#include "engine/index/stream_index.h"

#include "engine/index/name_table.h"
#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace verity::index {
namespace {

using log::put_varint;

constexpr std::uint64_t entries_per_sample = 128;
constexpr std::uint8_t section_version = 1;

enum class Tag : std::uint8_t { index = 0, tenant = 1, stream = 2, subject = 3 };

// What a subject is filed under: its stream's number and its own name.
class SubjectKey {
 public:
  SubjectKey(std::uint32_t stream, std::string_view subject) : size_(sizeof(stream) + subject.size()) {
    VERITY_ASSERT(subject.size() <= log::name_bytes_max);
    std::memcpy(bytes_.data(), &stream, sizeof(stream));
    std::memcpy(bytes_.data() + sizeof(stream), subject.data(), subject.size());
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

  static std::uint32_t stream_of(std::string_view key) {
    std::uint32_t stream = 0;
    std::memcpy(&stream, key.data(), sizeof(stream));
    return stream;
  }
  static std::string_view subject_of(std::string_view key) { return key.substr(sizeof(std::uint32_t)); }

 private:
  std::array<char, sizeof(std::uint32_t) + log::name_bytes_max> bytes_;
  std::size_t size_;
};

void put_text(Bytes& out, std::string_view text) {
  put_varint(out, text.size());
  put_bytes(out, as_bytes(text));
}

}  // namespace

struct StreamIndex::Stream {
  std::uint64_t events = 0;
  PositionList positions;
  std::vector<std::uint64_t> samples;  // first revision of entries 0, 128, 256, … of the stream
};

struct StreamIndex::Subject {
  std::uint64_t events = 0;
  PositionList positions;
};

struct StreamIndex::Tenant {
  explicit Tenant(std::uint64_t hash_seed) : stream_names(hash_seed), subject_names(hash_seed) {}

  // Invariant: names and what they stand for have the same numbers; events is the sum over streams.
  std::uint64_t events = 0;
  PositionList positions;
  NameTable stream_names;
  std::deque<Stream> streams;
  NameTable subject_names;  // SubjectKey
  std::deque<Subject> subjects;

  Stream& add_stream(std::string_view name) {
    stream_names.add(name);
    return streams.emplace_back();
  }
  std::uint32_t subject_for(std::uint32_t stream, std::string_view subject) {
    const SubjectKey key(stream, subject);
    if (const auto id = subject_names.find(key.view())) return *id;
    subjects.emplace_back();
    return subject_names.add(key.view());
  }

  void encode_into(Bytes& out, TenantId id) const;
  void encode_into(Bytes& out, const Stream& stream, std::string_view name) const;
  void encode_into(Bytes& out, const Subject& subject, std::string_view key) const;
  void decode_stream(log::FieldReader& reader, Position applied);
  void decode_subject(log::FieldReader& reader, Position applied);
};

StreamIndex::StreamIndex(std::uint64_t hash_seed) : hash_seed_(hash_seed) {}
StreamIndex::~StreamIndex() = default;
StreamIndex::StreamIndex(StreamIndex&&) noexcept = default;
StreamIndex& StreamIndex::operator=(StreamIndex&&) noexcept = default;

// ---- growing

StreamIndex::Tenant& StreamIndex::tenant_for(TenantId tenant) {
  auto& found = tenants_[tenant];
  if (!found) found = std::make_unique<Tenant>(hash_seed_);
  return *found;
}

Status StreamIndex::apply(Position position, TenantId tenant_id, const log::EventsBody& body) {
  auto& tenant = tenant_for(tenant_id);
  VERITY_ASSERT(position > tenant.positions.last());
  for (const auto& stream : body.streams) VERITY_TRY(apply_stream(position, tenant, body, stream));
  tenant.positions.add(position);
  tenant.events += body.events.size();
  return {};
}

Status StreamIndex::apply_stream(Position position, Tenant& tenant, const log::EventsBody& body,
                                 const log::BodyStream& appended) {
  const auto known = tenant.stream_names.find(appended.name);
  const auto number = known.value_or(tenant.stream_names.count());
  auto& stream = known ? tenant.streams[number] : tenant.add_stream(appended.name);
  auto misfit = [&](const std::string& what, Revision found, std::uint64_t expected) {
    return fail(ErrorCode::corrupt, "entry " + position.describe() + ": " + what + " goes on at revision " +
                                        found.describe() + ", after " + std::to_string(expected) + " events");
  };
  if (appended.first_revision.value != stream.events) {
    return misfit("stream '" + std::string(appended.name) + "'", appended.first_revision, stream.events);
  }
  if (stream.positions.count() % entries_per_sample == 0) stream.samples.push_back(stream.events);
  stream.positions.add(position);
  stream.events += appended.event_count;
  for (const auto& event : body.events_of(appended)) {
    if (event.subject.empty()) continue;
    auto& subject = tenant.subjects[tenant.subject_for(number, event.subject)];
    if (event.subject_revision.value != subject.events) {
      return misfit(
          "subject '" + std::string(event.subject) + "' of stream '" + std::string(appended.name) + "'",
          event.subject_revision, subject.events);
    }
    ++subject.events;
    subject.positions.add(position);
  }
  return {};
}

void StreamIndex::remove_tenant(TenantId tenant) {
  tenants_.erase(tenant);
}

// ---- looking up

const StreamIndex::Tenant* StreamIndex::find(TenantId tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? nullptr : found->second.get();
}

const StreamIndex::Stream* StreamIndex::find(TenantId tenant_id, std::string_view stream) const {
  const auto* tenant = find(tenant_id);
  if (tenant == nullptr) return nullptr;
  const auto number = tenant->stream_names.find(stream);
  return number ? &tenant->streams[*number] : nullptr;
}

const StreamIndex::Subject* StreamIndex::find(TenantId tenant_id, std::string_view stream,
                                              std::string_view subject) const {
  const auto* tenant = find(tenant_id);
  if (tenant == nullptr || subject.size() > log::name_bytes_max) return nullptr;
  const auto number = tenant->stream_names.find(stream);
  if (!number) return nullptr;
  const auto id = tenant->subject_names.find(SubjectKey(*number, subject).view());
  return id ? &tenant->subjects[*id] : nullptr;
}

std::uint64_t StreamIndex::stream_count(TenantId tenant_id) const {
  const auto* tenant = find(tenant_id);
  return tenant ? tenant->streams.size() : 0;
}

std::uint64_t StreamIndex::event_count(TenantId tenant_id) const {
  const auto* tenant = find(tenant_id);
  return tenant ? tenant->events : 0;
}

std::string_view StreamIndex::stream_name(TenantId tenant_id, std::uint32_t number) const {
  const auto* tenant = find(tenant_id);
  VERITY_ASSERT(tenant != nullptr && number < tenant->streams.size());
  return tenant->stream_names.name(number);
}

std::optional<Revision> StreamIndex::last_revision(TenantId tenant, std::string_view stream_name) const {
  const auto* stream = find(tenant, stream_name);
  if (stream == nullptr || stream->events == 0) return std::nullopt;
  return Revision{stream->events - 1};
}

std::optional<Revision> StreamIndex::subject_last_revision(TenantId tenant, std::string_view stream,
                                                           std::string_view subject_name) const {
  const auto* subject = find(tenant, stream, subject_name);
  if (subject == nullptr || subject->events == 0) return std::nullopt;
  return Revision{subject->events - 1};
}

const PositionList* StreamIndex::positions(TenantId tenant_id) const {
  const auto* tenant = find(tenant_id);
  return tenant ? &tenant->positions : nullptr;
}

const PositionList* StreamIndex::positions(TenantId tenant, std::string_view stream_name) const {
  const auto* stream = find(tenant, stream_name);
  return stream ? &stream->positions : nullptr;
}

const PositionList* StreamIndex::positions(TenantId tenant, std::string_view stream,
                                           std::string_view subject_name) const {
  const auto* subject = find(tenant, stream, subject_name);
  return subject ? &subject->positions : nullptr;
}

// Narrows down which of the stream's entries [low, high), which hold the revisions [low_revision, high_revision),
// holds the one that is looked for. One begins where the one before it ends, so the bounds are exact.
class StreamIndex::Search {
 public:
  Search(const StreamIndex& index, TenantId tenant, std::string_view stream_name, Revision revision,
         const ReadRevisions& read)
      : index_(index), tenant_(tenant), stream_name_(stream_name), wanted_(revision.value), read_(read) {}

  Result<std::optional<Located>> run() {
    if (!begin()) return std::nullopt;
    while (!is_found_) {
      const std::uint64_t low_before = low_;
      const std::uint64_t high_before = high_;
      VERITY_TRY(ask_one());
      if (stream_ == nullptr) return std::nullopt;
      if (low_ == low_before && high_ == high_before) break;  // none of them can be read
      settle();
    }
    return Located{stream_->positions.select(low_), stream_->positions.select(high_ - 1)};
  }

 private:
  // False: there is no such event.
  bool begin() {
    stream_ = index_.find(tenant_, stream_name_);
    if (stream_ == nullptr || wanted_ >= stream_->events) return false;
    const auto& samples = stream_->samples;
    const auto sample =
        static_cast<std::uint64_t>(std::ranges::upper_bound(samples, wanted_) - samples.begin()) - 1;
    const bool is_last = sample + 1 == samples.size();
    low_ = sample * entries_per_sample;
    low_revision_ = samples[sample];
    high_ = is_last ? stream_->positions.count() : low_ + entries_per_sample;
    high_revision_ = is_last ? stream_->events : samples[sample + 1];
    settle();
    return true;
  }

  void take_only(std::uint64_t entry) {
    low_ = entry;
    high_ = entry + 1;
    is_found_ = true;
  }

  void settle() {
    if (is_found_) return;
    if (wanted_ == low_revision_ || high_ - low_ == 1) take_only(low_);
    // Each entry holds at least one event: these hold one each.
    else if (high_revision_ - low_revision_ == high_ - low_)
      take_only(low_ + (wanted_ - low_revision_));
  }

  // The one in the middle, or the nearest to it that can be read.
  Status ask_one() {
    const std::uint64_t low = low_;
    const std::uint64_t high = high_;
    const std::uint64_t middle = low + (high - low) / 2;
    const auto is_done = [&] { return stream_ == nullptr || is_found_ || low_ != low || high_ != high; };
    for (std::uint64_t distance = 0; distance < high - low && !is_done(); ++distance) {
      if (middle + distance < high) VERITY_TRY(ask(middle + distance));
      if (distance > 0 && middle >= low + distance && !is_done()) VERITY_TRY(ask(middle - distance));
    }
    return {};
  }

  // Learns from one entry of [low, high) what it says; nothing if it is damaged.
  Status ask(std::uint64_t entry) {
    const Position position = stream_->positions.select(entry);
    VERITY_TRY_ASSIGN(const std::optional<RevisionRange> found, read_(position));
    stream_ = index_.find(tenant_, stream_name_);
    if (stream_ == nullptr || !found) return {};  // null: the tenant was removed while we waited
    const std::uint64_t first = found->first.value;
    const std::uint64_t end = first + found->count;
    const std::uint64_t first_min = low_revision_ + (entry - low_);
    const std::uint64_t end_max = high_revision_ - (high_ - entry - 1);
    const bool fits = (entry == low_ ? first == first_min : first >= first_min) && first < end &&
                      (entry == high_ - 1 ? end == end_max : end <= end_max);
    if (!fits) {
      return fail(ErrorCode::corrupt, "entry " + position.describe() + " begins stream '" +
                                          std::string(stream_name_) + "' at revision " +
                                          found->first.describe() + ", which contradicts the stream index");
    }
    if (wanted_ < first) {
      high_ = entry;
      high_revision_ = first;
    } else if (wanted_ < end) {
      take_only(entry);
    } else {
      low_ = entry + 1;
      low_revision_ = end;
    }
    return {};
  }

  const StreamIndex& index_;
  const TenantId tenant_;
  const std::string_view stream_name_;
  const std::uint64_t wanted_;
  const ReadRevisions& read_;
  const Stream* stream_ = nullptr;
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
  std::uint64_t low_revision_ = 0;
  std::uint64_t high_revision_ = 0;
  bool is_found_ = false;
};

Result<std::optional<Located>> StreamIndex::locate(TenantId tenant, std::string_view stream_name,
                                                   Revision revision, const ReadRevisions& read) const {
  return Search(*this, tenant, stream_name, revision, read).run();
}

std::size_t StreamIndex::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, tenant] : tenants_) {
    bytes += sizeof(Tenant) + tenant->positions.heap_bytes() + tenant->stream_names.heap_bytes() +
             tenant->subject_names.heap_bytes();
    for (const auto& stream : tenant->streams) {
      bytes +=
          sizeof(Stream) + stream.positions.heap_bytes() + stream.samples.capacity() * sizeof(std::uint64_t);
    }
    for (const auto& subject : tenant->subjects) bytes += sizeof(Subject) + subject.positions.heap_bytes();
  }
  return bytes;
}

// ---- checkpoints

void StreamIndex::Tenant::encode_into(Bytes& out, TenantId id) const {
  put(out, Tag::tenant);
  put_varint(out, id.value);
  put_varint(out, streams.size());
  put_varint(out, subjects.size());
  put_varint(out, events);
  positions.encode(out);
}

void StreamIndex::Tenant::encode_into(Bytes& out, const Stream& stream, std::string_view name) const {
  put(out, Tag::stream);
  put_text(out, name);
  put_varint(out, stream.events);
  stream.positions.encode(out);
  std::uint64_t before = 0;
  for (const auto sample : stream.samples) {
    put_varint(out, sample - before);
    before = sample;
  }
}

void StreamIndex::Tenant::encode_into(Bytes& out, const Subject& subject, std::string_view key) const {
  put(out, Tag::subject);
  put_varint(out, SubjectKey::stream_of(key));
  put_text(out, SubjectKey::subject_of(key));
  put_varint(out, subject.events);
  subject.positions.encode(out);
}

Status StreamIndex::encode(RecordSink& sink) const {
  Bytes record;
  put(record, Tag::index);
  put(record, section_version);
  put_varint(record, tenants_.size());
  VERITY_TRY(sink.put(record));
  for (const auto& [id, tenant] : tenants_) {
    record.clear();
    tenant->encode_into(record, id);
    VERITY_TRY(sink.put(record));
    for (std::uint32_t i = 0; i < tenant->streams.size(); ++i) {
      record.clear();
      tenant->encode_into(record, tenant->streams[i], tenant->stream_names.name(i));
      VERITY_TRY(sink.put(record));
    }
    for (std::uint32_t i = 0; i < tenant->subjects.size(); ++i) {
      record.clear();
      tenant->encode_into(record, tenant->subjects[i], tenant->subject_names.name(i));
      VERITY_TRY(sink.put(record));
    }
  }
  return {};
}

void StreamIndex::Tenant::decode_stream(log::FieldReader& reader, Position applied) {
  reader.byte("tag of a stream", static_cast<std::uint8_t>(Tag::stream),
              static_cast<std::uint8_t>(Tag::stream));
  const auto name = reader.text("stream name", 1, log::name_bytes_max);
  if (reader.ok() && stream_names.find(name))
    reader.fail_here("stream '" + std::string(name) + "' is there twice");
  if (!reader.ok()) return;
  auto& stream = add_stream(name);
  stream.events = reader.number("event count", 1);
  stream.positions = PositionList::decode(reader, applied);
  const auto entries = stream.positions.count();
  if (reader.ok() && (entries == 0 || entries > stream.events)) {
    reader.fail_here(std::to_string(entries) + " entries cannot hold " + std::to_string(stream.events) +
                     " events");
  }
  // Sample i is of entry 128·i: each entry holds an event or more.
  const auto sample_count = (entries + entries_per_sample - 1) / entries_per_sample;
  std::uint64_t sample = 0;
  for (std::uint64_t i = 0; i < sample_count && reader.ok(); ++i) {
    const auto entries_after = entries - i * entries_per_sample;
    const auto min = i == 0 ? 0 : entries_per_sample;
    const auto room = stream.events - sample;
    const auto max = i == 0 ? 0 : (room > entries_after ? room - entries_after : 0);
    sample += reader.number("first revision", min, std::max(min, max));
    if (sample > stream.events - std::min(stream.events, entries_after)) {
      reader.fail_here("first revision " + std::to_string(sample) + " leaves too few events for " +
                       std::to_string(entries_after) + " entries");
    }
    stream.samples.push_back(sample);
  }
}

void StreamIndex::Tenant::decode_subject(log::FieldReader& reader, Position applied) {
  reader.byte("tag of a subject", static_cast<std::uint8_t>(Tag::subject),
              static_cast<std::uint8_t>(Tag::subject));
  const auto stream =
      reader.number("stream number", 0, streams.size() - std::min<std::size_t>(streams.size(), 1));
  const auto name = reader.text("subject", 1, log::name_bytes_max);
  if (!reader.ok()) return;
  const auto id = subject_for(static_cast<std::uint32_t>(stream), name);
  if (id + std::size_t{1} != subjects.size() || subjects[id].events != 0) {
    return reader.fail_here("subject '" + std::string(name) + "' is there twice");
  }
  auto& subject = subjects[id];
  subject.events = reader.number("event count", 1);
  subject.positions = PositionList::decode(reader, applied);
  const auto entries = subject.positions.count();
  if (reader.ok() && (entries == 0 || entries > subject.events)) {
    reader.fail_here(std::to_string(entries) + " entries cannot hold " + std::to_string(subject.events) +
                     " events");
  }
}

namespace {

// Calls `read_fields(reader)` with a reader of the next record and checks that it read all of it.
template <class ReadFields>
Status take_record(RecordSource& source, ReadFields&& read_fields) {
  VERITY_TRY_ASSIGN(const auto record, source.take());
  if (!record) return fail(ErrorCode::corrupt, "streams section ends too early");
  log::FieldReader reader(*record, "streams section, record");
  read_fields(reader);
  return reader.finish();
}

}  // namespace

Result<StreamIndex> StreamIndex::decode(RecordSource& source, Position applied, std::uint64_t hash_seed) {
  StreamIndex index(hash_seed);
  std::uint64_t tenant_count = 0;
  VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
    reader.byte("tag of the index", 0, 0);
    reader.byte("version", section_version, section_version);
    tenant_count = reader.number("tenant count");
  }));
  TenantId last{};
  for (std::uint64_t t = 0; t < tenant_count; ++t) {
    std::uint64_t stream_count = 0;
    std::uint64_t subject_count = 0;
    auto tenant = std::make_unique<Tenant>(hash_seed);
    VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
      reader.byte("tag of a tenant", static_cast<std::uint8_t>(Tag::tenant),
                  static_cast<std::uint8_t>(Tag::tenant));
      last = {reader.number("tenant id", last.value + 1, UINT64_MAX - 1)};
      stream_count = reader.number("stream count", 1);
      subject_count = reader.number("subject count");
      tenant->events = reader.number("event count", 1);
      tenant->positions = PositionList::decode(reader, applied);
    }));
    std::uint64_t events = 0;
    for (std::uint64_t i = 0; i < stream_count; ++i) {
      VERITY_TRY(
          take_record(source, [&](log::FieldReader& reader) { tenant->decode_stream(reader, applied); }));
      events += tenant->streams.back().events;
    }
    if (events != tenant->events) {
      return fail(ErrorCode::corrupt, "streams section: the streams of tenant " + last.describe() + " hold " +
                                          std::to_string(events) + " events, the tenant " +
                                          std::to_string(tenant->events));
    }
    for (std::uint64_t i = 0; i < subject_count; ++i) {
      VERITY_TRY(
          take_record(source, [&](log::FieldReader& reader) { tenant->decode_subject(reader, applied); }));
    }
    index.tenants_.emplace(last, std::move(tenant));
  }
  VERITY_TRY_ASSIGN(const auto rest, source.take());
  if (rest) return fail(ErrorCode::corrupt, "streams section: records follow the last tenant");
  return index;
}

}  // namespace verity::index
