#include "engine/consensus/testing/founding_script.h"

#include "engine/consensus/founding.h"
#include "engine/consensus/testing/commands.h"

#include <algorithm>
#include <deque>
#include <istream>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace verity::consensus::testing {
namespace {

Id128 id_of(std::uint8_t first) {
  Id128 id;
  id.bytes[0] = first;
  return id;
}

std::string describe_promises(const FoundingPromises& promises) {
  const std::string record = promises.accepted ? promises.accepted->describe() : "-";
  return "round=" + promises.round.describe().substr(0, 8) +
         (promises.is_member ? " member=" : " accepted=") + record;
}

class FoundingScript {
 public:
  std::string run(const std::string& commands) {
    const auto obey_and_show = [&](const std::string& command, std::istream& words) {
      const bool understood = obey(command, words);
      out_ += std::exchange(trace_, {});
      return understood;
    };
    run_commands(commands, out_, obey_and_show, [&] { return what_is_broken(); });
    return out_;
  }

 private:
  using Link = std::pair<std::uint64_t, std::uint64_t>;
  struct Node {
    Member self;
    FoundingPromises disk = {};
    std::optional<Founding> founding = {};
    std::optional<FoundingPromises> saving = {};
    bool is_held = false;
    bool is_stranger = false;
  };
  struct Envelope {
    Member from;
    Member to;
    FoundingMessage message;

    Link link() const { return {from.id.value, to.id.value}; }
    std::string describe() const {
      return from.id.describe() + ">" + to.id.describe() + " " + consensus::describe(message);
    }
    std::string name() const {
      const std::string text = consensus::describe(message);
      return text.substr(0, text.find(' '));
    }
  };

  static std::uint64_t number(std::istream& words) {
    std::uint64_t value = 0;
    words >> value;
    return value;
  }
  static Link link(std::istream& words) {
    const std::uint64_t from = number(words);
    char arrow = 0;
    words >> arrow;
    return {from, number(words)};
  }

  bool obey(const std::string& command, std::istream& words) {
    if (command == "founding") return found(number(words));
    if (command == "run" || command == "quiet") {
      go_on();
      if (command == "quiet") trace_.clear();
      return true;
    }
    if (command == "cut") return cut_.insert(link(words)), true;
    if (command == "heal") return cut_.clear(), true;
    if (command == "keep" || command == "late") {
      const Link ends = link(words);
      std::string name;
      words >> name;
      if (command == "keep") return keep_.insert({ends, name}), true;
      keep_.erase({ends, name});
      const auto oldest = std::find_if(messages_.begin(), messages_.end(), [&](const Envelope& envelope) {
        return envelope.link() == ends && envelope.name() == name;
      });
      return oldest != messages_.end() && (deliver(oldest), true);
    }
    if (command == "show") return show(), true;
    if (command == "heals") return end_all_faults(), true;
    const std::uint64_t id = number(words);
    if (id == 0 || id > nodes_.size()) return false;
    Node& node = nodes_[id - 1];
    if (command == "hold" || command == "release") return node.is_held = command == "hold", true;
    if (command == "start") return !node.founding && (start(node), true);
    if (command == "wipe") return !node.founding && (wipe(node), true);
    if (!node.founding) return false;
    if (command == "crash") return node.founding.reset(), node.saving.reset(), true;
    if (command == "remind") return carry_out(node, node.founding->remind()), true;
    return false;
  }

  bool found(std::uint64_t size) {
    for (std::uint64_t id = 1; id <= size; ++id) nodes_.push_back({.self = member(id, 0)});
    for (Node& node : nodes_) start(node);
    return size > 0;
  }

  static Member member(std::uint64_t id, unsigned incarnation) {
    return {NodeId{id}, id_of(static_cast<std::uint8_t>(0xa0 + incarnation))};
  }

  void wipe(Node& node) {
    node.self = member(node.self.id.value, ++incarnations_);
    node.disk = {};
    node.is_stranger = false;
  }

  void start(Node& node) {
    node.founding.emplace(node.self, nodes_.size(), node.disk);
    carry_out(node, node.founding->start(draw()));
    for (Node& other : nodes_) {
      if (!other.founding || &other == &node) continue;
      carry_out(node, node.founding->connected(other.self, draw()));
      carry_out(other, other.founding->connected(node.self, draw()));
    }
  }

  // What is drawn next; carry_out() sees whether it was used.
  FoundingDraw draw() const {
    FoundingDraw draw{id_of(static_cast<std::uint8_t>(0xd0 + draws_)),
                      id_of(static_cast<std::uint8_t>(0xc0 + draws_)),
                      id_of(static_cast<std::uint8_t>(0xe0 + draws_)),
                      Timestamp{draws_},
                      {}};
    for (std::uint64_t id = 2; id <= nodes_.size(); ++id) draw.named.push_back(NodeId{id});
    return draw;
  }

  void carry_out(Node& node, const FoundingEffects& effects) {
    const std::string who = node.self.id.describe() + "  ";
    for (const FoundingEffect& effect : effects) {
      if (const auto* const send = std::get_if<FoundingSend>(&effect)) {
        messages_.push_back({node.self, send->to, send->message});
        trace_ += messages_.back().describe() + "\n";
      } else if (const auto* const save = std::get_if<FoundingSave>(&effect)) {
        node.saving = save->promises;
        trace_ += who + "save " + describe_promises(save->promises) + "\n";
        const bool is_record =
            save->promises.accepted && save->promises.accepted->cluster_id == draw().cluster_id;
        if (save->promises.round == draw().round || is_record) ++draws_;
      } else if (const auto* const done = std::get_if<FoundingDone>(&effect)) {
        trace_ += who + "is a member of " + done->record.describe() + "\n";
      } else if (const auto* const stranger = std::get_if<FoundingStranger>(&effect)) {
        node.is_stranger = true;
        trace_ += who + "is a stranger to " + stranger->record.describe() + "\n";
      }
    }
  }

  void deliver(const std::deque<Envelope>::iterator& at) {
    const Envelope envelope = *at;
    messages_.erase(at);
    Node& node = nodes_[envelope.to.id.value - 1];
    if (node.founding && node.self == envelope.to)
      carry_out(node, node.founding->receive(envelope.from, envelope.message, draw()));
  }

  void go_on() {
    for (bool busy = true; busy;) {
      busy = false;
      for (Node& node : nodes_) {
        if (!node.saving || node.is_held) continue;
        node.disk = *std::exchange(node.saving, {});
        carry_out(node, node.founding->saved());
        busy = true;
      }
      std::erase_if(messages_, [&](const Envelope& envelope) {
        const auto [from, to] = envelope.link();
        return cut_.contains({from, to}) || cut_.contains({to, from});
      });
      const auto next = std::find_if(messages_.begin(), messages_.end(), [&](const Envelope& envelope) {
        return !keep_.contains({envelope.link(), envelope.name()});
      });
      if (next == messages_.end()) continue;
      deliver(next);
      busy = true;
    }
  }

  void end_all_faults() {
    cut_.clear();
    keep_.clear();
    for (Node& node : nodes_) {
      node.is_held = false;
      if (!node.founding) start(node);
    }
    go_on();
    for (Node& node : nodes_) carry_out(node, node.founding->remind());
    go_on();
    trace_.clear();
    for (const Node& node : nodes_) {
      const bool is_stranger = !node.disk.is_member && node.is_stranger;
      if (!node.disk.is_member && !is_stranger) out_ += "STANDS STILL: ";
      out_ += node.self.describe() + (node.disk.is_member ? " is a member\n"
                                      : is_stranger       ? " is a stranger\n"
                                                          : " is nothing yet\n");
    }
  }

  void show() {
    for (const Node& node : nodes_) {
      out_ += (node.founding ? node.founding->describe() : node.self.describe() + " down") + "\n  disk " +
              describe_promises(node.disk) + "\n";
    }
  }

  // There is one cluster, and its record names whoever is a member.
  std::string what_is_broken() const {
    const FoundingRecord* record = nullptr;
    for (const Node& node : nodes_) {
      if (!node.disk.is_member) continue;
      if (!node.disk.accepted->members.contains(node.self))
        return node.self.describe() + " is a member of a record that does not name it";
      if (record != nullptr && *record != *node.disk.accepted) return "there are two clusters";
      record = &*node.disk.accepted;
    }
    return {};
  }

  std::vector<Node> nodes_;
  std::deque<Envelope> messages_;
  std::set<Link> cut_;
  std::set<std::pair<Link, std::string>> keep_;
  unsigned incarnations_ = 0;
  std::uint8_t draws_ = 1;
  std::string out_;
  std::string trace_;
};

}  // namespace

bool is_founding_script(const std::string& commands) {
  return commands.starts_with("founding ") || commands.find("\nfounding ") != std::string::npos;
}

std::string run_founding_script(const std::string& commands) {
  return FoundingScript().run(commands);
}

}  // namespace verity::consensus::testing
