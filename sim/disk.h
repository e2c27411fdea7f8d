// The disk of one simulated host: directories, files as sectors, and what of them would survive a crash.
//
//   name ──► inode: durable bytes          what the platter holds
//                   current bytes          what a reader sees
//                   versions per sector    written, not yet synced: a crash keeps any one of them, or none
//                   size changes           not yet synced: a crash keeps any prefix
//   directory: durable names + changes     a crash keeps any subset, each of them whole
//
// It keeps exactly the promises of io/file.h and io/directory.h, and no better ones. Beyond them it misbehaves
// only as FaultOptions say (docs/faults.md), and remembers in damages() what it did.
#pragma once

#include "io/base/bytes.h"
#include "io/base/prng.h"
#include "io/base/result.h"
#include "io/base/units.h"
#include "io/directory.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

class Process;
class World;

enum class DamageKind : std::uint8_t {
  rot,                // one bit of a durable sector flipped
  read_error,         // a sector answers io_error until it is written again
  misdirected_write,  // a sector was overwritten by data meant for another place
  lost_write,         // a write was acknowledged and never happened
  stale_read,         // a read answered what stood there before
  failed_sync,        // what was unsynced is unknown
  failed_name,  // of a name, or of all of a directory that was to be synced: what has become of it is unknown
};
std::string_view describe(DamageKind kind);

// What the disk did wrong: for the checkers, which allow a refusal only where there is a reason.
struct Damage {
  DamageKind kind;
  Instant at;
  std::string path;  // where the file stood then
  ByteCount offset = 0;
  ByteCount size = 0;

  std::string describe() const;
};

// Parts per million per operation unless it says otherwise; all zero is a disk that only crashes.
struct FaultOptions {
  std::uint64_t read_error_ppm = 0;  // per read: a sector in it goes bad
  std::uint64_t misdirected_write_ppm = 0;
  std::uint64_t lost_write_ppm = 0;
  std::uint64_t stale_read_ppm = 0;
  std::uint64_t failed_sync_ppm = 0;  // also durable writes
  std::uint64_t failed_name_ppm = 0;  // names that are made, changed or removed, and syncs of a directory
  // What is written last can be told from what was never written: a write that was lost, and has nothing durable behind it when
  // the process ends, happens after all; what was written durably last is never read stale.
  bool spares_the_last = false;
  // Only files whose path contains this misbehave; empty: all.
  std::string only_path;
};

struct DiskOptions {
  ByteCount sector_bytes = 512;  // 512 or 4096
  ByteCount capacity = UINT64_MAX;
  Duration read_latency = 60us;  // means; drawn per operation
  Duration write_latency = 80us;
  Duration sync_latency = 400us;
  std::uint64_t slowness = 1;   // multiplies all latencies
  bool refuses_direct = false;  // direct files are opened buffered
  FaultOptions faults;
};

class Disk {
 public:
  Disk(World& world, std::string name, DiskOptions options);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // The root directory as `process` sees it; attaches the process: the disk crashes when it does.
  std::unique_ptr<io::Directory> mount(Process& process, std::string path);

  // Power is gone: what was not synced is decided now. Called by the process' crash.
  void crash();
  // Only the process is gone: what it wrote stays in the page cache, synced or not, and its locks are free.
  void forget_process();

  // A directory and all in it is gone. Nobody uses the disk.
  void lose_directory(std::string_view path);
  // What is durable now, and the disk as it was then. Nobody uses it.
  class Copy;
  std::shared_ptr<const Copy> copy() const;
  void put_back(const Copy& copy);
  // Another disk, empty. Nobody uses it.
  void replace();

  DiskOptions& options() { return options_; }
  const std::vector<Damage>& damages() const { return damages_; }
  ByteCount used() const;
  std::size_t open_files() const { return open_files_; }

  // ---- for tests and the fault atlas, outside of any process
  std::vector<std::string> files() const;  // durable paths, sorted
  bool has_unsynced() const;
  // The durable bytes; empty if there is no such file.
  Bytes durable_content(std::string_view path) const;
  // Likewise what a process that is started now would read.
  Bytes current_content(std::string_view path) const;
  void overwrite(std::string_view path, ByteCount offset, ByteView bytes);
  void flip_bit(std::string_view path, ByteCount offset, unsigned bit);
  void make_unreadable(std::string_view path, ByteCount offset);
  // Flips one bit of one durable, not all-zero sector of a file whose path contains `pattern`; false: none.
  bool rot_somewhere(std::string_view pattern);

 private:
  friend class SimFile;
  friend class SimDirectory;
  struct Inode;
  struct Folder;
  struct Node;
  struct NameChange;
  struct LateWrite;

  std::unique_ptr<io::File> open_file(Process& process, std::shared_ptr<Inode> inode, std::string path,
                                      io::OpenOptions options);
  bool fault(std::uint64_t ppm, const std::string& path);
  void note(DamageKind kind, const std::string& path, ByteCount offset, ByteCount size);
  Duration latency(Duration mean);
  std::shared_ptr<Inode> find(std::string_view path, std::map<std::string, Node> Folder::*names) const;
  std::shared_ptr<Inode> find_durable(std::string_view path) const;
  void make_up_late_writes();
  void crash_folder(Folder& folder);
  void crash_file(Inode& inode);

  World& world_;
  const std::string name_;
  DiskOptions options_;
  Prng prng_;
  Prng crash_prng_;
  Prng fault_prng_;
  static std::shared_ptr<Folder> durable_copy(const Folder& folder);

  std::shared_ptr<Folder> root_;
  std::uint64_t sequence_ = 0;  // orders writes, size changes and name changes
  std::set<std::uint64_t> in_flight_;
  std::vector<LateWrite> late_;
  std::map<std::string, std::string> locks_;  // path to holder
  std::vector<Damage> damages_;
  std::size_t open_files_ = 0;
};

}  // namespace verity::sim
