#include "net/peer/admission.h"

#include <string>
#include <utility>

namespace verity::peer {

namespace {

constexpr std::uint64_t node_id_max = 7;

std::string node(const Hello& hello) {
  return is_only_asking(hello) ? "whoever asks" : "node " + hello.identity.id.describe();
}

std::string protocols(const Hello& hello) {
  const std::string low = std::to_string(hello.protocol_min);
  return hello.protocol_min == hello.protocol_max ? low : low + " to " + std::to_string(hello.protocol_max);
}

// Is what `theirs` says compatible with a process that is connected?
std::optional<Refusal> conflict(const Hello& theirs, const PeerIdentity& other, NodeId by) {
  const PeerIdentity& they = theirs.identity;
  if (they == other) return std::nullopt;
  if (they.boot_nonce == other.boot_nonce) {
    return Refusal{RefusalCode::identity_changed, by,
                   "the same process said before that it is " + other.describe() + " and now that it is " +
                       they.describe()};
  }
  if (they.id != other.id) return std::nullopt;
  if (they.incarnation != other.incarnation) {
    return Refusal{RefusalCode::node_id_taken, by,
                   node(theirs) + " with incarnation " + they.incarnation.describe() +
                       " is not the one that is connected, with incarnation " + other.incarnation.describe() +
                       ": two data directories have one node id"};
  }
  if (they.boot_number < other.boot_number) {
    return Refusal{RefusalCode::stale_boot, by,
                   they.describe() + " comes after boot " + std::to_string(other.boot_number) +
                       " of the same data directory was connected: a copy of it is running"};
  }
  if (they.boot_number == other.boot_number) {
    return Refusal{RefusalCode::node_id_taken, by,
                   "two processes run as " + they.describe() + ": copies of one data directory"};
  }
  return std::nullopt;  // it was restarted
}

std::string releases(const Hello& hello) {
  const std::string newest = std::to_string(hello.release);
  return hello.oldest_release == hello.release
             ? "release " + newest
             : "the releases " + std::to_string(hello.oldest_release) + " to " + newest;
}

// What the one writes the other has to be able to read. Who is blank has nothing to read yet, and follows.
std::optional<std::string> why_not_understood(const Hello& a, const Hello& b) {
  if (a.release < b.oldest_release)
    return node(a) + " knows " + releases(a) + ", " + node(b) + " knows " + releases(b);
  if (a.release >= b.active_release || b.cluster_id.is_zero()) return std::nullopt;
  return node(a) + " knows " + releases(a) + ", and entry " + b.activated_by.describe() +
         " of the cluster activated release " + std::to_string(b.active_release) + ", as " + node(b) +
         " says";
}

}  // namespace

std::optional<Refusal> judge_boot(const Hello& theirs, const PeerIdentity& remembered, NodeId by) {
  const PeerIdentity& they = theirs.identity;
  const bool is_same = they.id == remembered.id && they.incarnation == remembered.incarnation;
  const bool is_later =
      they.boot_number > remembered.boot_number ||
      (they.boot_number == remembered.boot_number && they.boot_nonce == remembered.boot_nonce);
  if (!is_same || is_later) return std::nullopt;
  return Refusal{RefusalCode::stale_boot, by,
                 they.describe() + " comes after boot " + std::to_string(remembered.boot_number) +
                     " of the same data directory was here: an older copy of it was put back"};
}

std::optional<Refusal> judge(const Hello& ours, const Hello& theirs,
                             std::span<const PeerIdentity> connected) {
  const NodeId by = ours.identity.id;
  const auto refuse = [&](RefusalCode code, std::string sentence) {
    return Refusal{code, by, std::move(sentence)};
  };
  if (theirs.identity.boot_nonce == ours.identity.boot_nonce)
    return refuse(RefusalCode::self, node(ours) + " has reached itself");
  if (theirs.protocol_max < ours.protocol_min || theirs.protocol_min > ours.protocol_max) {
    const bool is_old = theirs.protocol_max < ours.protocol_min;
    return refuse(is_old ? RefusalCode::protocol_too_old : RefusalCode::protocol_too_new,
                  node(theirs) + " speaks protocol " + protocols(theirs) + ", " + node(ours) + " speaks " +
                      protocols(ours));
  }
  if (theirs.cluster_name != ours.cluster_name) {
    return refuse(RefusalCode::other_cluster_name, node(theirs) + " is of the cluster named \"" +
                                                       printable(theirs.cluster_name) + "\", " + node(ours) +
                                                       " of \"" + ours.cluster_name + "\"");
  }
  const bool one_is_blank = theirs.cluster_id.is_zero() || ours.cluster_id.is_zero();
  if (!one_is_blank && theirs.cluster_id != ours.cluster_id) {
    return refuse(RefusalCode::other_cluster,
                  node(theirs) + " is of cluster " + theirs.cluster_id.describe() + ", " + node(ours) +
                      " of cluster " + ours.cluster_id.describe() + " with the same name");
  }
  if (!one_is_blank && theirs.epoch != ours.epoch) {
    return refuse(RefusalCode::other_epoch, node(theirs) + " is of epoch " + theirs.epoch.describe() + ", " +
                                                node(ours) + " of epoch " + ours.epoch.describe() +
                                                ": the cluster was founded anew");
  }
  // Behind the clusters, so that whoever only asks hears of them.
  if (theirs.identity.id.value < 1 || theirs.identity.id.value > node_id_max)
    return refuse(RefusalCode::bad_node_id, "node id " + theirs.identity.id.describe() + " is not 1 to 7");
  if (theirs.identity.id == ours.identity.id)
    return refuse(RefusalCode::own_node_id, "two nodes have the node id " + by.describe());
  for (const auto& [a, b] : {std::pair(&ours, &theirs), std::pair(&theirs, &ours)}) {
    if (auto why = why_not_understood(*a, *b)) return refuse(RefusalCode::other_release, *std::move(why));
  }
  for (const PeerIdentity& other : connected) {
    if (auto refusal = conflict(theirs, other, by)) return refusal;
  }
  return std::nullopt;
}

}  // namespace verity::peer
