// Which release this node writes, and what moves that on. Nodes write the active release; a later one becomes active by an
// entry that the leader proposes once every member, and every learner, has said that it knows it.
//
//   all know release 2 ─► release entry ─► committed ─► in the node's state, durably ─► release 2 is written
//
// Until the entry is committed the program before can come back. The state comes before the first byte of the new release on the
// disk, so that the program before refuses to start by what it can read. All calls on the node's loop; none suspends.
#pragma once

#include "engine/consensus/replica.h"
#include "engine/log/entry.h"
#include "engine/node/peer_transport.h"
#include "engine/node/release.h"
#include "engine/node/state_file.h"
#include "io/base/result.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace verity::node {

// Nothing, or that a program that knows these releases cannot run a node with this state, and why.
Status check_release(const DurableState& state, const Releases& known);
// The same of an entry in its log; the state comes first, so this is only to be sure.
Status check_release(const log::Entry& entry, const Releases& known);

class Activation {
 public:
  struct Parts {
    const consensus::Replica& replica;
    DurableState& state;
    const PeerTransport* transport;  // null: there is nobody else
    Releases known;                  // to this program
    // How long all have to know a release before it is activated by itself; nothing: an operator says so.
    std::optional<Duration> patience;
    // False: there is no room for it now.
    std::function<bool(log::EntryKind, ByteView)> propose;
  };
  explicit Activation(Parts parts);

  // What is to be written; durable.
  const ActiveRelease& active() const { return active_; }

  // ---- the state
  // True: it is to be saved.
  bool is_behind() const { return wanted_.number > active_.number; }
  void committed(const log::Entry& entry);
  // False: it holds an entry of a release that is not in the state yet. It will be; then the message is welcome.
  bool admits(const consensus::Message& message);
  // Into the state, which is about to be saved; saved(): it was.
  void write_down();
  // True: another release is active from here on.
  bool saved();

  // ---- the others
  // What it says is active is, whatever this node has heard or forgotten.
  void connected(const consensus::Member& peer, const PeerRelease& release);
  // What a leader could activate: the newest that all know, or the active one.
  std::uint32_t common() const;
  // Why it is not a later one; empty: it is, or nobody knows a later one.
  std::string obstacle() const;
  // Of a leader, now and then: what all have known for long enough is proposed.
  void tend(Instant now);
  // Now. Of a leader that has committed all it began with. False: there is no room for it.
  bool propose(std::uint32_t release);

 private:
  std::optional<std::uint32_t> known_by(const consensus::Member& member) const;
  bool is_proposed() const;
  void want(std::uint32_t number, Position at);

  const Parts parts_;
  ActiveRelease active_;
  ActiveRelease wanted_;  // what is known to be active; not below active_
  std::map<NodeId, std::pair<consensus::Member, std::uint32_t>> newest_;  // of whoever was connected last
  std::uint32_t candidate_ = 0;                                           // all have known it since
  Instant since_;
};

}  // namespace verity::node
