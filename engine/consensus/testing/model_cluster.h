// A few replicas with a disk each and a network between them, for scripts and for the explorer. The replicas are the
// production code; disk and network are as weak as they may be: writes complete one by one and a crash loses those that have
// not, messages wait until somebody says which is next. A value: copies are independent.
//
// After every step the model checks what must hold whatever happens, and keeps the first violation.
#pragma once

#include "engine/consensus/replica.h"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace verity::consensus::testing {

struct Envelope {
  Member from;
  Member to;
  Message message;

  // "1>3 prepare view=1 ..."
  std::string describe() const;
};

class ModelCluster {
 public:
  // Nodes 1..count, all members of the founding record, which everybody holds; node 1 leads view 0.
  explicit ModelCluster(std::size_t count, ReplicaOptions options = {});
  // The same in its ordinary state: node 1 leads, everybody has heard its first heartbeat.
  static ModelCluster in_operation(std::size_t count, ReplicaOptions options = {});

  // ---- what can happen
  void deliver(std::size_t index);  // of messages()
  void drop(std::size_t index);
  void repeat(std::size_t index);  // delivers a copy; the original waits on
  // Delivers what `from` never sent.
  void forge(NodeId from, NodeId to, Message message);
  void complete_write(NodeId node);
  // The first promises under way, before log writes that were asked for earlier: they are in another file.
  void complete_promises(NodeId node);
  void propose(NodeId node, const std::string& label);
  // Proposes that the voters be these; why not, if the primary refuses.
  std::string_view propose_voters(NodeId node, const MemberSet& voters);
  void admit(NodeId node, NodeId learner);
  // The disk that `lost` had before.
  void forget(NodeId node, NodeId lost);
  // As the driver does at every heartbeat: admits whoever is there, forgets the disks that are gone, beats, and proposes that
  // those who are there take the places of those who are gone; with `members`, that the first so many nodes be the voters.
  void tend(NodeId node, std::size_t members = 0);
  void confirm(NodeId node, std::uint64_t token);
  void hand_over(NodeId node, NodeId to);
  void beat(NodeId node);
  void silence(NodeId node);
  // Writes whatever can be written, then delivers the oldest message, until nothing is left.
  void settle();
  // The first `kept` writes under way reach the disk.
  void crash(NodeId node, std::size_t kept = 0);
  void start(NodeId node);
  // While down: the log is damaged from here on; what it held there may have been acknowledged.
  void damage(NodeId node, Position from);
  // While down: the disk is lost. The node comes back as a member of nothing.
  void wipe(NodeId node);
  // While all are down: it goes on alone in a new epoch with what its log holds; the disks of the others are lost, and what
  // was committed without it.
  void refound(NodeId node);
  // Another node, blank and down.
  void add_blank();

  // ---- what there is
  std::size_t size() const { return nodes_.size(); }
  bool is_up(NodeId node) const { return at(node).replica.has_value(); }
  const Replica& replica(NodeId node) const { return *at(node).replica; }
  const Member& member(NodeId node) const { return at(node).self; }
  // All nodes as they are now.
  MemberSet everybody() const;
  // Every change of the members is finished, and every member has its disk: one more may be lost.
  bool stands_a_wipe() const;
  // Without this one there are majorities of all who vote in anybody's log, each with its disk and whole.
  bool can_do_without(NodeId node) const;
  std::size_t writes_under_way(NodeId node) const { return at(node).writes.size(); }
  // How often its election timeout was started anew.
  std::uint64_t heard(NodeId node) const { return at(node).heard; }
  // As the last time was: so many times as long.
  std::uint32_t patience(NodeId node) const { return at(node).patience; }
  // It says so, or would at its start.
  bool may_lack_entries(NodeId node) const { return at(node).promises.unknown_from.has_value(); }
  // Once; it may have been let in again since.
  bool has_lost_its_disk(NodeId node) const { return at(node).former.has_value(); }
  // The disk that was lost last.
  const std::optional<Member>& former(NodeId node) const { return at(node).former; }
  Position log_end(NodeId node) const;  // on disk
  const std::vector<Envelope>& messages() const { return messages_; }
  Position committed() const { return Position{history_.size()}; }
  // The first thing that must not be, with what led to it; nothing so far.
  const std::optional<std::string>& violation() const { return violation_; }

  // One line for each thing that happened since the last call: messages sent, effects.
  std::vector<std::string> take_trace();
  // Whether lines are kept at all; they cost more than the steps.
  void set_tracing(bool on) { tracing_ = on; }
  // Equal states, and only those, say the same.
  std::string describe() const;

 private:
  friend class Canonical;

  using Write = std::variant<SavePromises, AppendLog, ReplaceLog>;
  struct Node {
    Member self;
    std::optional<Replica> replica;
    std::deque<Write> writes;
    // The disk.
    Promises promises;
    std::vector<EntryInfo> log;        // from position 1
    Position committed;                // known to have been, when something was written last
    std::uint64_t damaged_starts = 0;  // those that may have lost entries: only these have to differ
    std::optional<Member> former;      // whose disk was lost last
    std::uint64_t heard = 0;           // for whoever lets time pass; no part of the state
    std::uint32_t patience = 1;        // likewise
  };

  Node& at(NodeId node) { return nodes_.at(node.value - 1); }
  const Node& at(NodeId node) const { return nodes_.at(node.value - 1); }
  Node* find(const Member& member);
  std::vector<MemberSet> coming_voters() const;
  void step(Node& node, const Input& input);
  void carry_out(Node& node, Effects effects);
  void write_to_disk(Node& node, const Write& write);
  void fill_in(const Node& node, EntryRange& range) const;
  void check_primary(const Node& node);
  void check_replaced(const Node& node, const ReplaceLog& replace);
  void check_answer(const Node& node, std::uint64_t token);
  void check_committed(const Node& node, Position position);
  void check_message(const Node& node, const Message& message);
  void violate(const std::string& what);
  void propose_settled(Node& node);
  EntryInfo make_entry(const Node& node, const std::string& label) const;

  ReplicaOptions options_;
  std::vector<Node> nodes_;
  std::vector<Envelope> messages_;
  struct CommittedOnce {
    EntryInfo entry;
    View view;  // of the node that was the first to know
  };
  std::vector<CommittedOnce> history_;  // committed anywhere, from position 1
  std::map<View, Member> primaries_;    // who has led
  std::map<std::pair<NodeId, std::uint64_t>, Position>
      asked_;  // what was committed when a question was asked
  std::uint64_t proposals_ = 0;
  std::uint64_t incarnations_ = 0;
  std::optional<std::string> violation_;
  std::vector<std::string> trace_;
  bool tracing_ = true;
};

}  // namespace verity::consensus::testing
