#include "engine/log/verify.h"

#include "engine/log/segment_files.h"
#include "engine/log/uncommitted_tail.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>

namespace verity::log {
namespace {

// A flush that is being written looks torn or wrong until it is there.
constexpr int tail_attempts = 5;
constexpr Duration tail_pause = 20ms;

class Verification {
 public:
  Verification(io::Wait& wait, io::Directory& directory, const VerifyOptions& options)
      : wait_(wait), directory_(directory), options_(options) {}

  Result<VerifyReport> run();

 private:
  struct Opened {
    std::unique_ptr<io::File> file;
    std::string name;
    bool sealed = false;
  };

  Status count_bytes();
  // The file of segment `sequence`, sealed or current, whatever a running server renames meanwhile; null file: there is
  // none.
  Result<Opened> open(std::uint64_t sequence);
  Result<std::optional<SegmentHeader>> read_header(const Opened& opened, std::uint64_t sequence);
  Status check_segment(const Opened& opened, const SegmentHeader& header);
  Status take(const std::vector<PlacedEntry>& entries, const SegmentHeader& header, const std::string& name);
  void progress(ByteCount more);

  io::Wait& wait_;
  io::Directory& directory_;
  const VerifyOptions& options_;
  VerifyReport report_;
  MerkleFrontier tree_;
  ByteCount bytes_total_ = 0;
  std::uint64_t sealed_count_ = 0;
  std::uint64_t next_flush_ = 0;
  bool chain_broken_ = false;  // what follows is checked by itself only
};

Status Verification::count_bytes() {
  VERITY_TRY_ASSIGN(const auto entries, directory_.list(wait_));
  for (const io::DirectoryEntry& entry : entries) {
    const auto sequence = parse_sealed_segment_name(entry.name);
    if (sequence) sealed_count_ = std::max(sealed_count_, *sequence + 1);
    if (sequence || entry.name == current_segment_name) bytes_total_ += entry.size;
  }
  return {};
}

Result<Verification::Opened> Verification::open(std::uint64_t sequence) {
  for (int attempt = 0; attempt < tail_attempts; ++attempt) {
    for (const std::string& name : {sealed_segment_name(sequence), std::string(current_segment_name)}) {
      auto file = directory_.open(wait_, name, {.mode = io::OpenMode::read});
      if (!file && file.error().code == ErrorCode::not_found) continue;
      if (!file) return std::unexpected(file.error());
      const bool sealed = name != current_segment_name;
      if (sealed) return Opened{std::move(*file), name, true};
      const auto header = read_segment_header(wait_, **file);
      // Beyond it: it was renamed between the two attempts to open it.
      if (header && header->header.sequence > sequence && sequence >= sealed_count_) continue;
      if (header && header->header.sequence > sequence) return Opened{};
      return Opened{std::move(*file), name, false};
    }
    VERITY_TRY(wait_.sleep(tail_pause));
  }
  return Opened{};
}

Result<std::optional<SegmentHeader>> Verification::read_header(const Opened& opened, std::uint64_t sequence) {
  const std::string name = "log/" + opened.name;
  const auto decoded = read_segment_header(wait_, *opened.file);
  if (!decoded) {
    if (decoded.error().code == ErrorCode::crashed || decoded.error().code == ErrorCode::unsupported) {
      return std::unexpected(decoded.error());
    }
    report_.damage.push_back({name, 0, {}, decoded.error().message});
    return std::optional<SegmentHeader>();
  }
  const SegmentHeader& header = decoded->header;
  if (decoded->one_copy_damaged) {
    report_.damage.push_back(
        {name, 0, {}, "one copy of the segment header is damaged; the other one is good"});
  }
  if (sequence == 0 && report_.cluster_id.is_zero()) report_.cluster_id = header.cluster_id;
  const auto wrong = [&](std::string what) {
    report_.damage.push_back({name, 0, header.first_position, std::move(what)});
  };
  if (header.cluster_id != report_.cluster_id) {
    wrong("it belongs to cluster " + header.cluster_id.describe() + ", not " + report_.cluster_id.describe());
  } else if (header.sequence != sequence) {
    wrong("it is segment " + std::to_string(header.sequence) + ", not " + std::to_string(sequence));
  } else if (!chain_broken_ && (header.first_position != report_.last.next() ||
                                header.parent != report_.head || header.first_flush != next_flush_)) {
    wrong("it does not continue the segment before it, which ends at position " + report_.last.describe());
  } else {
    return std::optional(header);
  }
  return std::optional<SegmentHeader>();
}

void Verification::progress(ByteCount more) {
  report_.bytes += more;
  if (options_.on_progress) options_.on_progress(std::min(report_.bytes, bytes_total_), bytes_total_);
}

Status Verification::take(const std::vector<PlacedEntry>& entries, const SegmentHeader& header,
                          const std::string& name) {
  for (const auto& [entry, start] : entries) {
    ++report_.entries;
    if (!body_hash_matches(*entry)) {
      report_.damage.push_back(
          {name, start, entry->position(),
           "the body does not have the hash that its header binds, though its checksum is right"});
    }
    if (chain_broken_) continue;
    if (entry->header().timestamp < report_.last_timestamp) {
      report_.damage.push_back(
          {name, start, entry->position(), "its timestamp is before that of the entry before"});
    }
    report_.last = entry->position();
    report_.head = entry->hash();
    report_.last_timestamp = entry->header().timestamp;
    tree_.append(merkle_leaf(entry->hash()));
    if (options_.on_entry) VERITY_TRY(options_.on_entry(entry, header.sequence, start));
  }
  return {};
}

Status Verification::check_segment(const Opened& opened, const SegmentHeader& header) {
  const std::string name = "log/" + opened.name;
  ByteCount behind = 0;  // flushes below here were taken in an earlier attempt
  UncommittedTail tail;
  for (int attempt = 1;; ++attempt) {
    VERITY_TRY_ASSIGN(const ByteCount size, opened.file->size(wait_));
    // A sealed segment has a successor, so all of it was durable.
    const Position durable = opened.sealed ? Position{UINT64_MAX} : options_.known_durable;
    SegmentScanner scanner(*opened.file, header, size, durable);
    std::optional<ScanStop> stop;
    while (!stop) {
      VERITY_TRY(wait_.check());
      VERITY_TRY_ASSIGN(ScanStep step, scanner.next(wait_));
      if (auto* const stopped = std::get_if<ScanStop>(&step)) {
        stop = std::move(*stopped);
      } else if (const auto& flush = std::get<ScannedFlush>(step); flush.header.offset >= behind) {
        VERITY_TRY(take(tail.take(flush), header, name));
        progress(flush.end - flush.header.offset);
        behind = flush.end;
      }
    }
    const bool again = !opened.sealed && !scanner.sealed() && stop->verdict != Verdict::end_of_log &&
                       attempt < tail_attempts;
    if (again) {
      VERITY_TRY(wait_.sleep(tail_pause));
      continue;
    }
    VERITY_TRY(take(tail.take_all(), header, name));
    next_flush_ = scanner.next_sequence();
    report_.durable = std::max(report_.durable, std::min(scanner.durable_mark(), report_.last));
    if (opened.sealed && scanner.sealed()) {
      report_.durable = std::max(report_.durable, report_.last);
      return {};
    }
    if (!opened.sealed && (stop->verdict == Verdict::end_of_log || scanner.sealed())) return {};
    if (stop->verdict == Verdict::torn) {
      report_.notes.push_back(name + " at offset " + std::to_string(stop->offset) +
                              ": a torn flush, never acknowledged; the next start drops it");
    } else {
      report_.damage.push_back({name, stop->offset, stop->position,
                                stop->what.empty() ? "the segment is not sealed" : stop->what});
      chain_broken_ = true;
    }
    return {};
  }
}

Result<VerifyReport> Verification::run() {
  if (options_.cluster_id) report_.cluster_id = *options_.cluster_id;
  VERITY_TRY(count_bytes());
  for (std::uint64_t sequence = 0;; ++sequence) {
    VERITY_TRY_ASSIGN(const Opened opened, open(sequence));
    if (opened.file == nullptr) {
      if (sequence >= sealed_count_) {
        // A crash between the two renames of a switch leaves only the spare, which start completes.
        const auto next = directory_.open(wait_, next_segment_name, {.mode = io::OpenMode::read});
        const auto header = next ? read_segment_header(wait_, **next)
                                 : Result<DecodedSegmentHeader>(std::unexpected(next.error()));
        if (header && header->header.sequence == sequence) {
          report_.notes.push_back(
              "log/next.segment: a segment switch was interrupted; the next start completes it");
        } else {
          report_.damage.push_back({"log/current.segment", 0, report_.last.next(), "the file is missing"});
        }
        break;
      }
      report_.damage.push_back(
          {"log/" + sealed_segment_name(sequence), 0, report_.last.next(), "the file is missing"});
      chain_broken_ = true;
      continue;
    }
    ++report_.segments;
    VERITY_TRY_ASSIGN(const std::optional<SegmentHeader> header, read_header(opened, sequence));
    if (header) {
      VERITY_TRY(check_segment(opened, *header));
    } else {
      chain_broken_ = true;
    }
    if (!opened.sealed) break;
  }
  if (report_.last < options_.known_durable && report_.damage.empty()) {
    report_.damage.push_back(
        {"log/current.segment", 0, report_.last.next(),
         "entries up to " + options_.known_durable.describe() + " are known to have been durable"});
  }
  report_.tree_root = tree_.root();
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify_log(io::Wait& wait, io::Directory& directory, const VerifyOptions& options) {
  return Verification(wait, directory, options).run();
}

}  // namespace verity::log
