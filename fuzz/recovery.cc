// Starting a node over files that were changed in any way. The input is a list of edits to the data directory of a node
// that was stopped in order: file, offset, what to do, with what.
//
// Whatever the edits, the start ends: with a reason, or with a node. A node never serves an event that differs from the
// one that was appended; and if it says that it is ready, it serves them all.
#include "engine/node/node.h"

#include "fuzz/fuzz_input.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

#include <map>
#include <string>
#include <vector>

namespace {

using namespace verity;

constexpr int event_count = 24;

node::NodeOptions options() {
  node::NodeOptions options;
  options.segment_bytes = 64 * KiB;
  options.limits.record_bytes_max = 8 * KiB;
  options.limits.batch_bytes_max = 32 * KiB;
  options.tuning.checkpoint_bytes = 40 * KiB;
  options.tuning.read_cache_bytes = 0;
  options.tuning.scrub_pause = 1h;
  return options;
}

std::string event_data(int number) {
  return "\"" + std::to_string(number) + std::string(4000, static_cast<char>('a' + number % 26)) + "\"";
}

void run(sim::World& world, sim::Disk& disk, std::uint64_t boot,
         const std::function<void(io::Wait&, io::Directory&, sim::Process&)>& body) {
  sim::Process process(world, {.host = "node1", .boot = boot});
  process.spawn("main", [&](io::Wait& wait) {
    const auto data = disk.mount(process, "data");
    body(wait, *data, process);
  });
  FUZZ_CHECK(world.run_until([&] { return process.is_finished(); }));
}

// The data directory before the edits, made once.
const std::map<std::string, Bytes>& original() {
  static const std::map<std::string, Bytes> files = [] {
    sim::World world({.seed = 1, .trace_sink = {}});
    sim::Disk disk(world, "disk", {});
    run(world, disk, 1, [&](io::Wait& wait, io::Directory& data, sim::Process& process) {
      auto node = node::Node::start(wait, process.io_world(), data, options());
      FUZZ_CHECK(node.has_value());
      for (int i = 0; i < event_count; ++i) {
        const std::string text = event_data(i);
        FUZZ_CHECK((*node)
                       ->append(wait, {.tenant = "default",
                                       .streams = {{.stream = "s", .events = {{.type = "t", .data = text}}}}})
                       .has_value());
      }
      FUZZ_CHECK((*node)->stop(wait).has_value());
    });
    std::map<std::string, Bytes> made;
    for (const std::string& file : disk.files()) made.emplace(file, disk.durable_content(file));
    return made;
  }();
  return files;
}

std::map<std::string, Bytes> edited(fuzz::Input& input) {
  std::map<std::string, Bytes> files = original();
  for (int edits = 0; edits < 16 && !input.rest().empty(); ++edits) {
    auto file = files.begin();
    std::advance(file, input.take_byte() % files.size());
    Bytes& bytes = file->second;
    const std::size_t high = input.take_byte();
    const std::size_t middle = input.take_byte();
    const std::size_t offset =
        bytes.empty() ? 0 : ((high << 16) + (middle << 8) + input.take_byte()) % bytes.size();
    const std::uint8_t what = input.take_byte();
    const std::uint8_t value = input.take_byte();
    if (bytes.empty()) continue;
    switch (what % 5) {
      case 0:
        bytes[offset] ^= std::byte{1} << (value % 8);
        break;
      case 1:
        bytes[offset] = std::byte{value};
        break;
      case 2: {  // a block is lost
        const std::size_t begin = offset / 512 * 512;
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                    std::min<std::size_t>(512, bytes.size() - begin), std::byte{0});
        break;
      }
      case 3: {  // a block stands in another place
        const std::size_t from = offset / 512 * 512;
        const std::size_t to = (from + std::size_t{value} * 512) % bytes.size() / 512 * 512;
        const std::size_t count = std::min<std::size_t>({512, bytes.size() - from, bytes.size() - to});
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), count,
                    bytes.begin() + static_cast<std::ptrdiff_t>(to));
        break;
      }
      default:
        bytes.resize(offset);
        break;
    }
  }
  return files;
}

void check(io::Wait& wait, node::Node& node) {
  for (int i = 0; i < 1000 && node.status().state == "starting"; ++i) FUZZ_CHECK(wait.sleep(1ms).has_value());
  for (int i = 0; i < event_count; ++i) {
    const auto page = node.read(wait, {.tenant = "default",
                                       .stream = "s",
                                       .from = {node::ReadFrom::Kind::revision, Revision{std::uint64_t(i)}},
                                       .limit = 1});
    const bool ready = node.is_ready();
    if (!page) {
      FUZZ_CHECK(!ready);
    } else if (page->events.empty()) {
      FUZZ_CHECK(!ready);
    } else {
      FUZZ_CHECK(page->events[0].revision.value == static_cast<std::uint64_t>(i));
      FUZZ_CHECK(page->events[0].data == event_data(i));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  sim::World world({.seed = 2, .trace_sink = {}});
  sim::Disk disk(world, "disk", {});
  // Through the disk's own front door, so that everything is durable.
  run(world, disk, 1, [&](io::Wait& wait, io::Directory& root, sim::Process&) {
    for (const auto& [path, bytes] : edited(input)) {
      const auto slash = path.find('/');
      auto folder =
          slash == std::string::npos ? nullptr : root.open_directory(wait, path.substr(0, slash), true);
      io::Directory& directory = slash == std::string::npos ? root : **folder;
      const auto file = directory.open(wait, path.substr(slash + 1), {.mode = io::OpenMode::create});
      FUZZ_CHECK(file.has_value());
      FUZZ_CHECK((*file)->write(wait, 0, bytes, io::Durability::durable).has_value());
    }
  });
  const bool read_only = input.take_byte() % 4 == 1;
  run(world, disk, 2, [&](io::Wait& wait, io::Directory& root, sim::Process& process) {
    node::NodeOptions changed = options();
    changed.read_only = read_only;
    auto node = node::Node::start(wait, process.io_world(), root, changed);
    if (!node) {
      FUZZ_CHECK(!node.error().message.empty());
      return;
    }
    check(wait, **node);
    ignore((*node)->stop(wait), "a damaged directory may not let it");
  });
  return 0;
}
