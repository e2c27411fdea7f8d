// Files of the simulated disk, as one process sees them.
#include "io/base/assert.h"
#include "io/file.h"
#include "sim/disk.h"
#include "sim/disk_state.h"
#include "sim/process.h"
#include "sim/trace.h"
#include "sim/world.h"

#include <algorithm>
#include <optional>

namespace verity::sim {
namespace {

std::unexpected<Error> crashed(std::string_view doing, const std::string& path) {
  return fail(ErrorCode::crashed, std::string(doing) + " " + path + ": this process has crashed");
}

bool is_aligned(ByteCount offset, ByteView memory, ByteCount block) {
  return offset % block == 0 && memory.size() % block == 0 &&
         reinterpret_cast<std::uintptr_t>(memory.data()) % 4096 == 0;
}

bool has_zero_sector(ByteView data, ByteCount sector_bytes) {
  for (ByteCount at = 0; at < data.size(); at += sector_bytes) {
    if (is_all_zero(data.subspan(at, std::min<ByteCount>(sector_bytes, data.size() - at)))) return true;
  }
  return false;
}

}  // namespace

class SimFile final : public io::File {
 public:
  SimFile(Disk& disk, Process& process, std::shared_ptr<Disk::Inode> inode, std::string path, bool direct,
          bool writable)
      : disk_(disk),
        process_(process),
        inode_(std::move(inode)),
        path_(std::move(path)),
        direct_(direct),
        writable_(writable) {
    ++disk_.open_files_;
  }
  ~SimFile() override { --disk_.open_files_; }

  Result<ByteCount> read(io::Wait& wait, ByteCount offset, MutableByteView out) override;
  Status write(io::Wait& wait, ByteCount offset, ByteView data, io::Durability durability) override;
  Status sync(io::Wait& wait) override;
  Status allocate(io::Wait& wait, ByteCount size) override;
  Status truncate(io::Wait& wait, ByteCount size) override;
  Result<ByteCount> size(io::Wait& wait) override;
  ByteCount block_bytes() const override { return disk_.options_.sector_bytes; }

 private:
  // Takes `delay` of simulated time, then runs `effect` unless the process crashed; false if it did.
  template <class Effect>
  bool call(io::Wait& wait, Duration delay, Effect effect);
  void serve_stale(ByteCount offset, MutableByteView out);
  void lose(ByteCount offset, ByteView data, bool misdirected);
  void written_durably(ByteCount offset, ByteView data);
  std::uint64_t push_versions(ByteCount offset, ByteView data);
  Status room_for(ByteCount size, std::string_view doing) const;
  void fail_sync(std::uint64_t sequence);
  void trace(const std::string& what, ByteCount offset, ByteCount size, std::string_view more = {}) const {
    process_.trace(what + path_ + " " + std::to_string(offset) + "+" + std::to_string(size) +
                   std::string(more));
  }

  Disk& disk_;
  Process& process_;
  const std::shared_ptr<Disk::Inode> inode_;
  const std::string path_;
  const bool direct_;
  const bool writable_;
};

template <class Effect>
bool SimFile::call(io::Wait& wait, Duration delay, Effect effect) {
  World& world = process_.world();
  const std::uint64_t id = process_.new_call();
  world.after(delay, [&world, process = process_.id(), id, effect = std::move(effect)]() mutable {
    Process* const owner = world.find(process);
    if (owner == nullptr || owner->is_crashed()) return;
    effect();
    owner->complete(id);
  });
  return process_.wait_for(wait, id);
}

Result<ByteCount> SimFile::read(io::Wait& wait, ByteCount offset, MutableByteView out) {
  if (!process_.begin_call()) return crashed("reading", path_);
  if (direct_ && !is_aligned(offset, out, block_bytes())) {
    return fail(ErrorCode::invalid_argument, "reading " + path_ + " at " + std::to_string(offset) +
                                                 ": direct I/O wants multiples of " +
                                                 std::to_string(block_bytes()));
  }
  Result<ByteCount> result = ByteCount{0};
  const bool alive = call(wait, disk_.latency(disk_.options_.read_latency), [&, this] {
    Disk::Inode& inode = *inode_;
    const ByteCount end = std::min<ByteCount>(offset + out.size(), inode.current.size());
    if (offset >= end) return;
    const std::uint64_t first = offset / inode.sector_bytes;
    const std::uint64_t last = (end - 1) / inode.sector_bytes;
    if (disk_.fault(disk_.options_.faults.read_error_ppm, path_)) {
      const std::uint64_t sector = disk_.fault_prng_.between(first, last);
      if (inode.unreadable.insert(sector).second) {
        disk_.note(DamageKind::read_error, path_, sector * inode.sector_bytes, inode.sector_bytes);
      }
    }
    const auto bad = inode.unreadable.lower_bound(first);
    if (bad != inode.unreadable.end() && *bad <= last) {
      trace("read   ", offset, out.size(), " unreadable");
      result =
          fail(ErrorCode::io_error, "reading " + path_ + " at " + std::to_string(*bad * inode.sector_bytes) +
                                        ": the device reports an unreadable sector");
      return;
    }
    inode.current.read(offset, out.first(end - offset));
    if (!inode.previous.empty() && disk_.fault(disk_.options_.faults.stale_read_ppm, path_))
      serve_stale(offset, out.first(end - offset));
    result = end - offset;
    trace("read   ", offset, end - offset, " " + fingerprint(as_text(out.first(end - offset))));
  });
  if (!alive) return crashed("reading", path_);
  return result;
}

// Of one sector, what it held before its last write. Only whole sectors of this read go stale, and never ones that are still
// dirty in memory.
void SimFile::serve_stale(ByteCount offset, MutableByteView out) {
  const Disk::Inode& inode = *inode_;
  const std::uint64_t first = (offset + inode.sector_bytes - 1) / inode.sector_bytes;
  const std::uint64_t end = (offset + out.size()) / inode.sector_bytes;
  std::vector<std::uint64_t> sectors;
  for (auto old = inode.previous.lower_bound(first); old != inode.previous.end() && old->first < end; ++old) {
    const ByteCount at = old->first * inode.sector_bytes - offset;
    const bool differs = !std::ranges::equal(old->second, out.subspan(at, inode.sector_bytes));
    const bool spared = disk_.options_.faults.spares_the_last && old->first >= inode.newest_begin &&
                        old->first < inode.newest_end;
    if (differs && !spared && !inode.unsynced.contains(old->first)) sectors.push_back(old->first);
  }
  if (sectors.empty()) return;
  const std::uint64_t sector = sectors[disk_.fault_prng_.below(sectors.size())];
  const ByteCount begin = sector * inode.sector_bytes;
  const Bytes& old = inode.previous.at(sector);
  std::copy(old.begin(), old.end(), out.begin() + static_cast<std::ptrdiff_t>(begin - offset));
  disk_.note(DamageKind::stale_read, path_, begin, inode.sector_bytes);
}

// Puts the sectors of a write among the unsynced versions, growing the file if needed.
std::uint64_t SimFile::push_versions(ByteCount offset, ByteView data) {
  Disk::Inode& inode = *inode_;
  const std::uint64_t sequence = ++disk_.sequence_;
  if (offset + data.size() > inode.current.size()) inode.resize_current(sequence, offset + data.size());
  const ByteCount sector_bytes = inode.sector_bytes;
  for (ByteCount at = offset; at < offset + data.size();) {
    const std::uint64_t sector = at / sector_bytes;
    const ByteCount end = std::min<ByteCount>((sector + 1) * sector_bytes, offset + data.size());
    Bytes bytes = inode.sector_of(inode.current, sector);
    inode.previous[sector] = bytes;
    const auto part = data.subspan(at - offset, end - at);
    std::copy(part.begin(), part.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at % sector_bytes));
    Disk::Inode::put_sector(inode.current, sector, bytes);
    inode.unsynced[sector].push_back({sequence, std::move(bytes)});
    inode.unreadable.erase(sector);
    at = end;
  }
  return sequence;
}

Status SimFile::room_for(ByteCount size, std::string_view doing) const {
  if (size <= inode_->current.size()) return {};
  const ByteCount more = round_up<ByteCount>(size, 4096) - round_up<ByteCount>(inode_->current.size(), 4096);
  const ByteCount used = disk_.used();
  if (used <= disk_.options_.capacity && more <= disk_.options_.capacity - used) return {};
  process_.trace("full   " + path_ + " " + std::to_string(size));
  return fail(ErrorCode::out_of_space, std::string(doing) + " " + path_ + ": no space left on device");
}

// It happens nowhere; misdirected, it overwrites durably as many sectors elsewhere in the same file.
void SimFile::lose(ByteCount offset, ByteView data, bool misdirected) {
  Disk::Inode& inode = *inode_;
  disk_.note(DamageKind::lost_write, path_, offset, data.size());
  const bool spares = disk_.options_.faults.spares_the_last;
  if (spares) disk_.late_.push_back({inode_, offset, Bytes(data.begin(), data.end())});
  const std::uint64_t sectors = inode.durable.size() / inode.sector_bytes;
  const std::uint64_t count = std::min<std::uint64_t>(data.size() / inode.sector_bytes, sectors);
  if (!misdirected || count == 0) return;
  // Zeros on what was written last would hide it.
  if (spares && has_zero_sector(data, inode.sector_bytes)) return;
  const std::uint64_t target = disk_.fault_prng_.below(sectors - count + 1);
  for (std::uint64_t i = 0; i < count; ++i) {
    const ByteView part = data.subspan(i * inode.sector_bytes, inode.sector_bytes);
    const Bytes bytes(part.begin(), part.end());
    inode.unsynced.erase(target + i);
    Disk::Inode::put_sector(inode.durable, target + i, bytes);
    Disk::Inode::put_sector(inode.current, target + i, bytes);
  }
  disk_.note(DamageKind::misdirected_write, path_, target * inode.sector_bytes, count * inode.sector_bytes);
}

// It can tell that those before it are missing.
void SimFile::written_durably(ByteCount offset, ByteView data) {
  if (is_all_zero(data)) return;
  std::erase_if(disk_.late_, [&](const Disk::LateWrite& late) { return late.file == inode_; });
  inode_->newest_begin = offset / inode_->sector_bytes;
  inode_->newest_end = (offset + data.size() + inode_->sector_bytes - 1) / inode_->sector_bytes;
}

Status SimFile::write(io::Wait& wait, ByteCount offset, ByteView data, io::Durability durability) {
  if (!process_.begin_call()) return crashed("writing", path_);
  if (!writable_)
    return fail(ErrorCode::permission_denied, "writing " + path_ + ": it was opened for reading");
  if (direct_ && !is_aligned(offset, data, block_bytes())) {
    return fail(ErrorCode::invalid_argument, "writing " + path_ + " at " + std::to_string(offset) +
                                                 ": direct I/O wants multiples of " +
                                                 std::to_string(block_bytes()));
  }
  VERITY_TRY(room_for(offset + data.size(), "writing"));
  const bool durable = durability == io::Durability::durable;
  trace(durable ? "write! " : "write  ", offset, data.size(), " " + fingerprint(as_text(data)));

  const FaultOptions& faults = disk_.options_.faults;
  const bool lost = direct_ && disk_.fault(faults.lost_write_ppm, path_);
  const bool misdirected = !lost && direct_ && disk_.fault(faults.misdirected_write_ppm, path_);
  const Duration delay = disk_.latency(durable ? disk_.options_.sync_latency : disk_.options_.write_latency);
  if (lost || misdirected) {
    lose(offset, data, misdirected);
    if (!call(wait, delay, [] {})) return crashed("writing", path_);
    return {};
  }

  const std::uint64_t sequence = push_versions(offset, data);
  disk_.in_flight_.insert(sequence);
  Status status;
  const bool alive = call(wait, delay, [&, this] {
    disk_.in_flight_.erase(sequence);
    if (!durable) return;
    if (disk_.fault(faults.failed_sync_ppm, path_)) {
      fail_sync(sequence);
      status = fail(ErrorCode::io_error,
                    "writing " + path_ + " at " + std::to_string(offset) + ": the device failed");
      return;
    }
    Disk::Inode& inode = *inode_;
    const ByteCount end = offset + data.size();
    const bool shrinks = std::any_of(inode.size_changes.begin(), inode.size_changes.end(),
                                     [&](const auto& change) { return change.size < end; });
    if (end > inode.durable.size() || shrinks) inode.commit_sizes(sequence);
    const std::uint64_t last = data.empty() ? 0 : (end - 1) / inode.sector_bytes;
    for (std::uint64_t sector = offset / inode.sector_bytes; !data.empty() && sector <= last; ++sector) {
      inode.commit_sector(sector, sequence, disk_.in_flight_);
    }
    written_durably(offset, data);
  });
  if (!alive) return crashed("writing", path_);
  return status;
}

// Linux after a failed sync: the pages are clean in memory and nobody will write them again; the platter has
// whichever reached it.
void SimFile::fail_sync(std::uint64_t sequence) {
  Disk::Inode& inode = *inode_;
  disk_.note(DamageKind::failed_sync, path_, 0, inode.current.size());
  for (const auto& [sector, versions] : inode.unsynced) {
    if (disk_.fault_prng_.chance(1, 2)) continue;
    const auto& version = versions[disk_.fault_prng_.below(versions.size())];
    if (version.sequence <= sequence) Disk::Inode::put_sector(inode.durable, sector, version.bytes);
  }
  for (auto at = inode.unsynced.begin(); at != inode.unsynced.end();) {
    std::erase_if(at->second, [&](const auto& version) { return version.sequence <= sequence; });
    at = at->second.empty() ? inode.unsynced.erase(at) : std::next(at);
  }
}

Status SimFile::sync(io::Wait& wait) {
  if (!process_.begin_call()) return crashed("syncing", path_);
  const std::uint64_t sequence = disk_.sequence_;
  const std::set<std::uint64_t> in_flight = disk_.in_flight_;
  Status status;
  const bool alive = call(wait, disk_.latency(disk_.options_.sync_latency), [&, this] {
    if (disk_.fault(disk_.options_.faults.failed_sync_ppm, path_)) {
      fail_sync(sequence);
      status = fail(ErrorCode::io_error, "syncing " + path_ + ": the device failed");
      return;
    }
    inode_->sync(sequence, in_flight);
    process_.trace("sync   " + path_);
  });
  if (!alive) return crashed("syncing", path_);
  return status;
}

Status SimFile::allocate(io::Wait& wait, ByteCount size) {
  if (!process_.begin_call()) return crashed("allocating", path_);
  if (!writable_)
    return fail(ErrorCode::permission_denied, "allocating " + path_ + ": it was opened for reading");
  VERITY_TRY(room_for(size, "allocating"));
  if (size > inode_->current.size()) {
    inode_->resize_current(++disk_.sequence_, size);
    process_.trace("grow   " + path_ + " " + std::to_string(size));
  }
  if (!call(wait, disk_.latency(disk_.options_.write_latency), [] {})) return crashed("allocating", path_);
  return {};
}

Status SimFile::truncate(io::Wait& wait, ByteCount size) {
  if (!process_.begin_call()) return crashed("truncating", path_);
  if (!writable_)
    return fail(ErrorCode::permission_denied, "truncating " + path_ + ": it was opened for reading");
  VERITY_TRY(room_for(size, "truncating"));
  inode_->resize_current(++disk_.sequence_, size);
  process_.trace("cut    " + path_ + " " + std::to_string(size));
  if (!call(wait, disk_.latency(disk_.options_.write_latency), [] {})) return crashed("truncating", path_);
  return {};
}

Result<ByteCount> SimFile::size(io::Wait&) {
  if (!process_.begin_call()) return crashed("asking the size of", path_);
  return ByteCount{inode_->current.size()};
}

std::unique_ptr<io::File> Disk::open_file(Process& process, std::shared_ptr<Inode> inode, std::string path,
                                          io::OpenOptions options) {
  return std::make_unique<SimFile>(*this, process, std::move(inode), std::move(path),
                                   options.direct && !options_.refuses_direct,
                                   options.mode != io::OpenMode::read);
}

}  // namespace verity::sim
