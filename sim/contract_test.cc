// The simulated world keeps the contract of io/, like the real one.
#include "tests/contract/contract.h"

#include "io/directory.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

namespace verity::io::contract {
namespace {

class SimWorldFactory final : public WorldFactory {
 public:
  explicit SimWorldFactory(sim::DiskOptions disk) : disk_options_(std::move(disk)) {}

  void run(std::move_only_function<void(Wait&, World&)> body) override {
    sim::World world({.seed = 20240115, .trace_sink = {}, .ready_swaps = 20});
    sim::Disk disk(world, "disk", disk_options_);
    sim::Process process(world, {.host = "node", .boot = 1, .clock = {.drift_ppb = 20'000, .skew = 1s}});
    process.spawn("test", [&](Wait& wait) {
      const auto directory = disk.mount(process, "data");
      World given{process.loop(), process.clock(), *directory, process.io_world().network, process.host()};
      body(wait, given);
    });
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }));
    EXPECT_EQ(disk.open_files(), 0u);
  }
  bool prefers_direct() const override { return !disk_options_.refuses_direct; }

 private:
  const sim::DiskOptions disk_options_;
};

sim::DiskOptions sectors_of(ByteCount sector_bytes) {
  sim::DiskOptions options;
  options.sector_bytes = sector_bytes;
  return options;
}

}  // namespace

VERITY_IO_CONTRACT(SimulatedSectorsOf512, [] { return std::make_unique<SimWorldFactory>(sectors_of(512)); });
VERITY_IO_CONTRACT(SimulatedSectorsOf4096,
                   [] { return std::make_unique<SimWorldFactory>(sectors_of(4096)); });

}  // namespace verity::io::contract
