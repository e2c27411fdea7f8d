// Directories of the simulated disk, as one process sees them.
#include "io/file.h"
#include "sim/disk.h"
#include "sim/disk_state.h"
#include "sim/process.h"
#include "sim/world.h"

#include <algorithm>

namespace verity::sim {
namespace {

std::unexpected<Error> crashed(std::string_view doing, const std::string& path) {
  return fail(ErrorCode::crashed, std::string(doing) + " " + path + ": this process has crashed");
}

}  // namespace

class SimDirectory final : public io::Directory {
 public:
  SimDirectory(Disk& disk, Process& process, std::shared_ptr<Disk::Folder> folder, std::string path)
      : disk_(disk), process_(process), folder_(std::move(folder)), path_(std::move(path)) {}

  Result<std::unique_ptr<io::File>> open(io::Wait& wait, std::string_view name,
                                         io::OpenOptions options) override;
  Result<std::unique_ptr<io::Directory>> open_directory(io::Wait& wait, std::string_view name,
                                                        bool create) override;
  Status remove(io::Wait& wait, std::string_view name) override;
  Status rename(io::Wait& wait, std::string_view from, std::string_view to) override;
  Result<std::vector<io::DirectoryEntry>> list(io::Wait& wait) override;
  Status sync(io::Wait& wait) override;
  Result<ByteCount> free_bytes(io::Wait& wait) override;
  Result<std::unique_ptr<io::DirectoryLock>> lock(io::Wait& wait, std::string_view name,
                                                  std::string_view holder) override;
  const std::string& path() const override { return path_; }

 private:
  std::string below(std::string_view name) const { return path_ + "/" + std::string(name); }
  Disk::Node find(std::string_view name) const {
    const auto found = folder_->current.find(std::string(name));
    return found == folder_->current.end() ? Disk::Node{} : found->second;
  }
  void take(Disk::NameChange change) {
    Disk::Folder::apply(folder_->current, change);
    folder_->unsynced.push_back(std::move(change));
  }
  bool device_fails(const std::string& path) const {
    return disk_.fault(disk_.options_.faults.failed_name_ppm, path);
  }
  std::unexpected<Error> failed(const std::string& path, std::string_view doing) {
    disk_.note(DamageKind::failed_name, path, 0, 0);
    return fail(ErrorCode::io_error, std::string(doing) + " " + path + ": the device failed");
  }
  // What fails may have happened all the same.
  Status change(Disk::NameChange change, std::string_view doing) {
    const std::string path = below(change.name);
    const bool fails = device_fails(path);
    if (!fails || disk_.fault_prng_.chance(1, 4)) take(std::move(change));
    return fails ? Status(failed(path, doing)) : Status();
  }
  Status check_name(std::string_view name) const {
    if (!name.empty() && name != "." && name != ".." &&
        name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos) {
      return {};
    }
    return fail(ErrorCode::invalid_argument,
                "\"" + std::string(name) + "\" is not the name of one file in " + path_);
  }
  // Metadata calls take a little time, so that others may come in between.
  bool pause(io::Wait& wait, Duration mean) {
    World& world = process_.world();
    const std::uint64_t id = process_.new_call();
    world.after(disk_.latency(mean), [&world, process = process_.id(), id] {
      if (Process* const owner = world.find(process)) owner->complete(id);
    });
    return process_.wait_for(wait, id);
  }

  Disk& disk_;
  Process& process_;
  const std::shared_ptr<Disk::Folder> folder_;
  const std::string path_;
};

Result<std::unique_ptr<io::File>> SimDirectory::open(io::Wait& wait, std::string_view name,
                                                     io::OpenOptions options) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("opening", below(name));
  VERITY_TRY(check_name(name));
  Disk::Node node = find(name);
  if (node.folder) return fail(ErrorCode::invalid_argument, "opening " + below(name) + ": it is a directory");
  const bool creates = options.mode == io::OpenMode::create || options.mode == io::OpenMode::create_new;
  if (node.file && options.mode == io::OpenMode::create_new) {
    return fail(ErrorCode::already_exists, "creating " + below(name) + ": it exists");
  }
  if (!node.file) {
    if (!creates) return fail(ErrorCode::not_found, "opening " + below(name) + ": no such file");
    node.file = std::make_shared<Disk::Inode>(disk_.options_.sector_bytes);
    process_.trace("create " + below(name));
    VERITY_TRY(change({Disk::NameChange::Kind::create, std::string(name), "", node}, "creating"));
  }
  return disk_.open_file(process_, node.file, below(name), options);
}

Result<std::unique_ptr<io::Directory>> SimDirectory::open_directory(io::Wait& wait, std::string_view name,
                                                                    bool create) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("opening", below(name));
  VERITY_TRY(check_name(name));
  Disk::Node node = find(name);
  if (node.file)
    return fail(ErrorCode::invalid_argument, "opening " + below(name) + ": it is not a directory");
  if (!node.folder) {
    if (!create) return fail(ErrorCode::not_found, "opening " + below(name) + ": no such directory");
    node.folder = std::make_shared<Disk::Folder>();
    process_.trace("mkdir  " + below(name));
    VERITY_TRY(change({Disk::NameChange::Kind::create, std::string(name), "", node}, "creating"));
  }
  return std::make_unique<SimDirectory>(disk_, process_, node.folder, below(name));
}

Status SimDirectory::remove(io::Wait& wait, std::string_view name) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("removing", below(name));
  VERITY_TRY(check_name(name));
  const Disk::Node node = find(name);
  if (!node) return fail(ErrorCode::not_found, "removing " + below(name) + ": no such file");
  if (node.folder && !node.folder->current.empty()) {
    return fail(ErrorCode::busy, "removing " + below(name) + ": the directory is not empty");
  }
  process_.trace("remove " + below(name));
  return change({Disk::NameChange::Kind::remove, std::string(name), "", node}, "removing");
}

Status SimDirectory::rename(io::Wait& wait, std::string_view from, std::string_view to) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("renaming", below(from));
  VERITY_TRY(check_name(from));
  VERITY_TRY(check_name(to));
  const Disk::Node node = find(from);
  if (!node) return fail(ErrorCode::not_found, "renaming " + below(from) + ": no such file");
  if (from == to) return {};
  process_.trace("rename " + below(from) + " > " + std::string(to));
  return change({Disk::NameChange::Kind::rename, std::string(from), std::string(to), node}, "renaming");
}

Result<std::vector<io::DirectoryEntry>> SimDirectory::list(io::Wait& wait) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("listing", path_);
  std::vector<io::DirectoryEntry> entries;
  for (const auto& [name, node] : folder_->current) {
    entries.push_back({name, node.folder != nullptr, node.file ? node.file->current.size() : 0});
  }
  return entries;
}

Result<ByteCount> SimDirectory::free_bytes(io::Wait& wait) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("asking for the space of", path_);
  const ByteCount capacity = std::min<ByteCount>(disk_.options_.capacity, 1024 * GiB);
  return capacity - std::min(capacity, disk_.used());
}

Status SimDirectory::sync(io::Wait& wait) {
  if (!process_.begin_call()) return crashed("syncing", path_);
  const std::size_t changes = folder_->unsynced.size();
  if (!pause(wait, disk_.options_.sync_latency)) return crashed("syncing", path_);
  // Only what was there when the call began is promised; a sync that overtook this one may have done it.
  const bool fails = device_fails(path_);
  std::size_t done = std::min(changes, folder_->unsynced.size());
  // So far it came, in order; the rest is left to a crash, or to a sync that does not fail.
  if (fails) done = disk_.fault_prng_.below(done + 1);
  for (std::size_t i = 0; i < done; ++i) Disk::Folder::apply(folder_->durable, folder_->unsynced[i]);
  folder_->unsynced.erase(folder_->unsynced.begin(),
                          folder_->unsynced.begin() + static_cast<std::ptrdiff_t>(done));
  if (fails) return failed(path_, "syncing");
  process_.trace("sync   " + path_ + "/");
  return {};
}

namespace {

class SimLock final : public io::DirectoryLock {
 public:
  SimLock(std::map<std::string, std::string>& locks, Process& process, std::string path)
      : locks_(locks), process_(process), path_(std::move(path)) {}
  ~SimLock() override {
    // A crash has released it already, and somebody else may hold it by now.
    if (!process_.is_crashed()) locks_.erase(path_);
  }

 private:
  std::map<std::string, std::string>& locks_;
  Process& process_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<io::DirectoryLock>> SimDirectory::lock(io::Wait& wait, std::string_view name,
                                                              std::string_view holder) {
  if (!process_.begin_call() || !pause(wait, 10us)) return crashed("locking", below(name));
  VERITY_TRY(check_name(name));
  const auto [held, taken] = disk_.locks_.emplace(below(name), holder);
  if (!taken) return fail(ErrorCode::busy, "locking " + below(name) + ": held by " + held->second);
  if (!find(name)) {
    Disk::Node node{std::make_shared<Disk::Inode>(disk_.options_.sector_bytes), nullptr};
    take({Disk::NameChange::Kind::create, std::string(name), "", node});
  }
  if (const Disk::Node node = find(name); node.file) {
    const std::string line = std::string(holder) + "\n";
    node.file->current.resize(line.size());
    node.file->current.write(0, as_bytes(line));
    node.file->durable = node.file->current;
    node.file->unsynced.clear();
    node.file->size_changes.clear();
  }
  process_.trace("lock   " + below(name));
  return std::make_unique<SimLock>(disk_.locks_, process_, below(name));
}

std::unique_ptr<io::Directory> Disk::mount(Process& process, std::string path) {
  make_up_late_writes();
  process.on_crash([this, &process] {
    if (process.crash_kind() == CrashKind::power) {
      crash();
    } else {
      forget_process();
    }
  });
  return std::make_unique<SimDirectory>(*this, process, root_, std::move(path));
}

}  // namespace verity::sim
