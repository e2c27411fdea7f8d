// The values of a scenario under names of their own, so that one line says how a run differs from what its seed draws:
//
//   verity-sim --seed 7 --scenario cluster --set work.clients=1 --set faults.skip=0,2
//
// Shrinking makes them smaller one by one.
#pragma once

#include "io/base/result.h"
#include "sim/scenario.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

enum class Shrinking : std::uint8_t {
  never,  // what is smaller is not simpler
  drop,   // to the smallest or not at all
  halve,
};

struct Setting {
  std::string name;  // "work.clients"
  Shrinking shrinking = Shrinking::drop;
  std::uint64_t smallest = 0;
  std::uint64_t largest = 0;
  std::function<std::uint64_t(const Scenario&)> get;
  std::function<void(Scenario&, std::uint64_t)> set;
};

// Weights of disturbances are among them; the disturbances to be skipped are not a number, and stand apart.
const std::vector<Setting>& settings();

// "work.clients=1", "faults.skip=0,2". invalid_argument says what is allowed.
Status assign(Scenario& scenario, std::string_view assignment);

// What makes `scenario` of `drawn`: assignments, each fit for assign().
std::vector<std::string> differences(const Scenario& drawn, const Scenario& scenario);

}  // namespace verity::sim
