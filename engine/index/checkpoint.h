// One file with everything that was derived from the log up to a position, so that a start need not read it all.
//
//   checkpoint.7:  | frame: what it is | frames: catalogue | frames: streams | frames: keys | ... | frame: end |
//                    position, chain hash,   each at most 256 KB, with its own checksum
//                    tree frontier
//
// Written under another name, synced, renamed, then the directory synced: a checkpoint is there whole or not at all. Two
// generations are kept, because the newest may be damaged. Bytes: docs/format/index.md.
#pragma once

#include "engine/crypto/sha256.h"
#include "engine/index/record.h"
#include "engine/log/merkle.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::io {
class Directory;
class File;
class Wait;
}  // namespace verity::io

namespace verity::index {

// In the order in which they stand in the file. New ones go to the end; readers skip those they do not know.
enum class Section : std::uint16_t { catalogue = 2, streams = 3, keys = 4, sessions = 5 };
std::string_view describe(Section section);

struct CheckpointInfo {
  Id128 cluster_id;
  Position position;         // of the last entry taken in
  Timestamp recorded_at;     // of that entry
  Sha256Digest chain_hash;   // of that entry
  log::MerkleFrontier tree;  // over entries 1..position

  bool operator==(const CheckpointInfo&) const = default;
};

// First encoded, all of it in memory, so that nothing has to stand still while a disk writes; then written.
class CheckpointWriter : public RecordSink {
 public:
  // `wait` outlives the writer.
  CheckpointWriter(io::Wait& wait, const CheckpointInfo& info);
  ~CheckpointWriter() override;

  // Sections in ascending order, each once.
  Status begin(Section section);
  // A record of the section begun last. Lets others run now and then; what is being encoded must not change meanwhile.
  Status put(ByteView record) override;
  // Nothing more is put. Makes it durable under its final name and removes all but the two newest. Returns its generation. One
  // at a time; not finished, the file is left under its temporary name and replaced by the next one.
  Result<std::uint64_t> write(io::Directory& directory);

 private:
  void end_frame(std::uint16_t kind, bool is_last);
  void end_section();
  void remove_older(io::Directory& directory, std::uint64_t generation);

  io::Wait& wait_;
  std::vector<Bytes> frames_;  // but for what depends on the generation
  std::uint16_t section_ = 0;  // 0: none
  Bytes frame_;                // room for the header, then what was put
};

class CheckpointReader : public RecordSource {
 public:
  // corrupt or unsupported if the file does not begin as a checkpoint of this generation.
  static Result<std::unique_ptr<CheckpointReader>> open(io::Wait& wait, io::Directory& directory,
                                                        std::uint64_t generation);
  ~CheckpointReader() override;

  const CheckpointInfo& info() const { return info_; }

  // In the order of the file; skips others. corrupt if it is not there.
  Status enter(Section section);
  // The next record of the section; nothing after its last.
  Result<std::optional<ByteView>> take() override;
  // Skips the rest and checks that the file ends as it should.
  Status finish();

 private:
  CheckpointReader(io::Wait& wait, std::unique_ptr<io::File> file, std::string path,
                   std::uint64_t generation);
  Status read_frame();
  Status read_info();
  std::unexpected<Error> corrupt(std::string_view what) const;

  io::Wait& wait_;
  std::unique_ptr<io::File> file_;
  const std::string path_;
  const std::uint64_t generation_;
  CheckpointInfo info_;
  std::uint64_t sequence_ = 0;  // of the next frame
  ByteCount offset_ = 0;        // of the next frame
  // The frame read last.
  Bytes frame_;
  ByteView rest_;  // of its payload
  std::uint16_t kind_ = 0;
  bool is_last_ = true;  // of its section
  Bytes record_;         // one that spans frames
};

// Generations in the directory, newest first, whether valid or not.
Result<std::vector<std::uint64_t>> list_checkpoints(io::Wait& wait, io::Directory& directory);

struct CheckpointLoad {
  std::optional<CheckpointInfo> loaded;  // nothing: there is no valid one
  std::uint64_t generation = 0;
  std::vector<std::string> bad;  // a line for each that had to be passed over
};

// Calls `load` with the newest checkpoint of the cluster, then with the one before it if anything was wrong, and so on.
// `load` builds everything anew at each call and reads sections; what it built counts if it was the last call and the
// result names a checkpoint. Fails only if the world ended.
using LoadSections = std::function<Status(CheckpointReader&)>;
Result<CheckpointLoad> load_checkpoint(io::Wait& wait, io::Directory& directory, Id128 cluster_id,
                                       const LoadSections& load);

}  // namespace verity::index
