// Entries, segment headers and whole segments. The first byte chooses; the second, for segments, whether checksums are
// put right first, so that mutations reach what lies behind them.
//
// Whatever is accepted is exactly what its encoding gives; a scan ends, stays inside the file and hands out entries that
// continue one another.
#include "engine/log/checksum.h"
#include "engine/log/entry.h"
#include "engine/log/offsets.h"
#include "engine/log/segment.h"
#include "engine/log/uncommitted_tail.h"
#include "fuzz/fuzz_input.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <cstddef>
#include <optional>

namespace {

using namespace verity;

class StoppedClock final : public io::Clock {
 public:
  Instant monotonic() const override { return {}; }
  Timestamp realtime() const override { return {}; }
};

class MemoryFile final : public io::File {
 public:
  explicit MemoryFile(ByteView bytes) : bytes_(bytes) {}
  Result<ByteCount> read(io::Wait&, ByteCount offset, MutableByteView out) override {
    if (offset >= bytes_.size()) return ByteCount{0};
    const ByteView found = bytes_.subspan(offset, std::min<ByteCount>(out.size(), bytes_.size() - offset));
    std::memcpy(out.data(), found.data(), found.size());
    return found.size();
  }
  Status write(io::Wait&, ByteCount, ByteView, io::Durability) override { return refuse(); }
  Status sync(io::Wait&) override { return refuse(); }
  Status allocate(io::Wait&, ByteCount) override { return refuse(); }
  Status truncate(io::Wait&, ByteCount) override { return refuse(); }
  Result<ByteCount> size(io::Wait&) override { return bytes_.size(); }
  ByteCount block_bytes() const override { return 512; }

 private:
  static Status refuse() { return fail(ErrorCode::read_only, "nobody writes here"); }
  ByteView bytes_;
};

void check_entry(std::string_view bytes) {
  const Result<log::EntryPtr> entry = log::Entry::decode(as_bytes(bytes));
  if (!entry) return;
  FUZZ_CHECK(as_text((*entry)->bytes()) == bytes);
  FUZZ_CHECK(!(*entry)->describe().empty());
}

void check_header(std::string_view bytes) {
  const auto decoded = log::decode_segment_header(as_bytes(bytes));
  if (!decoded) return;
  FUZZ_CHECK(decoded->header.block_bytes >= 512 && decoded->header.block_bytes <= 4096);
  const auto again = log::decode_segment_header(log::encode_segment_header(decoded->header));
  FUZZ_CHECK(again && !again->one_copy_damaged);
}

// Puts every checksum of flushes and entries right that lies where one is expected.
void put_checksums_right(Bytes& bytes, ByteCount block) {
  for (ByteCount at = log::segment_header_bytes; at + log::flush_header_bytes <= bytes.size(); at += block) {
    log::FlushHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.magic != log::FlushHeader::magic_value || header.length > bytes.size() - at ||
        header.length < log::flush_header_bytes) {
      continue;
    }
    const MutableByteView flush = MutableByteView(bytes).subspan(at, header.length);
    ByteCount entry_at =
        log::flush_header_bytes + (header.kind == log::FlushKind::replace ? log::flush_parent_bytes : 0);
    while (entry_at + log::entry_header_bytes <= flush.size()) {
      log::EntryHeader entry;
      std::memcpy(&entry, flush.data() + entry_at, sizeof(entry));
      if (entry.magic != log::EntryHeader::magic_value ||
          entry.body_bytes > flush.size() - entry_at - log::entry_header_bytes) {
        break;
      }
      const MutableByteView raw = flush.subspan(entry_at, log::entry_header_bytes);
      entry.body_checksum = checksum128(flush.subspan(entry_at + log::entry_header_bytes, entry.body_bytes));
      std::memcpy(raw.data(), &entry, sizeof(entry));
      entry.header_checksum = checksum128(ByteView(raw).first(offsetof(log::EntryHeader, header_checksum)));
      std::memcpy(raw.data(), &entry, sizeof(entry));
      entry_at += log::entry_header_bytes + entry.body_bytes;
    }
    if (header.zero_map_bytes <= header.length - log::flush_header_bytes) {
      header.zero_map_checksum = checksum64(flush.last(header.zero_map_bytes));
    }
    header.body_checksum = checksum128(flush.subspan(log::flush_header_bytes));
    std::memcpy(flush.data(), &header, sizeof(header));
    header.header_checksum = checksum128(ByteView(flush).first(offsetof(log::FlushHeader, header_checksum)));
    std::memcpy(flush.data(), &header, sizeof(header));
  }
}

void scan(io::Wait& wait, ByteView bytes, const log::SegmentHeader& header) {
  MemoryFile file(bytes);
  log::SegmentScanner scanner(file, header, bytes.size(), Position{0});
  std::vector<Sha256Digest> heads = {header.parent};
  std::vector<std::uint32_t> starts;
  log::UncommittedTail tail;
  Position committed;
  std::uint64_t settled_position = header.first_position.value - 1;
  while (true) {
    const ByteCount before = scanner.offset();
    const auto step = scanner.next(wait);
    FUZZ_CHECK(step.has_value());
    if (const auto* const stop = std::get_if<log::ScanStop>(&*step)) {
      FUZZ_CHECK(stop->verdict != log::Verdict::intact);
      FUZZ_CHECK(stop->offset == scanner.offset() && stop->written_end >= stop->offset);
      return;
    }
    const auto& flush = std::get<log::ScannedFlush>(*step);
    FUZZ_CHECK(flush.end > before && flush.end <= bytes.size() &&
               flush.starts.size() == flush.entries.size());
    // A replace goes back, but not behind the segment and what is committed.
    const std::uint64_t kept = flush.header.first_position.value - header.first_position.value;
    FUZZ_CHECK(flush.header.kind == log::FlushKind::replace ? kept + 1 < heads.size()
                                                            : kept + 1 == heads.size());
    FUZZ_CHECK(flush.entries.empty() || flush.header.first_position > committed);
    heads.resize(kept + 1);
    log::add_starts(flush, header.first_position, starts);
    for (const log::EntryPtr& entry : flush.entries) {
      FUZZ_CHECK(entry->position().value == header.first_position.value + heads.size() - 1 &&
                 entry->header().parent == heads.back());
      heads.push_back(entry->hash());
    }
    FUZZ_CHECK(scanner.head() == heads.back() && starts.size() + 1 == heads.size() &&
               scanner.next_position().value == header.first_position.value + starts.size());
    committed = std::max(committed, scanner.committed());
    for (const log::PlacedEntry& settled : tail.take(flush)) {
      FUZZ_CHECK(settled.entry->position().value == ++settled_position);
      FUZZ_CHECK(heads[settled_position - header.first_position.value + 1] == settled.entry->hash());
    }
  }
}

void check_segment(fuzz::Input& input) {
  const bool repair = input.take_byte() % 2 == 1;
  const std::string_view rest = input.rest();
  Bytes bytes(as_bytes(rest).begin(), as_bytes(rest).end());
  const auto decoded = log::decode_segment_header(bytes);
  log::SegmentHeader header;
  header.block_bytes = 512;
  header.first_position = Position{1};
  if (decoded) header = decoded->header;
  if (repair) put_checksums_right(bytes, header.block_bytes);
  StoppedClock clock;
  io::Loop loop(clock);
  loop.spawn("scan", [&] {
    io::Wait wait(loop);
    scan(wait, bytes, header);
  });
  loop.run_ready();
}

void check_offsets(std::string_view bytes) {
  const log::OffsetsOf of{.cluster_id = {}, .sequence = 1, .first_position = Position{1}, .count = 2};
  const auto decoded = log::decode_offsets(of, as_bytes(bytes));
  if (decoded) FUZZ_CHECK(as_text(log::encode_offsets(of, *decoded)) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.take_byte() % 4) {
    case 0:
      check_entry(input.rest());
      break;
    case 1:
      check_header(input.rest());
      break;
    case 2:
      check_segment(input);
      break;
    default:
      check_offsets(input.rest());
      break;
  }
  return 0;
}
