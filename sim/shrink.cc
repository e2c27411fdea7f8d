#include "sim/shrink.h"

#include "sim/settings.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace verity::sim {
namespace {

class Shrinker {
 public:
  Shrinker(Shrunk start, const TryScenario& try_scenario, const std::function<bool()>& go_on)
      : best_(std::move(start)), kind_(kind_of(best_.finding.failure)), try_(try_scenario), go_on_(go_on) {}

  Shrunk run() {
    bool smaller = true;
    while (smaller && go_on_()) {
      smaller = skip_disturbances();
      for (const Setting& setting : settings()) smaller = lower(setting) || smaller;
    }
    // What was never due is not skipped either.
    auto& skipped = best_.scenario.faults.skipped;
    skipped.erase(skipped.lower_bound(best_.finding.disturbances), skipped.end());
    return std::move(best_);
  }

 private:
  // True: it still fails in the same way, and is the best from now on.
  bool attempt(Scenario scenario) {
    if (!go_on_()) return false;
    ++best_.tries;
    std::optional<Finding> finding = try_(scenario);
    if (!finding || kind_of(finding->failure) != kind_) return false;
    best_.scenario = std::move(scenario);
    best_.finding = std::move(*finding);
    return true;
  }

  std::vector<std::uint64_t> carried_out() const {
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t number = 0; number < best_.finding.disturbances; ++number) {
      if (!best_.scenario.faults.skipped.contains(number)) numbers.push_back(number);
    }
    return numbers;
  }

  // Leaves out half of what is left, then quarters, down to one at a time.
  bool skip_disturbances() {
    bool smaller = false;
    for (std::size_t chunk = std::max<std::size_t>(carried_out().size(), 1); chunk > 0; chunk /= 2) {
      for (std::size_t begin = 0; begin < carried_out().size();) {
        const std::vector<std::uint64_t> numbers = carried_out();
        Scenario fewer = best_.scenario;
        const std::size_t end = std::min(begin + chunk, numbers.size());
        for (std::size_t i = begin; i < end; ++i) fewer.faults.skipped.insert(numbers[i]);
        if (attempt(std::move(fewer))) {
          smaller = true;
        } else {
          begin = end;
        }
      }
    }
    return smaller;
  }

  // To the smallest value that still fails, as far as halving finds it.
  bool lower(const Setting& setting) {
    bool smaller = false;
    std::uint64_t fails_not = setting.smallest;
    if (setting.shrinking == Shrinking::never || setting.get(best_.scenario) <= fails_not) return false;
    const auto attempt_with = [&](std::uint64_t value) {
      Scenario changed = best_.scenario;
      setting.set(changed, value);
      return attempt(std::move(changed));
    };
    if (attempt_with(setting.smallest)) return true;
    if (setting.shrinking == Shrinking::drop) return false;
    while (setting.get(best_.scenario) > fails_not + 1) {
      const std::uint64_t middle = fails_not + (setting.get(best_.scenario) - fails_not) / 2;
      if (attempt_with(middle)) {
        smaller = true;
      } else {
        fails_not = middle;
      }
    }
    return smaller;
  }

  Shrunk best_;
  const std::string kind_;
  const TryScenario& try_;
  const std::function<bool()>& go_on_;
};

}  // namespace

std::string kind_of(std::string_view failure) {
  std::string kind;
  std::string word;
  const auto end_word = [&] {
    const bool has_digit =
        std::any_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c); });
    kind += has_digit ? "#" : word;
    word.clear();
  };
  for (const char c : failure) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
    } else {
      end_word();
      kind += c;
    }
  }
  end_word();
  return kind;
}

Shrunk shrink(Scenario scenario, Finding finding, const TryScenario& try_scenario,
              const std::function<bool()>& go_on) {
  return Shrinker({std::move(scenario), std::move(finding)}, try_scenario, go_on).run();
}

}  // namespace verity::sim
