#include "sim/settings.h"

#include <algorithm>
#include <charconv>

namespace verity::sim {
namespace {

constexpr std::string_view skip_name = "faults.skip";
constexpr std::uint64_t hour_ms = 3'600'000;

// A member of a part of the scenario.
template <class Part, class Value>
Setting plain(std::string name, Shrinking shrinking, Part Scenario::*part, Value Part::*value,
              std::uint64_t smallest, std::uint64_t largest) {
  return {std::move(name),
          shrinking,
          smallest,
          largest,
          [=](const Scenario& s) { return static_cast<std::uint64_t>(s.*part.*value); },
          [=](Scenario& s, std::uint64_t to) { s.*part.*value = static_cast<Value>(to); }};
}

template <class Part>
Setting time_ms(std::string name, Shrinking shrinking, Part Scenario::*part, Duration Part::*value) {
  return {std::move(name),
          shrinking,
          0,
          hour_ms,
          [=](const Scenario& s) { return static_cast<std::uint64_t>((s.*part.*value).count() / 1'000'000); },
          [=](Scenario& s, std::uint64_t to) {
            s.*part.*value = Duration(static_cast<std::int64_t>(to) * 1'000'000);
          }};
}

std::vector<Setting> all_settings() {
  using enum Shrinking;
  std::vector<Setting> all;
  all.push_back({"nodes", never, 3, 7, [](const Scenario& s) { return s.nodes; },
                 [](Scenario& s, std::uint64_t to) {
                   if (s.grows()) s.first_nodes = to - 2;
                   s.nodes = to;
                 }});
  all.push_back(time_ms("faults.lasts_ms", halve, &Scenario::faults, &FaultPlan::lasts));
  all.push_back(time_ms("faults.interval_ms", never, &Scenario::faults, &FaultPlan::interval));
  for (std::size_t i = 0; i < disturbance_count; ++i) {
    all.push_back({"faults." + std::string(name_of(static_cast<Disturbance>(i))), never, 0, 1000,
                   [i](const Scenario& s) { return s.faults.weights[i]; },
                   [i](Scenario& s, std::uint64_t to) { s.faults.weights[i] = to; }});
  }
  const auto work = [&](std::string_view name, Shrinking shrinking, std::uint64_t WorkloadPlan::*value,
                        std::uint64_t smallest, std::uint64_t largest) {
    all.push_back(plain("work." + std::string(name), shrinking, &Scenario::work, value, smallest, largest));
  };
  work("clients", halve, &WorkloadPlan::clients, 1, 100);
  work("subscribers", halve, &WorkloadPlan::subscribers, 0, 100);
  work("native_writers", halve, &WorkloadPlan::native_writers, 0, 100);
  work("native_followers", halve, &WorkloadPlan::native_followers, 0, 100);
  work("tenants", halve, &WorkloadPlan::tenants, 1, 100);
  work("streams", halve, &WorkloadPlan::streams, 1, 100);
  work("subjects", drop, &WorkloadPlan::subjects, 1, 100);
  work("batch_events", halve, &WorkloadPlan::batch_events, 1, 100);
  work("data_bytes", drop, &WorkloadPlan::data_bytes, 20, 10'000);
  work("reads", drop, &WorkloadPlan::reads, 0, 100);
  work("keys", drop, &WorkloadPlan::keys, 0, 100);
  work("expectations", drop, &WorkloadPlan::expectations, 0, 100);
  work("several_streams", drop, &WorkloadPlan::several_streams, 0, 100);
  work("conflicts", drop, &WorkloadPlan::conflicts, 0, 100);
  work("nonsense", drop, &WorkloadPlan::nonsense, 0, 100);
  work("cloud_events", drop, &WorkloadPlan::cloud_events, 0, 100);
  work("proofs", drop, &WorkloadPlan::proofs, 0, 100);
  work("leaves", drop, &WorkloadPlan::leaves, 0, 100);
  all.push_back(time_ms("work.tenant_lifetime_ms", drop, &Scenario::work, &WorkloadPlan::tenant_lifetime));
  all.push_back({"ready_swaps", drop, 0, 1000, [](const Scenario& s) { return s.ready_swaps; },
                 [](Scenario& s, std::uint64_t to) { s.ready_swaps = to; }});
  return all;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string describe_skipped(const std::set<std::uint64_t>& skipped) {
  std::string text;
  for (const std::uint64_t number : skipped) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

Status assign_skipped(Scenario& scenario, std::string_view list) {
  std::set<std::uint64_t> skipped;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const auto number = parse_number(list.substr(0, comma));
    if (!number) {
      return fail(ErrorCode::invalid_argument, std::string(skip_name) + ": \"" +
                                                   std::string(list.substr(0, comma)) +
                                                   "\" is not the number of a disturbance; 0 is the first");
    }
    skipped.insert(*number);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  scenario.faults.skipped = std::move(skipped);
  return {};
}

}  // namespace

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = all_settings();
  return all;
}

Status assign(Scenario& scenario, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    return fail(ErrorCode::invalid_argument,
                "\"" + std::string(assignment) + "\" is not of the form NAME=VALUE");
  }
  const std::string_view name = assignment.substr(0, equals);
  const std::string_view value = assignment.substr(equals + 1);
  if (name == skip_name) return assign_skipped(scenario, value);
  const auto found = std::find_if(settings().begin(), settings().end(),
                                  [&](const Setting& setting) { return setting.name == name; });
  if (found == settings().end()) {
    std::string names(skip_name);
    for (const Setting& setting : settings()) names += ", " + setting.name;
    return fail(ErrorCode::invalid_argument,
                "a scenario has no value \"" + std::string(name) + "\"; it has " + names);
  }
  const auto number = parse_number(value);
  if (!number || *number < found->smallest || *number > found->largest) {
    return fail(ErrorCode::invalid_argument, found->name + ": \"" + std::string(value) +
                                                 "\" is not a number of " + std::to_string(found->smallest) +
                                                 ".." + std::to_string(found->largest));
  }
  if (found->name == "nodes" && (scenario.nodes == 1 || *number % 2 == 0))
    return fail(ErrorCode::invalid_argument, "nodes: 3, 5 or 7, in a scenario that has several");
  found->set(scenario, *number);
  return {};
}

std::vector<std::string> differences(const Scenario& drawn, const Scenario& scenario) {
  std::vector<std::string> all;
  for (const Setting& setting : settings()) {
    const std::uint64_t value = setting.get(scenario);
    if (value != setting.get(drawn)) all.push_back(setting.name + "=" + std::to_string(value));
  }
  if (scenario.faults.skipped != drawn.faults.skipped)
    all.push_back(std::string(skip_name) + "=" + describe_skipped(scenario.faults.skipped));
  return all;
}

}  // namespace verity::sim
