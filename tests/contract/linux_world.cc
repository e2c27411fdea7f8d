// The real world held to the contract of io/: both backends, direct and buffered files.
#include "io/directory.h"
#include "io/linux/runtime.h"
#include "io/network.h"
#include "tests/contract/contract.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace verity::io::contract {
namespace {

class LinuxWorldFactory final : public WorldFactory {
 public:
  LinuxWorldFactory(BackendChoice backend, bool direct) : backend_(backend), direct_(direct) {
    // Not in /tmp, which often is memory: the disk is part of what is tested.
    std::string pattern = (std::filesystem::current_path() / "contract-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~LinuxWorldFactory() override {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }

  void run(std::move_only_function<void(Wait&, World&)> body) override {
    ASSERT_FALSE(path_.empty());
    auto runtime = Runtime::create({.backend = backend_});
    ASSERT_TRUE(runtime) << runtime.error().describe();
    (*runtime)->run([&](Wait& wait) {
      auto directory = (*runtime)->open_directory(wait, path_, false);
      ASSERT_TRUE(directory) << directory.error().describe();
      World world{.loop = (*runtime)->loop(),
                  .clock = (*runtime)->clock(),
                  .directory = **directory,
                  .network = (*runtime)->network(),
                  .host = "127.0.0.1"};
      body(wait, world);
    });
  }
  bool prefers_direct() const override { return direct_; }

 private:
  const BackendChoice backend_;
  const bool direct_;
  std::string path_;
};

}  // namespace

VERITY_IO_CONTRACT(IoUringDirect,
                   [] { return std::make_unique<LinuxWorldFactory>(BackendChoice::io_uring, true); });
VERITY_IO_CONTRACT(IoUringBuffered,
                   [] { return std::make_unique<LinuxWorldFactory>(BackendChoice::io_uring, false); });
VERITY_IO_CONTRACT(FallbackDirect,
                   [] { return std::make_unique<LinuxWorldFactory>(BackendChoice::fallback, true); });
VERITY_IO_CONTRACT(FallbackBuffered,
                   [] { return std::make_unique<LinuxWorldFactory>(BackendChoice::fallback, false); });

}  // namespace verity::io::contract
