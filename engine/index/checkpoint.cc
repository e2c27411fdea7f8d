#include "engine/index/checkpoint.h"

#include "engine/log/checksum.h"
#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "io/base/assert.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace verity::index {
namespace {

constexpr std::string_view name_prefix = "checkpoint.";
constexpr std::string_view temporary_name = "checkpoint.tmp";
constexpr std::uint8_t format_version = 1;
constexpr std::uint16_t kind_info = 1;
constexpr std::uint16_t kind_end = 0xffff;
constexpr std::uint16_t flag_last = 1;
constexpr std::uint64_t generation_max = std::uint64_t{1} << 62;  // a name beyond is not ours
constexpr std::size_t generations_kept = 2;
constexpr std::size_t payload_bytes_max = 256 * KiB;

struct FrameHeader {
  static constexpr std::uint32_t magic_value = 0x504b4356;  // "VCKP"

  std::array<std::uint64_t, 2> checksum{};  // of everything after it
  std::uint32_t magic = magic_value;
  std::uint16_t kind = 0;
  std::uint16_t flags = 0;
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(FrameHeader) == 48 && std::is_trivially_copyable_v<FrameHeader>);

std::string name_of(std::uint64_t generation) {
  return std::string(name_prefix) + std::to_string(generation);
}

std::optional<std::uint64_t> generation_of(std::string_view name) {
  if (!name.starts_with(name_prefix)) return std::nullopt;
  const auto digits = name.substr(name_prefix.size());
  std::uint64_t generation = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), generation);
  if (parsed.ec != std::errc() || name_of(generation) != name || generation > generation_max)
    return std::nullopt;
  return generation;
}

void put_info(Bytes& out, const CheckpointInfo& info) {
  put(out, format_version);
  put(out, info.cluster_id.bytes);
  log::put_varint(out, info.position.value);
  put(out, info.recorded_at.ns);
  put(out, info.chain_hash.bytes);
  info.tree.encode(out);
}

}  // namespace

std::string_view describe(Section section) {
  switch (section) {
    case Section::catalogue:
      return "catalogue";
    case Section::streams:
      return "streams";
    case Section::keys:
      return "keys";
    case Section::sessions:
      return "sessions";
  }
  return "unknown";
}

Result<std::vector<std::uint64_t>> list_checkpoints(io::Wait& wait, io::Directory& directory) {
  VERITY_TRY_ASSIGN(const auto entries, directory.list(wait));
  std::vector<std::uint64_t> generations;
  for (const auto& entry : entries) {
    if (const auto generation = generation_of(entry.name)) generations.push_back(*generation);
  }
  std::ranges::sort(generations, std::ranges::greater());
  return generations;
}

// ---- writing

CheckpointWriter::CheckpointWriter(io::Wait& wait, const CheckpointInfo& info)
    : wait_(wait), frame_(sizeof(FrameHeader)) {
  VERITY_ASSERT(info.tree.size() == info.position.value);
  put_info(frame_, info);
  end_frame(kind_info, true);
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::end_frame(std::uint16_t kind, bool is_last) {
  FrameHeader header;
  header.kind = kind;
  header.flags = is_last ? flag_last : 0;
  header.sequence = frames_.size();
  header.payload_bytes = static_cast<std::uint32_t>(frame_.size() - sizeof(header));
  std::memcpy(frame_.data(), &header, sizeof(header));
  frames_.push_back(std::exchange(frame_, Bytes(sizeof(header))));
}

void CheckpointWriter::end_section() {
  if (section_ != 0) end_frame(std::exchange(section_, 0), true);
}

Status CheckpointWriter::begin(Section section) {
  VERITY_ASSERT(static_cast<std::uint16_t>(section) > section_);
  end_section();
  section_ = static_cast<std::uint16_t>(section);
  return {};
}

Status CheckpointWriter::put(ByteView record) {
  VERITY_ASSERT(section_ != 0 && record.size() <= UINT32_MAX);
  const auto length = static_cast<std::uint32_t>(record.size());
  for (ByteView part : {std::as_bytes(std::span(&length, 1)), record}) {
    while (!part.empty()) {
      const auto room = sizeof(FrameHeader) + payload_bytes_max - frame_.size();
      if (room == 0) {
        end_frame(section_, false);
        VERITY_TRY(wait_.yield());
        continue;
      }
      const auto count = std::min(room, part.size());
      put_bytes(frame_, part.first(count));
      part = part.subspan(count);
    }
  }
  return {};
}

Result<std::uint64_t> CheckpointWriter::write(io::Directory& directory) {
  end_section();
  log::put_varint(frame_, frames_.size() + 1);
  end_frame(kind_end, true);
  VERITY_TRY_ASSIGN(const auto generations, list_checkpoints(wait_, directory));
  const auto generation = generations.empty() ? 1 : generations.front() + 1;
  VERITY_TRY_ASSIGN(auto file, directory.open(wait_, temporary_name, {.mode = io::OpenMode::create}));
  VERITY_TRY(file->truncate(wait_, 0));
  ByteCount offset = 0;
  for (Bytes& frame : frames_) {
    FrameHeader header;
    std::memcpy(&header, frame.data(), sizeof(header));
    header.generation = generation;
    std::memcpy(frame.data(), &header, sizeof(header));
    header.checksum = checksum128(ByteView(frame).subspan(sizeof(header.checksum)));
    std::memcpy(frame.data(), &header, sizeof(header));
    VERITY_TRY(file->write(wait_, offset, frame, io::Durability::cached));
    offset += frame.size();
    frame = Bytes();  // the memory is not needed twice
  }
  VERITY_TRY(file->sync(wait_));
  file.reset();
  VERITY_TRY(directory.rename(wait_, temporary_name, name_of(generation)));
  VERITY_TRY(directory.sync(wait_));
  remove_older(directory, generation);
  return generation;
}

void CheckpointWriter::remove_older(io::Directory& directory, std::uint64_t generation) {
  const auto generations = list_checkpoints(wait_, directory);
  if (!generations) return;
  for (const auto older : *generations) {
    if (older + generations_kept > generation) continue;
    ignore(directory.remove(wait_, name_of(older)), "it only takes up space, and the next one tries again");
  }
}

// ---- reading

CheckpointReader::CheckpointReader(io::Wait& wait, std::unique_ptr<io::File> file, std::string path,
                                   std::uint64_t generation)
    : wait_(wait), file_(std::move(file)), path_(std::move(path)), generation_(generation) {}

CheckpointReader::~CheckpointReader() = default;

std::unexpected<Error> CheckpointReader::corrupt(std::string_view what) const {
  return fail(ErrorCode::corrupt, path_ + " at " + std::to_string(offset_) + ": " + std::string(what));
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::open(io::Wait& wait, io::Directory& directory,
                                                                 std::uint64_t generation) {
  const auto name = name_of(generation);
  VERITY_TRY_ASSIGN(auto file, directory.open(wait, name, {.mode = io::OpenMode::read}));
  std::unique_ptr<CheckpointReader> reader(
      new CheckpointReader(wait, std::move(file), directory.path() + "/" + name, generation));
  VERITY_TRY(reader->read_info());
  return reader;
}

Status CheckpointReader::read_frame() {
  FrameHeader header;
  frame_.resize(sizeof(header));
  VERITY_TRY_ASSIGN(const auto header_bytes, file_->read(wait_, offset_, frame_));
  if (header_bytes < sizeof(header)) return corrupt("the file ends before its end frame");
  std::memcpy(&header, frame_.data(), sizeof(header));
  if (header.magic != FrameHeader::magic_value) return corrupt("no frame begins here (wrong magic)");
  if (header.payload_bytes > payload_bytes_max) {
    return corrupt("a frame of " + std::to_string(header.payload_bytes) + " bytes, allowed are " +
                   std::to_string(payload_bytes_max));
  }
  frame_.resize(sizeof(header) + header.payload_bytes);
  VERITY_TRY_ASSIGN(const auto payload_bytes, file_->read(wait_, offset_ + sizeof(header),
                                                          MutableByteView(frame_).subspan(sizeof(header))));
  if (payload_bytes < header.payload_bytes) return corrupt("a frame is cut off");
  if (header.checksum != checksum128(ByteView(frame_).subspan(sizeof(header.checksum)))) {
    return corrupt("the checksum of a frame does not match");
  }
  if (header.generation != generation_ || header.sequence != sequence_ || header.reserved != 0) {
    return corrupt("frame " + std::to_string(header.sequence) + " of generation " +
                   std::to_string(header.generation) + " where frame " + std::to_string(sequence_) + " of " +
                   std::to_string(generation_) + " belongs");
  }
  offset_ += frame_.size();
  ++sequence_;
  kind_ = header.kind;
  is_last_ = (header.flags & flag_last) != 0;
  rest_ = ByteView(frame_).subspan(sizeof(header));
  return {};
}

Status CheckpointReader::read_info() {
  VERITY_TRY(read_frame());
  if (kind_ != kind_info) return corrupt("the first frame does not say what this is");
  if (rest_.empty() || rest_[0] != std::byte{format_version}) {
    return fail(ErrorCode::unsupported,
                path_ + " has format " +
                    (rest_.empty() ? "none" : std::to_string(std::to_integer<int>(rest_[0]))) +
                    "; this release knows " + std::to_string(format_version));
  }
  log::FieldReader reader(rest_, path_, sizeof(FrameHeader));
  reader.byte("format", format_version, format_version);
  info_.cluster_id = reader.value<Id128>("cluster id");
  info_.position = {reader.number("position")};
  info_.recorded_at = {reader.value<std::int64_t>("timestamp")};
  info_.chain_hash = reader.value<Sha256Digest>("chain hash");
  info_.tree = log::MerkleFrontier::decode(reader);
  VERITY_TRY(reader.finish());
  if (info_.tree.size() != info_.position.value) return corrupt("tree size and position differ");
  rest_ = {};
  return {};
}

Status CheckpointReader::enter(Section section) {
  const auto wanted = static_cast<std::uint16_t>(section);
  VERITY_ASSERT(kind_ < wanted);
  do {
    // To the end of the section we are in, then one further.
    while (!is_last_) VERITY_TRY(read_frame());
    VERITY_TRY(read_frame());
  } while (kind_ < wanted);
  if (kind_ != wanted) return corrupt("section " + std::string(describe(section)) + " is missing");
  return {};
}

Result<std::optional<ByteView>> CheckpointReader::take() {
  std::uint32_t length = 0;
  record_.clear();
  // What is still to come of the length, then of the record. Memory grows with what was read, not with what a length
  // says.
  auto fill = [&](std::size_t count) -> Status {
    while (record_.size() < count) {
      if (rest_.empty()) {
        if (is_last_) return corrupt("the section ends within a record");
        const auto kind = kind_;
        VERITY_TRY(read_frame());
        if (kind_ != kind) return corrupt("the section goes on with a frame of another");
        continue;
      }
      const auto part = std::min(count - record_.size(), rest_.size());
      put_bytes(record_, rest_.first(part));
      rest_ = rest_.subspan(part);
    }
    return {};
  };
  while (rest_.empty() && !is_last_) {
    const auto kind = kind_;
    VERITY_TRY(read_frame());
    if (kind_ != kind) return corrupt("the section goes on with a frame of another");
  }
  if (rest_.empty()) return std::optional<ByteView>();
  VERITY_TRY(fill(sizeof(length)));
  std::memcpy(&length, record_.data(), sizeof(length));
  record_.clear();
  if (length <= rest_.size()) {
    const auto record = rest_.first(length);
    rest_ = rest_.subspan(length);
    return std::optional<ByteView>(record);
  }
  VERITY_TRY(fill(length));
  return std::optional<ByteView>(record_);
}

Status CheckpointReader::finish() {
  while (kind_ != kind_end) VERITY_TRY(read_frame());
  log::FieldReader reader(rest_, path_, offset_ - rest_.size());
  reader.number("frame count", sequence_, sequence_);
  VERITY_TRY(reader.finish());
  VERITY_TRY_ASSIGN(const auto size, file_->size(wait_));
  if (size != offset_) return corrupt("bytes follow the end frame");
  return {};
}

Result<CheckpointLoad> load_checkpoint(io::Wait& wait, io::Directory& directory, Id128 cluster_id,
                                       const LoadSections& load) {
  CheckpointLoad result;
  VERITY_TRY_ASSIGN(const auto generations, list_checkpoints(wait, directory));
  for (const auto generation : generations) {
    auto attempt = [&]() -> Result<CheckpointInfo> {
      VERITY_TRY_ASSIGN(const auto reader, CheckpointReader::open(wait, directory, generation));
      if (reader->info().cluster_id != cluster_id) {
        return fail(ErrorCode::corrupt, directory.path() + "/" + name_of(generation) + " is of cluster " +
                                            reader->info().cluster_id.describe() + ", not of " +
                                            cluster_id.describe());
      }
      VERITY_TRY(load(*reader));
      VERITY_TRY(reader->finish());
      return reader->info();
    };
    auto info = attempt();
    if (info) {
      result.loaded = std::move(*info);
      result.generation = generation;
      return result;
    }
    if (info.error().code == ErrorCode::crashed) return std::unexpected(info.error());
    result.bad.push_back(info.error().describe());
  }
  return result;
}

}  // namespace verity::index
