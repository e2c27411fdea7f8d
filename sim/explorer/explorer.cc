#include "sim/explorer/explorer.h"

#include "io/base/assert.h"
#include "sim/explorer/walk.h"

#include <algorithm>
#include <istream>
#include <ostream>

namespace verity::explorer {

std::string_view describe(Outcome outcome) {
  switch (outcome) {
    case Outcome::running:
      return "not all states visited";
    case Outcome::exhausted:
      return "every state visited";
    case Outcome::full:
      return "as many states as may be kept";
    case Outcome::deep:
      return "every state of that depth visited";
    case Outcome::violated:
      return "VIOLATION";
    case Outcome::stands_still:
      return "STANDS STILL";
  }
  return "?";
}

Explorer::Explorer(const ExploredWorld& world, ExplorerLimits limits)
    : world_(world), limits_(limits), root_(world) {
  found_.push_back({0, {}});
  seen_.insert(root_.fingerprint());
}

std::vector<Action> Explorer::story() const {
  std::vector<Action> actions;
  for (std::size_t i = 1; i < stages_.size(); ++i) actions.push_back(found_[stages_[i].index].action);
  if (trying_) actions.push_back(*trying_);
  return actions;
}

const Situation& Explorer::reach(std::uint32_t index) {
  std::vector<std::uint32_t> story;  // from `index` back to what is at hand
  if (stages_.empty()) stages_.push_back({0, root_});
  std::uint32_t at = index;
  // Indices grow along a story: what is above `at` on the stages is not on its story.
  while (stages_.back().index > at) stages_.pop_back();
  while (stages_.back().index != at) {
    story.push_back(at);
    at = found_[at].parent;
    while (stages_.back().index > at) stages_.pop_back();
  }
  for (auto step = story.rbegin(); step != story.rend(); ++step) {
    Situation situation = stages_.back().situation;
    VERITY_ASSERT_NOTE(situation.apply(found_[*step].action), "the same story goes the same way");
    stages_.push_back({*step, std::move(situation)});
  }
  return stages_.back().situation;
}

void Explorer::visit(const Situation& situation, std::uint32_t index) {
  for (const Action& action : situation.possible()) {
    trying_ = action;
    if (action.kind == Action::Kind::deliver || action.kind == Action::Kind::repeat) {
      const auto status = situation.cluster().replica(NodeId{action.node}).status();
      ++coverage_[action.message][static_cast<std::size_t>(status)];
    }
    Situation after = situation;
    VERITY_ASSERT(after.apply(action));
    ++transitions_;
    if (after.cluster().violation()) {
      outcome_ = Outcome::violated;
      return;
    }
    if (after.gained_nothing(situation, action)) continue;
    if (found_.size() < limits_.states_max) {
      if (seen_.insert(after.fingerprint())) found_.push_back({index, action});
    } else {
      outcome_ = Outcome::full;
    }
  }
  trying_.reset();
}

Outcome Explorer::advance(std::size_t count) {
  for (; count > 0 && outcome_ == Outcome::running; --count) {
    if (next_ == found_.size()) return outcome_ = Outcome::exhausted;
    const Situation& situation = reach(next_);
    depth_ = stages_.size() - 1;
    if (depth_ >= limits_.depth_max) return outcome_ = Outcome::deep;
    const bool is_asked = limits_.heals_once_in != 0 && next_ % limits_.heals_once_in == 0;
    if (is_asked && why_it_stands_still(world_, situation)) return outcome_ = Outcome::stands_still;
    visit(situation, next_);
    if (outcome_ == Outcome::running) ++next_;
  }
  return outcome_;
}

// ---- resuming

namespace {

template <class T>
void put(std::ostream& out, const T& value) {
  out.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class T>
bool get(std::istream& in, T& value) {
  in.read(reinterpret_cast<char*>(&value), sizeof(value));
  return in.good();
}

constexpr std::uint64_t magic = 0x3130'6572'6f6c'7078;  // "xplore01"

}  // namespace

// Fingerprints would follow from the stories, but finding all of them again takes as long as it did.
void Explorer::save(std::ostream& out) const {
  put(out, magic);
  put(out, root_.fingerprint());
  put(out, next_);
  put(out, transitions_);
  put(out, coverage_);
  put(out, std::uint64_t{found_.size()});
  for (const Found& some : found_) {
    put(out, some.parent);
    put(out, some.action);
  }
  seen_.each([&](const Fingerprint& state) { put(out, state); });
}

bool Explorer::load(std::istream& in) {
  VERITY_ASSERT(next_ == 0);
  std::uint64_t kind = 0;
  Fingerprint root;
  std::uint64_t count = 0;
  if (!get(in, kind) || kind != magic || !get(in, root) || root != root_.fingerprint()) return false;
  std::uint32_t next = 0;
  std::uint64_t transitions = 0;
  Coverage coverage;
  if (!get(in, next) || !get(in, transitions) || !get(in, coverage) || !get(in, count) || next > count)
    return false;
  std::vector<Found> found;
  for (std::uint64_t i = 0; i < count; ++i) {
    Found some{};
    if (!get(in, some.parent) || !get(in, some.action) || some.parent > (i == 0 ? 0 : i - 1)) return false;
    found.push_back(some);
  }
  StateSet seen;
  Fingerprint state;
  while (get(in, state)) seen.insert(state);
  if (seen.size() != count || count == 0) return false;
  std::vector<Action> story;
  for (std::size_t at = count - 1; at != 0; at = found[at].parent) story.push_back(found[at].action);
  Situation last = root_;
  for (auto step = story.rbegin(); step != story.rend(); ++step) {
    if (!last.apply(*step)) return false;
  }
  if (seen.insert(last.fingerprint())) return false;  // the same story leads elsewhere now
  found_ = std::move(found);
  seen_ = std::move(seen);
  next_ = next;
  transitions_ = transitions;
  coverage_ = coverage;
  return true;
}

// ---- coverage

std::string describe(const Coverage& coverage) {
  std::string text = "message         ";
  const auto column = [&](std::string_view word) {
    text += std::string(word.size() < 12 ? 12 - word.size() : 1, ' ') + std::string(word);
  };
  for (std::size_t status = 0; status < 5; ++status)
    column(consensus::describe(static_cast<consensus::Status>(status)));
  text += "\n";
  for (std::size_t message = 0; message < coverage.size(); ++message) {
    const std::string name(message_name(message));
    text += name + std::string(16 - name.size(), ' ');
    for (const std::uint64_t count : coverage[message]) column(count == 0 ? "-" : std::to_string(count));
    text += "\n";
  }
  return text;
}

}  // namespace verity::explorer
