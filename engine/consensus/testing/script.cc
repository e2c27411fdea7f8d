#include "engine/consensus/testing/script.h"

#include "engine/consensus/testing/commands.h"
#include "engine/consensus/testing/founding_script.h"
#include "engine/consensus/testing/healing.h"
#include "engine/consensus/testing/model_cluster.h"
#include "io/base/assert.h"

#include <istream>
#include <set>

namespace verity::consensus::testing {
namespace {

class Script {
 public:
  std::string run(const std::string& commands) {
    const auto obey_and_show = [&](const std::string& command, std::istream& words) {
      if (command != "cluster" && !cluster_) {
        out_ += "the first command is: cluster N\n";
        return false;
      }
      const bool understood = obey(command, words);
      if (cluster_) show_trace();
      return understood;
    };
    run_commands(commands, out_, obey_and_show, [&] { return cluster_->violation().value_or(""); });
    return out_;
  }

  const ModelCluster& cluster() const { return *cluster_; }

 private:
  using Link = std::pair<std::uint64_t, std::uint64_t>;

  static std::uint64_t number(std::istream& words) {
    std::uint64_t value = 0;
    words >> value;
    return value;
  }
  static std::uint64_t option(std::istream& words, const std::string& name, std::uint64_t otherwise) {
    std::string word;
    words >> word;
    return word.starts_with(name + "=") ? std::stoull(word.substr(name.size() + 1)) : otherwise;
  }
  static std::pair<Link, char> link(std::istream& words) {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    char arrow = 0;
    words >> from >> arrow >> to;
    return {{from, to}, arrow};
  }

  bool obey(const std::string& command, std::istream& words) {
    if (command == "cluster") {
      const std::uint64_t count = number(words);
      ReplicaOptions options;
      std::string word;
      while (words >> word) {
        const std::uint64_t value = std::stoull(word.substr(word.find('=') + 1));
        if (word.starts_with("keep=")) options.keep_committed = value;
        if (word.starts_with("batch=")) options.batch_entries_max = value;
      }
      cluster_ = ModelCluster::in_operation(count, options);
      return true;
    }
    if (command == "run" || command == "quiet") {
      go_on();
      if (command == "quiet") cluster_->take_trace();
      return true;
    }
    if (command == "heal") {
      cut_.clear();
      return true;
    }
    if (command == "cut") {
      const auto [ends, arrow] = link(words);
      cut_.insert(ends);
      if (arrow == '-') cut_.insert({ends.second, ends.first});
      return true;
    }
    if (command == "forge") return forge(words);
    if (command == "keep" || command == "late" || command == "again") return keep_back(command, words);
    if (command == "show") {
      const std::uint64_t id = number(words);
      out_ += id == 0 ? cluster_->describe() : cluster_->replica(NodeId{id}).describe();
      return true;
    }
    if (command == "heals") return end_all_faults(words), true;
    if (command == "blank") return cluster_->add_blank(), true;
    const std::uint64_t id = number(words);
    if (id == 0 || id > cluster_->size()) return false;
    const NodeId node{id};
    if (command == "start") return !cluster_->is_up(node) && (cluster_->start(node), true);
    if (command == "damage")
      return !cluster_->is_up(node) && (cluster_->damage(node, Position{number(words)}), true);
    if (command == "wipe") return !cluster_->is_up(node) && (cluster_->wipe(node), true);
    if (command == "refound") {
      for (std::uint64_t other = 1; other <= cluster_->size(); ++other) {
        if (cluster_->is_up(NodeId{other})) return false;
      }
      return cluster_->refound(node), true;
    }
    if (command == "hold") return held_.insert(id), true;
    if (command == "release") return held_.erase(id), true;
    if (!cluster_->is_up(node)) return false;
    if (command == "propose") {
      std::string label;
      words >> label;
      return cluster_->replica(node).is_primary() && (cluster_->propose(node, label), true);
    }
    if (command == "voters") {
      MemberSet voters;
      do {
        const NodeId voter{number(words)};
        const bool is_former = words.peek() == '\'' && words.get() != 0;
        const std::optional<Member> former = cluster_->former(voter);
        if (is_former && !former) return false;
        voters.add(is_former ? *former : cluster_->member(voter));
      } while (words.get() == ',');
      const std::string_view refusal = cluster_->propose_voters(node, voters);
      if (!refusal.empty()) out_ += "refused: " + std::string(refusal) + "\n";
      return true;
    }
    if (command == "admit") return cluster_->admit(node, NodeId{number(words)}), true;
    if (command == "forget") return cluster_->forget(node, NodeId{number(words)}), true;
    if (command == "tend") return cluster_->tend(node, number(words)), true;
    if (command == "grow") return cluster_->tend(node, cluster_->size()), true;
    if (command == "confirm") return cluster_->confirm(node, number(words)), true;
    if (command == "handover") return cluster_->hand_over(node, NodeId{number(words)}), true;
    if (command == "beat") {
      for (std::uint64_t times = option(words, "times", 1); times > 0; --times) cluster_->beat(node);
      return true;
    }
    if (command == "silence") return cluster_->silence(node), true;
    if (command == "promise") return cluster_->complete_promises(node), true;
    if (command == "crash") return cluster_->crash(node, option(words, "kept", 0)), true;
    if (command == "write")
      return cluster_->writes_under_way(node) > 0 && (cluster_->complete_write(node), true);
    return false;
  }

  bool keep_back(const std::string& command, std::istream& words) {
    const auto [ends, arrow] = link(words);
    std::string name;
    words >> name;
    if (command == "keep") {
      keep_.insert({ends, name});
      return true;
    }
    std::uint64_t ordinal = number(words);
    for (std::size_t i = 0; i < cluster_->messages().size(); ++i) {
      const Envelope& envelope = cluster_->messages()[i];
      if (Link{envelope.from.id.value, envelope.to.id.value} != ends || name_of(envelope.message) != name)
        continue;
      if (ordinal > 1) {
        --ordinal;
        continue;
      }
      if (command == "late") {
        keep_.erase({ends, name});
        cluster_->deliver(i);
      }
      if (command == "again") cluster_->repeat(i);
      return true;
    }
    return false;
  }

  // What nobody says who keeps to the protocol: that something else stands at a position.
  bool forge(std::istream& words) {
    const auto [ends, arrow] = link(words);
    std::string name;
    words >> name;
    const Position position{number(words)};
    const NodeId from{ends.first};
    const NodeId to{ends.second};
    if (!cluster_->is_up(from) || !cluster_->is_up(to) || position.value == 0) return false;
    const View view = cluster_->replica(from).view();
    Sha256Digest other;
    other.bytes.fill(0xee);
    const EntryInfo entry{.position = position, .view = view, .hash = other, .parent = {}};
    if (name == "prepare-ok") {
      cluster_->forge(from, to,
                      PrepareOk{.view = view, .durable = position, .hash = other, .head = position});
    } else if (name == "prepare") {
      cluster_->forge(from, to, Prepare{.view = view, .range = {position, position, {entry}}});
    } else if (name == "vote") {
      const Vote vote{.view = view,
                      .candidate = cluster_->member(to),
                      .committed = position,
                      .committed_hash = other,
                      .voters = cluster_->everybody()};
      cluster_->forge(from, to, vote);
    } else {
      return false;
    }
    return true;
  }

  // Everything that can be written is, then the oldest message is delivered, and so on.
  void go_on() {
    for (bool busy = true; busy;) {
      busy = false;
      for (std::uint64_t id = 1; id <= cluster_->size(); ++id) {
        if (held_.contains(id) || !cluster_->is_up(NodeId{id})) continue;
        while (cluster_->writes_under_way(NodeId{id}) > 0) {
          cluster_->complete_write(NodeId{id});
          busy = true;
        }
      }
      for (std::size_t i = 0; i < cluster_->messages().size() && !busy; ++i) {
        const Envelope& envelope = cluster_->messages()[i];
        const Link ends{envelope.from.id.value, envelope.to.id.value};
        if (keep_.contains({ends, std::string(name_of(envelope.message))})) continue;
        if (cut_.contains(ends)) {
          cluster_->drop(i);
        } else {
          cluster_->deliver(i);
        }
        busy = true;
      }
      if (++turns_ > 100'000) {
        out_ += "this does not come to an end\n";
        return;
      }
    }
  }

  void end_all_faults(std::istream& words) {
    Healing how;
    std::string word;
    while (words >> word) {
      const std::uint64_t value = std::stoull(word.substr(word.find('=') + 1));
      if (word.starts_with("members=")) how.members = value;
      if (word.starts_with("without=")) how.away = NodeId{value};
      if (word.starts_with("seed=")) how.seed = value;
    }
    int rounds = 0;
    const std::optional<std::string> missing = what_does_not_heal(*cluster_, how, &rounds);
    cluster_->take_trace();
    out_ +=
        missing ? "STANDS STILL: " + *missing + "\n" : "heals in " + std::to_string(rounds) + " heartbeats\n";
  }

  void show_trace() {
    for (const std::string& line : cluster_->take_trace()) out_ += line + "\n";
  }

  std::optional<ModelCluster> cluster_;
  std::set<std::uint64_t> held_;
  std::set<Link> cut_;
  std::set<std::pair<Link, std::string>> keep_;
  std::string out_;
  int turns_ = 0;
};

}  // namespace

std::string run_script(const std::string& commands) {
  return is_founding_script(commands) ? run_founding_script(commands) : Script().run(commands);
}

ModelCluster cluster_after(const std::string& commands) {
  Script script;
  const std::string told = script.run(commands);
  VERITY_ASSERT_NOTE(!told.ends_with("cannot be understood\n"),
                     "a story with a command that is not possible");
  return script.cluster();
}

}  // namespace verity::consensus::testing
