// The insides of the simulated disk, shared by its files and directories (sim/disk.h has the picture).
#pragma once

#include "sim/disk.h"
#include "sim/image.h"

namespace verity::sim {

struct Disk::Inode {
  struct Version {
    std::uint64_t sequence;
    Bytes bytes;  // one sector
  };
  struct SizeChange {
    std::uint64_t sequence;
    ByteCount size;
  };

  explicit Inode(ByteCount sector_bytes_in) : sector_bytes(sector_bytes_in) {}

  const ByteCount sector_bytes;
  Image durable;
  Image current;
  std::map<std::uint64_t, std::vector<Version>> unsynced;  // by sector, oldest first
  std::map<std::uint64_t, Bytes> previous;                 // what a sector held before its last write
  std::vector<SizeChange> size_changes;
  std::set<std::uint64_t> unreadable;  // sectors
  std::uint64_t newest_begin = 0;      // sectors that were written durably last, but for zeros
  std::uint64_t newest_end = 0;

  Bytes sector_of(const Image& image, std::uint64_t sector) const;
  static void put_sector(Image& image, std::uint64_t sector, const Bytes& bytes);
  void resize_current(std::uint64_t sequence, ByteCount size);
  // Size changes up to `sequence` become durable.
  void commit_sizes(std::uint64_t sequence);
  // The newest version of the sector up to `sequence`, leaving out those of `in_flight`, becomes durable.
  void commit_sector(std::uint64_t sector, std::uint64_t sequence, const std::set<std::uint64_t>& in_flight);
  void sync(std::uint64_t sequence, const std::set<std::uint64_t>& in_flight);
};

struct Disk::Node {
  std::shared_ptr<Inode> file;  // one of the two
  std::shared_ptr<Folder> folder;
  bool operator==(const Node&) const = default;
  explicit operator bool() const { return file != nullptr || folder != nullptr; }
};

// A change to one or two names; `to` is empty except for renames.
struct Disk::NameChange {
  enum class Kind : std::uint8_t { create, remove, rename };
  Kind kind;
  std::string name;
  std::string to;
  Node node;
};

struct Disk::Folder {
  std::map<std::string, Node> durable;
  std::map<std::string, Node> current;
  std::vector<NameChange> unsynced;

  static void apply(std::map<std::string, Node>& names, const NameChange& change);
};

// A write that was lost, and nothing durable has been written to the file since.
struct Disk::LateWrite {
  std::shared_ptr<Inode> file;
  ByteCount offset;
  Bytes bytes;
};

class Disk::Copy {
 public:
  explicit Copy(std::shared_ptr<Folder> root) : root_(std::move(root)) {}
  const Folder& root() const { return *root_; }

 private:
  std::shared_ptr<Folder> root_;  // all of it durable
};

}  // namespace verity::sim
