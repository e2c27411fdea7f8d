// The contract of io/: one suite of tests, run over every implementation of File, Directory, Network, Clock
// and the timers, so that they cannot drift apart. What a test here asserts stands in a header of io/.
//
// To hold an implementation to it: write a WorldFactory, and in one .cc next to it
//
//   namespace verity::io::contract {
//   VERITY_IO_CONTRACT(Simulated, [] { return std::make_unique<SimWorldFactory>(); });
//   }
//
// then link that file with `contract_dep` (tests/contract/meson.build) into a test program.
#pragma once

#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace verity::io {
class Clock;
class Directory;
class Loop;
class Network;
}  // namespace verity::io

namespace verity::io::contract {

// What one test gets to play with.
struct World {
  Loop& loop;
  Clock& clock;
  Directory& directory;  // empty
  Network& network;
  std::string host;  // where to listen, with port 0, and to connect to
};

class WorldFactory {
 public:
  virtual ~WorldFactory() = default;

  // Builds a fresh world, runs `body` as a fiber of its loop, and returns when every fiber of the loop has
  // finished. Called once.
  virtual void run(std::move_only_function<void(Wait&, World&)> body) = 0;
  // Whether files are opened with OpenOptions::direct where a test does not care.
  virtual bool prefers_direct() const { return true; }
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<WorldFactory>()> make;

  friend void PrintTo(const Implementation& implementation, std::ostream* out) {
    *out << implementation.name;
  }
};

inline std::string name_of(const testing::TestParamInfo<Implementation>& test) {
  return test.param.name;
}

// Gives each test a world, and a limit of 30 seconds on everything that can be interrupted.
class IoContract : public testing::TestWithParam<Implementation> {
 protected:
  void run(std::move_only_function<void(Wait&, World&)> body);
  bool direct() const { return direct_; }

 private:
  bool direct_ = true;
};

// Fibers of one test: joined before it goes out of scope.
class Crew {
 public:
  explicit Crew(Loop& loop) : loop_(loop) {}
  ~Crew() { join(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  void start(std::string_view name, std::move_only_function<void()> body);
  void join();

 private:
  Loop& loop_;
  WaitGroup running_;
};

}  // namespace verity::io::contract

// Inside namespace verity::io::contract. `world_name`: letters and digits; `make_factory` as for
// Implementation::make.
#define VERITY_IO_CONTRACT(world_name, make_factory)                                   \
  INSTANTIATE_TEST_SUITE_P(world_name, IoContract,                                     \
                           testing::Values(Implementation{#world_name, make_factory}), \
                           ::verity::io::contract::name_of)
