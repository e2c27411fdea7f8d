// How n blank nodes become one cluster. Node 1 draws a record that names all of them; whoever it names accepts it, durably;
// a node is a member once all have accepted, or once a member says so. Pure, as replica.h is.
//
//   node 1                         the others
//     ask (round) ───────────────►  forget what was accepted, durably
//     ◄─────────────── no member    (a member says so instead: the record it tells is the one)
//     draw a record, durably
//     offer (round, record) ──────► accept, durably; only of the last round asked for
//     ◄──────────────── accepted ──► to everybody it names
//   all n have accepted: member
//
// A record is drawn only after every other node has said, in this very round, that it is no member and has forgotten what it
// accepted before: so no acceptance of an older record, however late, makes anybody a member of it.
#pragma once

#include "engine/consensus/member.h"
#include "io/base/ids.h"
#include "io/base/units.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace verity::consensus {

struct FoundingRecord {
  Id128 cluster_id;
  Id128 epoch;
  MemberSet members;
  Timestamp founded_at;

  bool operator==(const FoundingRecord&) const = default;
  // "cluster 0a1b2c3d of {1:.. 2:.. 3:..}"
  std::string describe() const;
};

// What a node may not forget before it is a member.
struct FoundingPromises {
  Id128 round;  // the last one it answered, or began
  std::optional<FoundingRecord> accepted;
  bool is_member = false;  // of `accepted`

  bool operator==(const FoundingPromises&) const = default;
};

// ---- messages

struct FoundingAsk {
  Id128 round;
};
struct FoundingNoMember {
  Id128 round;
};
struct FoundingOffer {
  Id128 round;
  FoundingRecord record;
};
struct FoundingAccepted {
  FoundingRecord record;
};
struct FoundingMember {
  FoundingRecord record;
};
using FoundingMessage =
    std::variant<FoundingAsk, FoundingNoMember, FoundingOffer, FoundingAccepted, FoundingMember>;

std::string describe(const FoundingMessage& message);

// ---- effects

struct FoundingSend {
  Member to;
  FoundingMessage message;
};
// To be made durable; then saved() is called.
struct FoundingSave {
  FoundingPromises promises;
};
// This node is a member of the record, durably.
struct FoundingDone {
  FoundingRecord record;
};
// Somebody says that the cluster exists, and it does not know this node's incarnation: it would have to be let in as a
// newcomer. Said once it may be late news of a disk that is gone.
struct FoundingStranger {
  FoundingRecord record;
};
using FoundingEffect = std::variant<FoundingSend, FoundingSave, FoundingDone, FoundingStranger>;
using FoundingEffects = std::vector<FoundingEffect>;

// What a record is made of besides its members. Random; drawn by whoever calls.
struct FoundingDraw {
  Id128 round;
  Id128 cluster_id;
  Id128 epoch;
  Timestamp now;
  // Who was reached under the addresses this node was told: only they found the cluster, once all of them are known. Others may
  // dial it before that, and be let in later; had they ever been in a record, it could not be drawn again without them.
  std::vector<NodeId> named;
};

class Founding {
 public:
  // `size` nodes, this one included, are to be the cluster. `promises` as they are on disk.
  Founding(Member self, std::size_t size, FoundingPromises promises);

  FoundingEffects start(const FoundingDraw& draw);
  // Another node is connected; an older process of the same id is gone.
  FoundingEffects connected(const Member& peer, const FoundingDraw& draw);
  FoundingEffects receive(const Member& from, const FoundingMessage& message, const FoundingDraw& draw);
  // What was to be saved is durable.
  FoundingEffects saved();
  // Says again what may have been lost. Every second or so.
  FoundingEffects remind();

  bool is_member() const { return saved_.is_member; }
  // Ids that nobody is connected under; why a founding waits.
  std::vector<NodeId> missing() const;
  // Everything there is to know: equal states, and only those, say the same.
  std::string describe() const;

 private:
  bool draws() const { return self_.id == NodeId{1}; }
  void meet(const Member& peer, const FoundingDraw& draw);
  void save(FoundingPromises promises);
  void begin_round(const FoundingDraw& draw);
  void draw_if_answered(const FoundingDraw& draw);
  void accept(const FoundingMessage& offer);
  void become_member(const FoundingRecord& record);
  void count();
  void send(const Member& to, FoundingMessage message) {
    effects_.push_back(FoundingSend{to, std::move(message)});
  }
  void speak();

  const Member self_;
  const std::size_t size_;
  FoundingPromises promises_;
  FoundingPromises saved_;
  std::map<NodeId, Member> peers_;  // who is connected, or was last
  std::set<Member> answered_;       // of node 1: "no member", in this round
  std::map<Member, FoundingRecord> accepted_;
  FoundingEffects effects_;
};

}  // namespace verity::consensus
