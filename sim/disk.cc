#include "sim/disk.h"

#include "io/base/assert.h"
#include "sim/disk_state.h"
#include "sim/process.h"
#include "sim/world.h"

#include <algorithm>

namespace verity::sim {

std::string_view describe(DamageKind kind) {
  switch (kind) {
    case DamageKind::rot:
      return "rot";
    case DamageKind::read_error:
      return "read_error";
    case DamageKind::misdirected_write:
      return "misdirected_write";
    case DamageKind::lost_write:
      return "lost_write";
    case DamageKind::stale_read:
      return "stale_read";
    case DamageKind::failed_sync:
      return "failed_sync";
    case DamageKind::failed_name:
      return "failed_name";
  }
  return "?";
}

std::string Damage::describe() const {
  return std::string(sim::describe(kind)) + " " + path + " " + std::to_string(offset) + "+" +
         std::to_string(size);
}

// ---- one file

Bytes Disk::Inode::sector_of(const Image& image, std::uint64_t sector) const {
  Bytes bytes(sector_bytes);
  const ByteCount begin = sector * sector_bytes;
  if (begin < image.size()) {
    image.read(begin, MutableByteView(bytes).first(std::min<ByteCount>(sector_bytes, image.size() - begin)));
  }
  return bytes;
}

void Disk::Inode::put_sector(Image& image, std::uint64_t sector, const Bytes& bytes) {
  const ByteCount begin = sector * bytes.size();
  if (begin >= image.size()) return;
  image.write(begin, ByteView(bytes).first(std::min<ByteCount>(bytes.size(), image.size() - begin)));
}

void Disk::Inode::resize_current(std::uint64_t sequence, ByteCount size) {
  if (size == current.size()) return;
  const bool shrinks = size < current.size();
  current.resize(size);
  size_changes.push_back({sequence, size});
  if (!shrinks) return;
  // What was cut off must not come back with an older version of its sector when the file grows again.
  for (auto at = unsynced.lower_bound(size / sector_bytes); at != unsynced.end(); ++at) {
    at->second.push_back({sequence, sector_of(current, at->first)});
  }
}

void Disk::Inode::commit_sizes(std::uint64_t sequence) {
  auto change = size_changes.begin();
  for (; change != size_changes.end() && change->sequence <= sequence; ++change) durable.resize(change->size);
  size_changes.erase(size_changes.begin(), change);
}

void Disk::Inode::commit_sector(std::uint64_t sector, std::uint64_t sequence,
                                const std::set<std::uint64_t>& in_flight) {
  const auto found = unsynced.find(sector);
  if (found == unsynced.end()) return;
  auto& versions = found->second;
  for (std::size_t i = versions.size(); i-- > 0;) {
    if (versions[i].sequence > sequence || in_flight.contains(versions[i].sequence)) continue;
    put_sector(durable, sector, versions[i].bytes);
    versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    break;
  }
  if (versions.empty()) unsynced.erase(found);
}

void Disk::Inode::sync(std::uint64_t sequence, const std::set<std::uint64_t>& in_flight) {
  commit_sizes(sequence);
  std::vector<std::uint64_t> sectors;
  sectors.reserve(unsynced.size());
  for (const auto& [sector, versions] : unsynced) sectors.push_back(sector);
  for (const std::uint64_t sector : sectors) commit_sector(sector, sequence, in_flight);
}

// ---- names

void Disk::Folder::apply(std::map<std::string, Node>& names, const NameChange& change) {
  switch (change.kind) {
    case NameChange::Kind::create:
      names[change.name] = change.node;
      return;
    case NameChange::Kind::remove:
      names.erase(change.name);
      return;
    case NameChange::Kind::rename:
      names.erase(change.name);
      names[change.to] = change.node;
      return;
  }
}

// ---- the disk

Disk::Disk(World& world, std::string name, DiskOptions options)
    : world_(world),
      name_(std::move(name)),
      options_(std::move(options)),
      prng_(world.prng("disk " + name_)),
      crash_prng_(prng_.fork("crash")),
      fault_prng_(prng_.fork("fault")),
      root_(std::make_shared<Folder>()) {
  VERITY_ASSERT(options_.sector_bytes == 512 || options_.sector_bytes == 4096);
}

Disk::~Disk() {
  VERITY_ASSERT_NOTE(open_files_ == 0, "files of this disk are still open");
}

void Disk::replace() {
  VERITY_ASSERT_NOTE(open_files_ == 0, "files of this disk are still open");
  root_ = std::make_shared<Folder>();
  locks_.clear();
  late_.clear();
}

std::shared_ptr<Disk::Folder> Disk::durable_copy(const Folder& folder) {
  auto copy = std::make_shared<Folder>();
  for (const auto& [name, node] : folder.durable) {
    Node& there = copy->durable[name];
    if (node.folder != nullptr) {
      there.folder = durable_copy(*node.folder);
      continue;
    }
    there.file = std::make_shared<Inode>(node.file->sector_bytes);
    there.file->durable = there.file->current = node.file->durable;
    there.file->unreadable = node.file->unreadable;
  }
  copy->current = copy->durable;
  return copy;
}

std::shared_ptr<const Disk::Copy> Disk::copy() const {
  return std::make_shared<const Copy>(durable_copy(*root_));
}

void Disk::put_back(const Copy& copy) {
  VERITY_ASSERT_NOTE(open_files_ == 0, "files of this disk are still open");
  root_ = durable_copy(copy.root());
  locks_.clear();
  late_.clear();
}

void Disk::lose_directory(std::string_view path) {
  VERITY_ASSERT_NOTE(open_files_ == 0, "files of this disk are still open");
  const std::string name(path);
  root_->durable.erase(name);
  root_->current.erase(name);
  std::erase_if(root_->unsynced, [&](const NameChange& change) { return change.name == name; });
}

bool Disk::fault(std::uint64_t ppm, const std::string& path) {
  if (ppm == 0 || path.find(options_.faults.only_path) == std::string::npos) return false;
  return fault_prng_.chance_ppm(ppm);
}

void Disk::note(DamageKind kind, const std::string& path, ByteCount offset, ByteCount size) {
  damages_.push_back({kind, world_.now(), path, offset, size});
  world_.trace().line(world_.now(), name_, "FAULT  " + damages_.back().describe());
}

Duration Disk::latency(Duration mean) {
  const Duration least = mean / 4;
  return (least + prng_.exponential(mean - least)) * static_cast<std::int64_t>(options_.slowness);
}

void Disk::make_up_late_writes() {
  for (const LateWrite& write : std::exchange(late_, {})) {
    Inode& inode = *write.file;
    inode.newest_begin = write.offset / inode.sector_bytes;
    inode.newest_end = inode.newest_begin + write.bytes.size() / inode.sector_bytes;
    for (std::uint64_t sector = inode.newest_begin; sector < inode.newest_end; ++sector) {
      const auto part = ByteView(write.bytes)
                            .subspan((sector - inode.newest_begin) * inode.sector_bytes, inode.sector_bytes);
      const Bytes bytes(part.begin(), part.end());
      inode.unsynced.erase(sector);
      inode.unreadable.erase(sector);
      Inode::put_sector(inode.durable, sector, bytes);
      Inode::put_sector(inode.current, sector, bytes);
    }
    world_.trace().line(world_.now(), name_,
                        "late   " + std::to_string(write.offset) + "+" + std::to_string(write.bytes.size()));
  }
}

void Disk::crash() {
  // Deepest last or first makes no difference: a folder whose name is gone takes its files with it.
  crash_folder(*root_);
  locks_.clear();
  in_flight_.clear();
}

void Disk::forget_process() {
  locks_.clear();
  in_flight_.clear();
}

void Disk::crash_folder(Folder& folder) {
  // Any subset, each change whole: the interface promises no order, not even between changes of one name.
  const std::uint64_t keep_of_4 = crash_prng_.below(5);  // all, none or some
  for (const NameChange& change : folder.unsynced) {
    const bool kept = crash_prng_.chance(keep_of_4, 4);
    if (kept) Folder::apply(folder.durable, change);
    world_.trace().line(world_.now(), name_,
                        (kept ? "kept   name " : "lost   name ") + change.name +
                            (change.to.empty() ? "" : " > " + change.to));
  }
  folder.unsynced.clear();
  folder.current = folder.durable;
  for (const auto& [name, node] : folder.durable) {
    if (node.folder) {
      crash_folder(*node.folder);
    } else {
      crash_file(*node.file);
    }
  }
}

void Disk::crash_file(Inode& inode) {
  // What survives, in the order in which it was written: a prefix of the size changes and at most one version
  // of each sector.
  struct Survivor {
    std::uint64_t sequence;
    std::uint64_t sector;  // of a version
    const Bytes* bytes;    // null: a size change
    ByteCount size;
  };
  std::vector<Survivor> survivors;
  const std::uint64_t sizes =
      inode.size_changes.empty() ? 0 : crash_prng_.below(inode.size_changes.size() + 1);
  survivors.reserve(sizes);
  for (std::uint64_t i = 0; i < sizes; ++i) {
    survivors.push_back({inode.size_changes[i].sequence, 0, nullptr, inode.size_changes[i].size});
  }
  const std::uint64_t keep_of_8 = crash_prng_.below(9);
  std::uint64_t kept = 0;
  for (const auto& [sector, versions] : inode.unsynced) {
    if (!crash_prng_.chance(keep_of_8, 8)) continue;
    // Most often the last version: the earlier ones reach the platter only if the kernel wrote back in between.
    const std::size_t which =
        crash_prng_.chance(3, 4) ? versions.size() - 1 : crash_prng_.below(versions.size());
    survivors.push_back({versions[which].sequence, sector, &versions[which].bytes, 0});
    ++kept;
  }
  std::stable_sort(survivors.begin(), survivors.end(),
                   [](const Survivor& a, const Survivor& b) { return a.sequence < b.sequence; });
  for (const Survivor& survivor : survivors) {
    if (survivor.bytes == nullptr) {
      inode.durable.resize(survivor.size);
    } else {
      Inode::put_sector(inode.durable, survivor.sector, *survivor.bytes);
    }
  }
  if (!inode.unsynced.empty() || !inode.size_changes.empty()) {
    world_.trace().line(world_.now(), name_,
                        "kept   " + std::to_string(kept) + " of " + std::to_string(inode.unsynced.size()) +
                            " sectors, " + std::to_string(sizes) + " of " +
                            std::to_string(inode.size_changes.size()) + " sizes");
  }
  inode.unsynced.clear();
  inode.size_changes.clear();
  inode.current = inode.durable;
}

ByteCount Disk::used() const {
  ByteCount sum = 0;
  std::vector<const Folder*> todo{root_.get()};
  while (!todo.empty()) {
    const Folder* const folder = todo.back();
    todo.pop_back();
    for (const auto& [name, node] : folder->current) {
      if (node.folder) {
        todo.push_back(node.folder.get());
      } else {
        sum += round_up<ByteCount>(node.file->current.size(), 4096);
      }
    }
  }
  return sum;
}

std::vector<std::string> Disk::files() const {
  std::vector<std::string> paths;
  std::vector<std::pair<std::string, const Folder*>> todo{{"", root_.get()}};
  while (!todo.empty()) {
    const auto [prefix, folder] = todo.back();
    todo.pop_back();
    for (const auto& [name, node] : folder->durable) {
      if (node.folder) {
        todo.emplace_back(prefix + name + "/", node.folder.get());
      } else {
        paths.push_back(prefix + name);
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::shared_ptr<Disk::Inode> Disk::find(std::string_view path,
                                        std::map<std::string, Node> Folder::*names) const {
  const Folder* folder = root_.get();
  while (true) {
    const auto slash = path.find('/');
    const auto found = (folder->*names).find(std::string(path.substr(0, slash)));
    if (found == (folder->*names).end()) return nullptr;
    if (slash == std::string_view::npos) return found->second.file;
    folder = found->second.folder.get();
    if (folder == nullptr) return nullptr;
    path.remove_prefix(slash + 1);
  }
}

std::shared_ptr<Disk::Inode> Disk::find_durable(std::string_view path) const {
  return find(path, &Folder::durable);
}

bool Disk::has_unsynced() const {
  std::vector<const Folder*> todo{root_.get()};
  while (!todo.empty()) {
    const Folder* const folder = todo.back();
    todo.pop_back();
    if (!folder->unsynced.empty()) return true;
    for (const auto& [name, node] : folder->current) {
      if (node.folder) todo.push_back(node.folder.get());
      if (node.file && (!node.file->unsynced.empty() || !node.file->size_changes.empty())) return true;
    }
  }
  return false;
}

Bytes Disk::durable_content(std::string_view path) const {
  const auto inode = find_durable(path);
  Bytes bytes(inode == nullptr ? 0 : inode->durable.size());
  if (!bytes.empty()) inode->durable.read(0, bytes);
  return bytes;
}

Bytes Disk::current_content(std::string_view path) const {
  const auto inode = find(path, &Folder::current);
  Bytes bytes(inode == nullptr ? 0 : inode->current.size());
  if (!bytes.empty()) inode->current.read(0, bytes);
  return bytes;
}

void Disk::overwrite(std::string_view path, ByteCount offset, ByteView bytes) {
  const auto inode = find_durable(path);
  VERITY_ASSERT(inode != nullptr && offset + bytes.size() <= inode->durable.size());
  inode->durable.write(offset, bytes);
  if (offset + bytes.size() <= inode->current.size()) inode->current.write(offset, bytes);
}

void Disk::flip_bit(std::string_view path, ByteCount offset, unsigned bit) {
  const auto inode = find_durable(path);
  VERITY_ASSERT(inode != nullptr && offset < inode->durable.size() && bit < 8);
  std::byte byte;
  inode->durable.read(offset, {&byte, 1});
  byte ^= std::byte{1} << bit;
  inode->durable.write(offset, {&byte, 1});
  // A page that is dirty in memory hides the rot until it is written, which heals it.
  if (offset < inode->current.size() && !inode->unsynced.contains(offset / inode->sector_bytes)) {
    inode->current.write(offset, {&byte, 1});
  }
  note(DamageKind::rot, std::string(path), offset / inode->sector_bytes * inode->sector_bytes,
       inode->sector_bytes);
}

void Disk::make_unreadable(std::string_view path, ByteCount offset) {
  const auto inode = find_durable(path);
  VERITY_ASSERT(inode != nullptr);
  const std::uint64_t sector = offset / inode->sector_bytes;
  inode->unreadable.insert(sector);
  note(DamageKind::read_error, std::string(path), sector * inode->sector_bytes, inode->sector_bytes);
}

bool Disk::rot_somewhere(std::string_view pattern) {
  std::vector<std::string> candidates;
  for (std::string& path : files()) {
    if (path.find(pattern) != std::string::npos && find_durable(path)->durable.size() != 0)
      candidates.push_back(std::move(path));
  }
  if (candidates.empty()) return false;
  const std::string& path = candidates[fault_prng_.below(candidates.size())];
  const auto inode = find_durable(path);
  // Written space is what matters; most of a fresh segment is zeros.
  for (int attempt = 0; attempt < 64; ++attempt) {
    const ByteCount offset = fault_prng_.below(inode->durable.size());
    const std::uint64_t sector = offset / inode->sector_bytes;
    if (inode->unsynced.contains(sector)) continue;
    if (attempt < 56 && is_all_zero(inode->sector_of(inode->durable, sector))) continue;
    flip_bit(path, offset, static_cast<unsigned>(fault_prng_.below(8)));
    return true;
  }
  return false;
}

}  // namespace verity::sim
