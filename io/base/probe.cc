#include "io/base/probe.h"

#include <utility>

namespace verity {
namespace {

// Constant before any probe is made; they are all made before main().
constinit Probe* first = nullptr;

}  // namespace

Probe::Probe(std::string_view name) : name_(name), next_(std::exchange(first, this)) {}

std::vector<const Probe*> Probe::all() {
  std::vector<const Probe*> probes;
  for (const Probe* probe = first; probe != nullptr; probe = probe->next_) probes.push_back(probe);
  std::ranges::sort(probes, {}, &Probe::name);
  return probes;
}

}  // namespace verity
