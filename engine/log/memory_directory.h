// For tests: a flat directory in memory. Nothing suspends, nothing is lost; the operation chosen by fail_at() fails,
// and so does everything after it.
#pragma once

#include "io/base/assert.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace verity::log {

class MemoryDirectory : public io::Directory {
 public:
  using Contents = std::shared_ptr<Bytes>;

  // Operations that change something are counted from 0.
  void fail_at(std::uint64_t operation) { fail_at_ = operation; }
  std::uint64_t operations() const { return operations_; }
  void heal() {
    fail_at_ = UINT64_MAX;
    operations_ = 0;
  }
  std::map<std::string, Contents>& files() { return files_; }

  Result<std::unique_ptr<io::File>> open(io::Wait&, std::string_view name, io::OpenOptions options) override {
    auto& contents = files_[std::string(name)];
    if (!contents) {
      if (options.mode == io::OpenMode::read || options.mode == io::OpenMode::write) {
        files_.erase(std::string(name));
        return fail(ErrorCode::not_found, "no file " + std::string(name));
      }
      contents = std::make_shared<Bytes>();
    }
    return std::unique_ptr<io::File>(std::make_unique<MemoryFile>(*this, contents));
  }
  Result<std::unique_ptr<io::Directory>> open_directory(io::Wait&, std::string_view, bool) override {
    return fail(ErrorCode::unsupported, "flat");
  }
  Status remove(io::Wait&, std::string_view name) override {
    VERITY_TRY(step());
    if (files_.erase(std::string(name)) == 0) return fail(ErrorCode::not_found, "no file");
    return {};
  }
  Status rename(io::Wait&, std::string_view from, std::string_view to) override {
    VERITY_TRY(step());
    auto node = files_.extract(std::string(from));
    if (node.empty()) return fail(ErrorCode::not_found, "no file");
    files_.erase(std::string(to));
    node.key() = std::string(to);
    files_.insert(std::move(node));
    return {};
  }
  Result<std::vector<io::DirectoryEntry>> list(io::Wait&) override {
    std::vector<io::DirectoryEntry> entries;
    for (const auto& [name, contents] : files_) {
      entries.push_back({.name = name, .is_directory = false, .size = contents->size()});
    }
    return entries;
  }
  Status sync(io::Wait&) override { return step(); }
  Result<ByteCount> free_bytes(io::Wait&) override { return 1 * GiB; }
  Result<std::unique_ptr<io::DirectoryLock>> lock(io::Wait&, std::string_view, std::string_view) override {
    return fail(ErrorCode::unsupported, "no locks");
  }
  const std::string& path() const override { return path_; }

 private:
  class MemoryFile : public io::File {
   public:
    MemoryFile(MemoryDirectory& directory, Contents contents)
        : directory_(directory), contents_(std::move(contents)) {}

    Result<ByteCount> read(io::Wait&, ByteCount offset, MutableByteView out) override {
      if (offset >= contents_->size()) return ByteCount{0};
      const auto count = std::min<ByteCount>(out.size(), contents_->size() - offset);
      std::copy_n(contents_->begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
      return count;
    }
    Status write(io::Wait&, ByteCount offset, ByteView data, io::Durability) override {
      VERITY_TRY(directory_.step());
      if (contents_->size() < offset + data.size()) contents_->resize(offset + data.size());
      std::ranges::copy(data, contents_->begin() + static_cast<std::ptrdiff_t>(offset));
      return {};
    }
    Status sync(io::Wait&) override { return directory_.step(); }
    Status allocate(io::Wait&, ByteCount) override { return directory_.step(); }
    Status truncate(io::Wait&, ByteCount size) override {
      VERITY_TRY(directory_.step());
      contents_->resize(size);
      return {};
    }
    Result<ByteCount> size(io::Wait&) override { return contents_->size(); }
    ByteCount block_bytes() const override { return 512; }

   private:
    MemoryDirectory& directory_;
    Contents contents_;
  };

  Status step() {
    if (operations_++ >= fail_at_) return fail(ErrorCode::io_error, "the disk is broken");
    return {};
  }

  std::map<std::string, Contents> files_;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_at_ = UINT64_MAX;
  std::string path_ = "index";
};

// A loop whose time stands still, and a Wait on it.
struct StillWorld {
  struct StillClock : io::Clock {
    Instant monotonic() const override { return {}; }
    Timestamp realtime() const override { return {}; }
  };
  StillClock clock;
  io::Loop loop{clock};
  io::Wait wait{loop};
};

}  // namespace verity::log
