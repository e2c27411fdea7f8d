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
      head_(recovered.head),
      last_timestamp_(recovered.last_timestamp),
      durable_(recovered.last),
      committed_(recovered.committed),
      noted_committed_(recovered.committed) {}

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
  header.parent = head_;
  header.timestamp = std::max(world_.clock.realtime(), last_timestamp_);
  EntryPtr entry = Entry::make(header, body);
  last_ = entry->position();
  head_ = entry->hash();
  last_timestamp_ = header.timestamp;
  queue_.push_back(entry);
  queued_bytes_ += entry->bytes().size();
  queued_flush_bytes_ += flush_bytes_at_most(entry->bytes().size(), AlignedBuffer::alignment);
  reader_.remember(entry);
  work_.notify_all();
  return entry;
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

ByteCount Log::body_bytes_max() const {
  const ByteCount overhead = segment_header_bytes +
                             flush_bytes_at_most(entry_header_bytes, AlignedBuffer::alignment) +
                             2 * AlignedBuffer::alignment + options_.segment_bytes / 2048;  // zero map
  return options_.segment_bytes - overhead;
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
  committed_ = position;
  quiet_since_ = world_.clock.monotonic();
  work_.notify_all();
}

bool Log::awaits_commit() const {
  const ByteCount block = table_.current().header.block_bytes;
  return committed_ < durable_ && flush_bytes_at_most(queue_.front()->bytes().size(), block) > room();
}

void Log::fail_with(const Error& error) {
  failure_ = error;
  if (on_failure) on_failure(error);
}

void Log::run(io::Wait& wait) {
  while (true) {
    Status done;
    if (!queue_.empty() && !awaits_commit()) {
      done = flush_queue(wait);
    } else if (owes_mark() && (stopping_ || wait.now() >= quiet_since_ + options_.mark_delay)) {
      done = write_mark(wait);
    } else if (stopping_) {
      return;
    } else {
      io::Wait quiet = owes_mark() ? wait.until(quiet_since_ + options_.mark_delay) : wait;
      ignore(work_.wait(quiet), "work or quiet: both are looked at above");
    }
    if (!done) return fail_with(done.error());
  }
}

Status Log::flush_queue(io::Wait& wait) {
  const ByteCount block = table_.current().header.block_bytes;
  const ByteCount limit = std::min(room(), std::max(options_.flush_bytes_max, block));
  std::vector<EntryPtr> entries;
  ByteCount entry_bytes = 0;
  for (const EntryPtr& entry : queue_) {
    const ByteCount with_this = flush_bytes_at_most(entry_bytes + entry->bytes().size(), block);
    const bool fits = with_this <= limit || (entries.empty() && with_this <= room());
    if (!fits) break;
    entry_bytes += entry->bytes().size();
    entries.push_back(entry);
  }
  if (entries.empty()) return switch_segment(wait);

  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(entries.size()));
  std::vector<std::uint32_t> starts;
  const ByteCount size = build_flush(place(), entries, buffer_, &starts);
  SegmentInfo& current = table_.current();
  const Instant begun = wait.now();
  const Position noting = std::min(committed_, entries.back()->position());
  VERITY_TRY(file_->write(wait, current.end_offset, buffer_.view().first(size), io::Durability::durable));

  ++next_flush_;
  noted_committed_ = std::max(noted_committed_, noting);
  durable_ = entries.back()->position();
  current.end_offset += size;
  current.end_position = durable_.next();
  table_.current_starts.insert(table_.current_starts.end(), starts.begin(), starts.end());
  marked_ = false;
  quiet_since_ = wait.now();
  for (const EntryPtr& entry : entries) {
    queued_bytes_ -= entry->bytes().size();
    queued_flush_bytes_ -= flush_bytes_at_most(entry->bytes().size(), AlignedBuffer::alignment);
  }
  if (on_durable) on_durable(entries, {size, quiet_since_ - begun});
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
  const Sha256Digest head = queue_.empty() ? head_ : queue_.front()->header().parent;
  const ByteCount size = build_mark(place(), FlushKind::mark, durable_.next(), head, buffer);
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
  const Sha256Digest head = queue_.empty() ? head_ : queue_.front()->header().parent;
  const ByteCount size = build_mark(place(), FlushKind::seal, durable_.next(), head, buffer);
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
  const Sha256Digest head = queue_.front()->header().parent;
  SegmentHeader header = full.header;
  header.block_bytes = static_cast<std::uint32_t>(next->block_bytes());
  header.sequence = full.header.sequence + 1;
  header.first_position = durable_.next();
  header.parent = head;
  header.size_bytes = options_.segment_bytes;
  header.first_flush = next_flush_;
  VERITY_TRY(write_segment_header(wait, *next, header));
  VERITY_TRY_ASSIGN(auto next_reader, directory_.open(wait, next_segment_name, {.mode = io::OpenMode::read}));
  VERITY_TRY(complete_switch(wait, directory_, full.header.sequence));

  const OffsetsOf of{options_.cluster_id, full.header.sequence, full.header.first_position,
                     table_.current_starts.size()};
  if (const auto sidecar = directory_.open(wait, offsets_name(of.sequence), {.mode = io::OpenMode::create})) {
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
