#include "engine/log/log.h"

#include "engine/log/offsets.h"
#include "engine/log/segment_files.h"
#include "io/base/assert.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"
#include "io/world.h"

#include <algorithm>

namespace verity::log {

Log::Log(const io::World& world, io::Directory& directory, LogOptions options, Recovered recovered)
    : world_(world),
      directory_(directory),
      options_(options),
      table_(std::move(recovered.table)),
      reader_(directory, table_, options.cluster_id, options.read_cache_bytes, !options.read_only),
      spare_(world.loop, world.logger, directory, options.segment_bytes),
      file_(std::move(recovered.current)),
      next_flush_(recovered.next_flush),
      marked_(recovered.marked),
      sealed_(recovered.sealed),
      quiet_since_(world.clock.monotonic()),
      last_(recovered.last),
      links_{{recovered.committed_head, recovered.committed_timestamp}},
      durable_(recovered.last),
      durable_head_(recovered.head),
      committed_(recovered.committed),
      noted_committed_(recovered.committed),
      written_end_(recovered.last.next()) {
  for (const EntryPtr& entry : recovered.tail) {
    links_.push_back({entry->hash(), entry->header().timestamp});
  }
}

Log::~Log() {
  VERITY_ASSERT_NOTE(running_.count() == 0, "stop() must have returned");
}

void Log::start() {
  VERITY_ASSERT(!options_.read_only && file_ != nullptr);
  writing_ = true;
  spare_.start();
  running_.add();
  world_.loop.spawn("log writer", [this] {
    io::Wait wait(world_.loop);
    run(wait);
    running_.done();
  });
}

void Log::stop(io::Wait& wait) {
  if (!writing_) return;
  stopping_ = true;
  spare_.give_up();
  work_.notify_all();
  ignore(running_.wait(wait), "nobody cancels a stop");
  spare_.stop(wait);
  writing_ = false;
}

EntryPtr Log::propose(EntryHeader header, ByteView body) {
  VERITY_ASSERT(is_writable());
  header.cluster_id = options_.cluster_id;
  header.epoch = options_.epoch;
  header.position = last_.next();
  header.parent = links_.back().hash;
  if (header.timestamp == Timestamp{}) header.timestamp = world_.clock.realtime();
  header.timestamp = std::max(header.timestamp, links_.back().timestamp);
  EntryPtr entry = Entry::make(header, body);
  take(entry);
  return entry;
}

void Log::take(const EntryPtr& entry) {
  last_ = entry->position();
  links_.push_back({entry->hash(), entry->header().timestamp});
  queue_.push_back(entry);
  count_queued(*entry, true);
  reader_.remember(entry);
  work_.notify_all();
}

void Log::count_queued(const Entry& entry, bool added) {
  const ByteCount bytes = entry.bytes().size();
  const ByteCount flush_bytes = flush_bytes_at_most(bytes, AlignedBuffer::alignment);
  queued_bytes_ = added ? queued_bytes_ + bytes : queued_bytes_ - bytes;
  queued_flush_bytes_ = added ? queued_flush_bytes_ + flush_bytes : queued_flush_bytes_ - flush_bytes;
}

Status Log::check_continues(const Entry& entry, Position position, const Link& before) const {
  const EntryHeader& header = entry.header();
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorCode::invalid_argument, entry.describe() + " does not continue this log: " + what);
  };
  if (header.cluster_id != options_.cluster_id) {
    return wrong("it belongs to cluster " + header.cluster_id.describe());
  }
  if (header.position != position) return wrong("position " + position.describe() + " is next");
  if (header.parent != before.hash) {
    return wrong("its parent is " + header.parent.describe() + ", the entry before has the hash " +
                 before.hash.describe());
  }
  if (header.timestamp < before.timestamp) return wrong("its timestamp is before that of the entry before");
  if (!body_hash_matches(entry)) return wrong("the body does not have the hash that its header binds");
  return {};
}

Status Log::append(EntryPtr entry) {
  return replace_from(last_.next(), {std::move(entry)});
}

Status Log::replace_from(Position first, const std::vector<EntryPtr>& entries) {
  if (!is_writable()) return fail(ErrorCode::busy, "the log takes no entries");
  if (first <= committed_) {
    return fail(ErrorCode::invalid_argument, "position " + first.describe() + " cannot be replaced: " +
                                                 committed_.describe() + " is committed");
  }
  if (first > last_.next()) {
    return fail(ErrorCode::invalid_argument,
                "position " + first.describe() + " cannot follow " + last_.describe() + ", the last one");
  }
  Link before = links_[first.value - 1 - committed_.value];
  Position next = first;
  for (const EntryPtr& entry : entries) {
    VERITY_TRY(check_continues(*entry, next, before));
    before = {entry->hash(), entry->header().timestamp};
    next = next.next();
  }
  const bool joins = cut_ && first <= cut_->through;
  if (first <= last_) drop_from(first);
  for (const EntryPtr& entry : entries) take(entry);
  if (cut_ && (joins || first == cut_->first)) cut_->through = last_;
  return {};
}

void Log::drop_from(Position first) {
  ++generation_;
  while (!queue_.empty() && queue_.back()->position() >= first) {
    count_queued(*queue_.back(), false);
    queue_.pop_back();
  }
  links_.resize(first.value - committed_.value);
  last_ = Position{first.value - 1};
  // What is in the file, or on its way there, has to be replaced there too.
  if (first < written_end_ && (!cut_ || first < cut_->first)) cut_ = Cut{first, last_, links_.back().hash};
  if (last_ < durable_) {
    durable_ = last_;
    durable_head_ = links_.back().hash;
  }
  SegmentInfo& current = table_.current();
  VERITY_ASSERT(first >= current.header.first_position);  // sealed is committed
  current.end_position = std::min(current.end_position, first);
  const std::uint64_t alive = current.end_position.value - current.header.first_position.value;
  table_.current_starts.resize(alive);
  reader_.forget_from(first);
  work_.notify_all();
}

ByteCount Log::room() const {
  if (sealed_) return 0;
  const SegmentInfo& current = table_.current();
  const ByteCount seal = current.header.block_bytes;
  return current.header.size_bytes - std::min(current.header.size_bytes, current.end_offset + seal);
}

bool Log::has_room(ByteCount body_bytes) const {
  if (!spare_.problem()) return true;
  const ByteCount mark = table_.current().header.block_bytes;  // maybe being written just now
  return mark + queued_flush_bytes_ +
             flush_bytes_at_most(entry_header_bytes + body_bytes, AlignedBuffer::alignment) <=
         room();
}

ByteCount body_bytes_max(ByteCount segment_bytes) {
  const ByteCount overhead = segment_header_bytes +
                             flush_bytes_at_most(entry_header_bytes, AlignedBuffer::alignment) +
                             2 * AlignedBuffer::alignment + segment_bytes / 2048;  // zero map
  return segment_bytes - overhead;
}

FlushPlace Log::place() const {
  const SegmentInfo& current = table_.current();
  return {.cluster_id = options_.cluster_id,
          .segment = current.header.sequence,
          .offset = current.end_offset,
          .sequence = next_flush_,
          .durable_mark = durable_,
          .committed = committed_,
          .block_bytes = current.header.block_bytes};
}

void Log::set_committed(Position position) {
  VERITY_ASSERT(position <= last_);
  if (position <= committed_) return;
  links_.erase(links_.begin(),
               links_.begin() + static_cast<std::ptrdiff_t>(position.value - committed_.value));
  committed_ = position;
  quiet_since_ = world_.clock.monotonic();
  work_.notify_all();
}

void Log::seal_soon() {
  seal_soon_ = true;
  work_.notify_all();
}

void Log::segment_repaired(const SegmentHeader& header, ByteCount end_offset) {
  SegmentInfo& segment = table_.segments.at(header.sequence);
  VERITY_ASSERT(segment.sealed && segment.header.sequence == header.sequence);
  segment.header = header;
  segment.end_offset = end_offset;
  reader_.forget_segment(header.sequence);
}

// Under load there is always something that is durable and not committed; so it is waited a little without writing.
Log::Early Log::seal_early(Instant now, Instant& next_look) {
  const SegmentInfo& current = table_.current();
  const bool wanted =
      seal_soon_ && !stopping_ && !cut_ && current.end_position > current.header.first_position;
  if (!wanted) return Early::no;
  if (!spare_.is_ready()) {  // nobody tells when it is
    next_look = std::min(next_look, now + options_.seal_patience);
    return Early::no;
  }
  if (committed_ >= durable_) {
    seal_soon_ = false;
    hold_until_.reset();
    return Early::seal;
  }
  if (!hold_until_ || now > *hold_until_ + 50 * options_.seal_patience)
    hold_until_ = now + options_.seal_patience;
  if (now >= *hold_until_) return Early::no;
  next_look = std::min(next_look, *hold_until_);
  return Early::wait;
}

void Log::fail_with(const Error& error) {
  failure_ = error;
  if (on_failure) on_failure(error);
}

void Log::run(io::Wait& wait) {
  while (true) {
    Instant next_look = Instant::never();
    const Result<bool> stepped = step(wait, next_look);
    if (!stepped) return fail_with(stepped.error());
    if (*stepped) continue;
    if (stopping_) return;
    io::Wait quiet = next_look == Instant::never() ? wait : wait.until(next_look);
    ignore(work_.wait(quiet), "step() looks at what happened");
  }
}

Result<bool> Log::step(io::Wait& wait, Instant& next_look) {
  const Early early = seal_early(wait.now(), next_look);
  if (early == Early::wait) return false;
  if (early == Early::seal) {
    VERITY_TRY(switch_segment(wait));
    return true;
  }
  const bool has_work = cut_ || !queue_.empty();
  if (has_work && needed() <= room()) {
    grow_at_.reset();
    VERITY_TRY(flush_queue(wait));
    return true;
  }
  if (has_work && !cut_ && needed() > new_segment_room()) {  // of a node that makes its segments longer
    VERITY_TRY(grow(wait, "an entry needs it"));
    return true;
  }
  if (has_work && !cut_ && committed_ >= durable_) {
    grow_at_.reset();
    VERITY_TRY(switch_segment(wait));
    return true;
  }
  if (has_work && (cut_ || !stopping_)) {
    if (!grow_at_) grow_at_ = cut_ ? wait.now() : wait.now() + options_.seal_patience;
    if (wait.now() >= *grow_at_) {
      VERITY_TRY(grow(wait, "its last entry is not committed"));
      return true;
    }
    next_look = std::min(next_look, *grow_at_);
  }
  if (!has_work && generation_reported_ < generation_) {
    generation_reported_ = generation_;
    if (on_durable) on_durable({}, {.generation = generation_});
    return true;
  }
  if (owes_mark() && !cut_) {
    const Instant due = quiet_since_ + options_.mark_delay;
    if (stopping_ || wait.now() >= due) {
      VERITY_TRY(write_mark(wait));
      return true;
    }
    next_look = std::min(next_look, due);
  }
  return false;
}

ByteCount Log::needed() const {
  ByteCount bytes = cut_ ? flush_parent_bytes : 0;
  for (const EntryPtr& entry : queue_) {
    const bool goes_along = cut_ ? entry->position() <= cut_->through : bytes == 0;
    if (!goes_along) break;
    bytes += entry->bytes().size();
  }
  return flush_bytes_at_most(bytes, table_.current().header.block_bytes);
}

// The last entry of a full segment is not committed, or about to be replaced: it cannot be sealed. Waiting might take for
// ever, because what would commit it may need what is queued to be durable first.
Status Log::grow(io::Wait& wait, std::string_view why) {
  SegmentInfo& current = table_.current();
  const ByteCount before = round_up(current.header.size_bytes, AlignedBuffer::alignment);
  const ByteCount size = round_up(before + std::max(needed(), options_.segment_bytes / 16) +
                                      2 * current.header.block_bytes,  // a mark and the seal
                                  AlignedBuffer::alignment);
  if (size > UINT32_MAX) {
    return fail(ErrorCode::limit_exceeded, "the current segment has grown to " + std::to_string(before) +
                                               " bytes because nothing is committed");
  }
  Status grown = file_->allocate(wait, size);
  if (grown) grown = zero_range(wait, *file_, before, size);
  if (!grown && grown.error().code == ErrorCode::out_of_space) {
    grow_at_ = wait.now() + 1s;
    return stopping_ ? grown : Status();
  }
  VERITY_TRY(grown);
  current.header.size_bytes = size;
  current.header_settled = false;
  VERITY_TRY(write_segment_header(wait, *file_, current.header));
  current.header_settled = true;
  world_.logger.log(io::LogLevel::info, "verity_log", "segment made longer",
                    {{"sequence", current.header.sequence}, {"bytes", size}, {"why", std::string(why)}});
  return {};
}

Status Log::flush_queue(io::Wait& wait) {
  const ByteCount block = table_.current().header.block_bytes;
  const ByteCount limit = std::min(room(), std::max(options_.flush_bytes_max, block));
  const std::optional<Cut> cut = std::exchange(cut_, std::nullopt);
  std::vector<EntryPtr> entries;
  ByteCount bytes = cut ? flush_parent_bytes : 0;
  for (const EntryPtr& entry : queue_) {
    const bool goes_along = cut ? entry->position() <= cut->through : entries.empty();
    const ByteCount with_this = bytes + entry->bytes().size();
    if (!goes_along && flush_bytes_at_most(with_this, block) > limit) break;
    bytes = with_this;
    entries.push_back(entry);
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(entries.size()));
  written_end_ = entries.empty() ? cut->first : entries.back()->position().next();
  std::vector<std::uint32_t> starts;
  const ByteCount size = cut ? build_replace(place(), cut->first, cut->parent, entries, buffer_, &starts)
                             : build_flush(place(), entries, buffer_, &starts);
  SegmentInfo& current = table_.current();
  const Instant begun = wait.now();
  const Position noting = std::min(committed_, Position{written_end_.value - 1});
  const std::uint64_t generation = generation_;
  VERITY_TRY(file_->write(wait, current.end_offset, buffer_.view().first(size), io::Durability::durable));

  ++next_flush_;
  current.end_offset += size;
  noted_committed_ = std::max(noted_committed_, noting);
  marked_ = false;
  quiet_since_ = wait.now();
  for (const EntryPtr& entry : entries) count_queued(*entry, false);
  // What has been replaced meanwhile was never reported, and is not now.
  while (!entries.empty() && cut_ && entries.back()->position() >= cut_->first) entries.pop_back();
  if (!entries.empty()) {
    durable_ = entries.back()->position();
    durable_head_ = entries.back()->hash();
    current.end_position = durable_.next();
    table_.current_starts.insert(table_.current_starts.end(), starts.begin(),
                                 starts.begin() + static_cast<std::ptrdiff_t>(entries.size()));
  }
  generation_reported_ = generation;
  if (on_durable) on_durable(entries, {size, quiet_since_ - begun, generation});
  // One huge batch must not hold its memory for ever.
  if (buffer_.size() > 4 * options_.flush_bytes_max) buffer_ = AlignedBuffer();
  return {};
}

Status Log::write_mark(io::Wait& wait) {
  marked_ = true;
  noted_committed_ = std::min(committed_, durable_);
  if (room() < table_.current().header.block_bytes) {
    // The block that is kept for the seal is left, and the seal proves as much; once the last entry is committed.
    return sealed_ || committed_ < durable_ ? Status() : seal(wait);
  }
  AlignedBuffer buffer;
  const ByteCount size = build_mark(place(), FlushKind::mark, durable_.next(), durable_head_, buffer);
  SegmentInfo& current = table_.current();
  VERITY_TRY(file_->write(wait, current.end_offset, buffer.view().first(size), io::Durability::durable));
  ++next_flush_;
  current.end_offset += size;
  return {};
}

// Nothing fits any more, and all of it is committed.
Status Log::seal(io::Wait& wait) {
  SegmentInfo& full = table_.current();
  AlignedBuffer buffer;
  const ByteCount size = build_mark(place(), FlushKind::seal, durable_.next(), durable_head_, buffer);
  VERITY_TRY(file_->write(wait, full.end_offset, buffer.view().first(size), io::Durability::durable));
  ++next_flush_;
  full.end_offset += size;
  marked_ = true;
  noted_committed_ = durable_;
  sealed_ = true;
  return {};
}

Status Log::switch_segment(io::Wait& wait) {
  VERITY_TRY_ASSIGN(std::unique_ptr<io::File> next, spare_.take(wait));
  if (!sealed_) VERITY_TRY(seal(wait));
  SegmentInfo& full = table_.current();
  SegmentHeader header = full.header;
  header.block_bytes = static_cast<std::uint32_t>(next->block_bytes());
  header.sequence = full.header.sequence + 1;
  header.first_position = durable_.next();
  header.parent = durable_head_;
  header.size_bytes = options_.segment_bytes;
  header.first_flush = next_flush_;
  VERITY_TRY(write_segment_header(wait, *next, header));
  VERITY_TRY_ASSIGN(auto next_reader, directory_.open(wait, next_segment_name, {.mode = io::OpenMode::read}));
  VERITY_TRY(complete_switch(wait, directory_, full.header.sequence));

  const OffsetsOf of{options_.cluster_id, full.header.sequence, full.header.first_position,
                     table_.current_starts.size()};
  const bool is_whole = std::find(table_.current_starts.begin(), table_.current_starts.end(), 0U) ==
                        table_.current_starts.end();
  const auto sidecar = is_whole
                           ? directory_.open(wait, offsets_name(of.sequence), {.mode = io::OpenMode::create})
                           : fail(ErrorCode::corrupt, "damaged places have no offset");
  if (sidecar) {
    ignore((*sidecar)->write(wait, 0, encode_offsets(of, table_.current_starts), io::Durability::cached),
           "the sidecar is only a shortcut; readers make it again when it is missed");
  }
  ignore(file_->truncate(wait, full.end_offset), "what is behind the seal is zeros that nobody reads");

  world_.logger.log(io::LogLevel::debug, "verity_log", "segment sealed",
                    {{"sequence", full.header.sequence}, {"end_position", full.end_position.value}});
  full.sealed = true;
  table_.segments.push_back({.header = header,
                             .end_position = header.first_position,
                             .end_offset = segment_header_bytes,
                             .sealed = false});
  table_.current_starts.clear();
  table_.current_reader = std::move(next_reader);
  file_ = std::move(next);
  sealed_ = false;
  spare_.begin_next();
  return {};
}

}  // namespace verity::log
