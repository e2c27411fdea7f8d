// Makes a failing scenario smaller as long as it fails in the same way: fewer disturbances, a shorter time, fewer clients that
// do fewer kinds of things. After delta debugging (Zeller, Hildebrandt 2002), on disturbances first and then on every setting.
#pragma once

#include "sim/scenario.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace verity::sim {

// How a scenario fails.
struct Finding {
  std::string failure;
  std::uint64_t disturbances = 0;  // that were due, skipped ones included
};

// Runs a scenario; nothing: it does not fail.
using TryScenario = std::function<std::optional<Finding>(const Scenario&)>;

struct Shrunk {
  Scenario scenario;
  Finding finding;
  std::uint64_t tries = 0;
};

// What two failures of the same kind have in common: the words without numbers and digests.
std::string kind_of(std::string_view failure);

// `scenario` has failed with `finding`. `go_on` is asked before each try.
Shrunk shrink(Scenario scenario, Finding finding, const TryScenario& try_scenario,
              const std::function<bool()>& go_on);

}  // namespace verity::sim
