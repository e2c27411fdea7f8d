#include "engine/node/verify_directory.h"

#include "engine/index/checkpoint.h"
#include "engine/log/offsets.h"
#include "engine/log/segment.h"
#include "engine/node/derived.h"
#include "engine/node/derived_checkpoint.h"
#include "engine/node/state_file.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <map>

namespace verity::node {
namespace {

// Compares nothing that needs them, so any will do.
constexpr std::uint64_t hash_seed = 0;

struct Starts {
  Position first;
  std::vector<std::uint32_t> starts;
};

class DirectoryVerification {
 public:
  DirectoryVerification(io::Wait& wait, io::Directory& data)
      : wait_(wait), data_(data), derived_({}, hash_seed) {}

  Result<DirectoryReport> run(std::function<void(ByteCount, ByteCount)> on_progress) {
    VERITY_TRY_ASSIGN(const auto meta, data_.open_directory(wait_, "meta", false));
    VERITY_TRY_ASSIGN(const auto log_directory, data_.open_directory(wait_, "log", false));
    VERITY_TRY_ASSIGN(const auto index, data_.open_directory(wait_, "index", false));
    log::VerifyOptions options;
    options.on_progress = std::move(on_progress);
    VERITY_TRY(check_state(*meta, options));
    VERITY_TRY(note_checkpoints(*index, options));
    options.on_entry = [this](const log::EntryPtr& entry, std::uint64_t segment, std::uint32_t start) {
      return take(entry, segment, start);
    };
    VERITY_TRY_ASSIGN(report_.log, log::verify_log(wait_, *log_directory, options));
    VERITY_TRY(check_sidecars(*log_directory));
    check_checkpoints();
    report_.tenants = derived_.catalogue.count();
    for (const auto& [id, tenant] : derived_.catalogue.by_id())
      report_.events += derived_.streams.event_count(id);
    return std::move(report_);
  }

 private:
  Status check_state(io::Directory& meta, log::VerifyOptions& options) {
    const Result<LoadedState> loaded = load_state(wait_, meta, true);
    if (!loaded) {
      if (loaded.error().code != ErrorCode::corrupt) return std::unexpected(loaded.error());
      report_.damage.push_back(loaded.error().message);
      return {};
    }
    report_.damage.insert(report_.damage.end(), loaded->notes.begin(), loaded->notes.end());
    if (!loaded->state) {
      report_.damage.push_back("meta/state.json: missing, and so is its copy");
      return {};
    }
    options.cluster_id = loaded->state->cluster_id;
    options.known_durable = loaded->state->durable_position;
    return {};
  }

  // Reads every checkpoint before the log, so that what a running server writes meanwhile cannot be ahead of what we read.
  Status note_checkpoints(io::Directory& index, const log::VerifyOptions& options) {
    VERITY_TRY_ASSIGN(const std::vector<std::uint64_t> generations, index::list_checkpoints(wait_, index));
    for (const std::uint64_t generation : generations) {
      const std::string name = "index/checkpoint." + std::to_string(generation);
      const auto reader = index::CheckpointReader::open(wait_, index, generation);
      if (!reader && reader.error().code == ErrorCode::not_found) continue;  // replaced meanwhile
      Derived loaded({}, hash_seed);
      const Status read = reader ? load_derived_from(**reader, {}, hash_seed, loaded)
                                 : Status(std::unexpected(reader.error()));
      if (!read) {
        if (read.error().code == ErrorCode::crashed) return read;
        if (read.error().code == ErrorCode::not_found) continue;
        report_.damage.push_back(name + ": " + read.error().message);
        continue;
      }
      if (options.cluster_id && (*reader)->info().cluster_id != *options.cluster_id) {
        report_.damage.push_back(name + ": it belongs to another cluster");
        continue;
      }
      checkpoints_.emplace((*reader)->info().position, std::pair(name, (*reader)->info()));
    }
    return {};
  }

  Status take(const log::EntryPtr& entry, std::uint64_t segment, std::uint32_t start) {
    if (Status applied = derived_.apply(*entry); !applied) {
      // A chain that holds but makes no sense: written by a program that was not ours, or a defect of ours.
      report_.damage.push_back("log/: " + applied.error().message);
      return fail(ErrorCode::corrupt, applied.error().message);
    }
    Starts& starts = starts_[segment];
    if (starts.starts.empty()) starts.first = entry->position();
    starts.starts.push_back(start);
    if (const auto checkpoint = checkpoints_.find(entry->position()); checkpoint != checkpoints_.end()) {
      const auto& [name, info] = checkpoint->second;
      if (info.chain_hash != entry->hash() || info.tree != derived_.tree) {
        report_.damage.push_back(name + ": it contradicts the log at position " +
                                 entry->position().describe());
      }
    }
    return {};
  }

  void check_checkpoints() {
    if (!report_.log.damage.empty()) return;  // then the log may end before them
    for (const auto& [position, named] : checkpoints_) {
      if (position > report_.log.last) {
        report_.damage.push_back(named.first + ": it is at position " + position.describe() +
                                 ", the log ends at " + report_.log.last.describe());
      }
    }
  }

  Status check_sidecars(io::Directory& log_directory) {
    for (const auto& [segment, starts] : starts_) {
      const std::string name = log::offsets_name(segment);
      const auto file = log_directory.open(wait_, name, {.mode = io::OpenMode::read});
      if (!file && file.error().code == ErrorCode::not_found) continue;  // made when it is missed
      if (!file) return std::unexpected(file.error());
      VERITY_TRY_ASSIGN(const ByteCount size, (*file)->size(wait_));
      Bytes bytes(std::min<ByteCount>(size, 64 + starts.starts.size() * sizeof(std::uint32_t) + 1));
      const auto got = (*file)->read(wait_, 0, bytes);
      const auto decoded =
          got ? log::decode_offsets({report_.log.cluster_id, segment, starts.first, starts.starts.size()},
                                    ByteView(bytes).first(*got))
              : std::nullopt;
      if (decoded != starts.starts) {
        // Nobody syncs it, so a power cut may leave it half written.
        report_.notes.push_back("log/" + name +
                                ": not what the segment says; it is made again when it is next used");
      }
    }
    return {};
  }

  io::Wait& wait_;
  io::Directory& data_;
  DirectoryReport report_;
  Derived derived_;
  std::map<Position, std::pair<std::string, index::CheckpointInfo>> checkpoints_;
  std::map<std::uint64_t, Starts> starts_;
};

}  // namespace

Result<DirectoryReport> verify_directory(io::Wait& wait, io::Directory& data,
                                         std::function<void(ByteCount, ByteCount)> on_progress) {
  return DirectoryVerification(wait, data).run(std::move(on_progress));
}

}  // namespace verity::node
