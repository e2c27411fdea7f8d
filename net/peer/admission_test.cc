#include "net/peer/admission.h"

#include "net/peer/repeat_filter.h"
#include "net/peer/testing/recorder.h"

#include <gtest/gtest.h>

#include <functional>

namespace verity::peer::testing {
namespace {

struct Case {
  std::string name;
  std::function<void(Hello& ours, Hello& theirs, std::vector<PeerIdentity>& connected)> change;
  std::optional<RefusalCode> code;
  std::string sentence;  // all of it where it says values that an operator looks for
};

// Ours is node 1, theirs node 2, of one cluster.
const std::vector<Case> cases = {
    {"two members", [](Hello&, Hello&, auto&) {}, {}, ""},
    {"they are blank",
     [](Hello&, Hello& theirs, auto&) { theirs.cluster_id = theirs.epoch = Id128{}; },
     {},
     ""},
    {"we are blank", [](Hello& ours, Hello&, auto&) { ours.cluster_id = ours.epoch = Id128{}; }, {}, ""},
    {"both are blank",
     [](Hello& ours, Hello& theirs, auto&) {
       ours.cluster_id = ours.epoch = theirs.cluster_id = theirs.epoch = Id128{};
     },
     {},
     ""},
    {"the other lane of the same process",
     [](Hello&, Hello& theirs, auto& connected) { connected = {theirs.identity}; },
     {},
     ""},
    {"another node is connected",
     [](Hello&, Hello&, auto& connected) { connected = {hello_of(3).identity}; },
     {},
     ""},
    {"a later release", [](Hello&, Hello& theirs, auto&) { theirs.release = 9; }, {}, ""},
    {"they have learned of an activation first",
     [](Hello& ours, Hello& theirs, auto&) { ours.release = theirs.release = theirs.active_release = 2; },
     {},
     ""},
    {"a blank node of a later release whose first release is active",
     [](Hello& ours, Hello& theirs, auto&) {
       ours.release = ours.active_release = theirs.release = 2;
       theirs.cluster_id = theirs.epoch = Id128{};
     },
     {},
     ""},
    {"they do not know what we have activated",
     [](Hello& ours, Hello&, auto&) {
       ours.release = ours.active_release = 2;
       ours.activated_by = Position{42};
     },
     RefusalCode::other_release,
     "node 2 knows release 1, and entry 42 of the cluster activated release 2, as node 1 says"},
    {"we do not know what they have activated",
     [](Hello&, Hello& theirs, auto&) {
       theirs.release = theirs.active_release = 2;
       theirs.activated_by = Position{42};
     },
     RefusalCode::other_release,
     "node 1 knows release 1, and entry 42 of the cluster activated release 2, as node 2 says"},
    {"they are blank and do not know what we have activated",
     [](Hello& ours, Hello& theirs, auto&) {
       ours.release = ours.active_release = 2;
       theirs.cluster_id = theirs.epoch = Id128{};
     },
     RefusalCode::other_release,
     "node 2 knows release 1, and entry 0 of the cluster activated release 2, as node 1 says"},
    {"no release in common",
     [](Hello& ours, Hello& theirs, auto&) {
       ours.release = 2;
       theirs.oldest_release = 3, theirs.release = 4;
     },
     RefusalCode::other_release, "node 1 knows the releases 1 to 2, node 2 knows the releases 3 to 4"},
    {"protocols that overlap",
     [](Hello& ours, Hello& theirs, auto&) {
       ours.protocol_max = 2;
       theirs.protocol_min = 2, theirs.protocol_max = 5;
     },
     {},
     ""},
    {"they were restarted",
     [](Hello&, Hello& theirs, auto& connected) {
       connected = {hello_of(2).identity}, theirs = hello_of(2, 2);
     },
     {},
     ""},

    {"ourselves", [](Hello& ours, Hello& theirs, auto&) { theirs = ours; }, RefusalCode::self,
     "node 1 has reached itself"},
    {"another cluster name", [](Hello&, Hello& theirs, auto&) { theirs.cluster_name = "prod\n"; },
     RefusalCode::other_cluster_name, R"(node 2 is of the cluster named "prod?", node 1 of "test")"},
    {"another cluster", [](Hello&, Hello& theirs, auto&) { theirs.cluster_id = id128(0xC2); },
     RefusalCode::other_cluster,
     "node 2 is of cluster c2000000000000000000000000000000, node 1 of cluster "
     "c1000000000000000000000000000000 with the same name"},
    {"another epoch", [](Hello&, Hello& theirs, auto&) { theirs.epoch = id128(0xE2); },
     RefusalCode::other_epoch,
     "node 2 is of epoch e2000000000000000000000000000000, node 1 of epoch e1000000000000000000000000000000: "
     "the cluster was founded anew"},
    {"an older protocol", [](Hello& ours, Hello&, auto&) { ours.protocol_min = 2, ours.protocol_max = 3; },
     RefusalCode::protocol_too_old, "node 2 speaks protocol 1, node 1 speaks 2 to 3"},
    {"a newer protocol",
     [](Hello&, Hello& theirs, auto&) { theirs.protocol_min = 2, theirs.protocol_max = 3; },
     RefusalCode::protocol_too_new, "node 2 speaks protocol 2 to 3, node 1 speaks 1"},
    {"node id 0", [](Hello&, Hello& theirs, auto&) { theirs.identity.id = NodeId{0}; },
     RefusalCode::bad_node_id, "node id 0 is not 1 to 7"},
    {"somebody who only asks, of another cluster",
     [](Hello&, Hello& theirs, auto&) { theirs.identity.id = NodeId{0}, theirs.cluster_id = id128(0xC2); },
     RefusalCode::other_cluster,
     "whoever asks is of cluster c2000000000000000000000000000000, node 1 of cluster "
     "c1000000000000000000000000000000 with the same name"},
    {"node id 8", [](Hello&, Hello& theirs, auto&) { theirs.identity.id = NodeId{8}; },
     RefusalCode::bad_node_id, "node id 8 is not 1 to 7"},
    {"our node id", [](Hello& ours, Hello& theirs, auto&) { theirs.identity.id = ours.identity.id; },
     RefusalCode::own_node_id, "two nodes have the node id 1"},
    {"our node id, also from a copy of our data directory",
     [](Hello&, Hello& theirs, auto&) { theirs = hello_of(1, 2); }, RefusalCode::own_node_id,
     "two nodes have the node id 1"},
    {"a node id that another incarnation holds",
     [](Hello&, Hello& theirs, auto& connected) {
       connected = {hello_of(2).identity};
       theirs = hello_of(2, 5);
       theirs.identity.incarnation = id128(9);
     },
     RefusalCode::node_id_taken,
     "node 2 with incarnation 09000000000000000000000000000000 is not the one that is connected, with "
     "incarnation 02000000000000000000000000000001: two data directories have one node id"},
    {"the same boot number twice",
     [](Hello&, Hello& theirs, auto& connected) {
       connected = {hello_of(2).identity};
       theirs.identity.boot_nonce = id128(9);
     },
     RefusalCode::node_id_taken, "two processes run as node 2 boot 1: copies of one data directory"},
    {"an earlier boot", [](Hello&, Hello&, auto& connected) { connected = {hello_of(2, 3).identity}; },
     RefusalCode::stale_boot,
     "node 2 boot 1 comes after boot 3 of the same data directory was connected: a copy of it is running"},
    {"one process with two node ids",
     [](Hello&, Hello& theirs, auto& connected) {
       connected = {hello_of(3).identity, hello_of(2).identity};
       theirs.identity.id = NodeId{4};
     },
     RefusalCode::identity_changed,
     "the same process said before that it is node 2 boot 1 and now that it is node 4 boot 1"},
    {"one process with two boot numbers",
     [](Hello&, Hello& theirs, auto& connected) {
       connected = {hello_of(2).identity};
       theirs.identity.boot_number = 2;
     },
     RefusalCode::identity_changed,
     "the same process said before that it is node 2 boot 1 and now that it is node 2 boot 2"},
};

TEST(AdmissionTest, Table) {
  for (const Case& each : cases) {
    Hello ours = hello_of(1);
    Hello theirs = hello_of(2);
    std::vector<PeerIdentity> connected;
    each.change(ours, theirs, connected);
    const auto refusal = judge(ours, theirs, connected);
    ASSERT_EQ(refusal.has_value(), each.code.has_value()) << each.name;
    if (!refusal) continue;
    EXPECT_EQ(describe(refusal->code), describe(*each.code)) << each.name;
    EXPECT_EQ(refusal->sentence, each.sentence) << each.name;
    EXPECT_EQ(refusal->by, NodeId{1}) << each.name;
  }
}

TEST(AdmissionTest, OfTwoConnectionsTheOneDialledByTheLowerIdStays) {
  EXPECT_TRUE(replaces(true, false));
  EXPECT_FALSE(replaces(false, true));
  // The same side dialled twice: it has lost the earlier one.
  EXPECT_TRUE(replaces(true, true));
  EXPECT_TRUE(replaces(false, false));
}

TEST(RepeatFilterTest, PassesTheFirstAndThenOneAnIntervalWithTheirNumber) {
  RepeatFilter filter(60s);
  const Instant start{1'000};
  EXPECT_EQ(filter.pass("a", start), 0u);
  EXPECT_EQ(filter.pass("b", start), 0u);
  EXPECT_EQ(filter.pass("a", start + 1s), std::nullopt);
  EXPECT_EQ(filter.pass("a", start + 59s), std::nullopt);
  EXPECT_EQ(filter.pass("a", start + 60s), 2u);
  EXPECT_EQ(filter.pass("a", start + 121s), 0u);
}

TEST(RepeatFilterTest, ManyKindsPushOutTheOldest) {
  RepeatFilter filter(60s);
  EXPECT_EQ(filter.pass("old", {1}), 0u);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(filter.pass(std::to_string(i), {2 + i}), 0u);
  EXPECT_EQ(filter.pass("255", {1000}), std::nullopt);
  EXPECT_EQ(filter.pass("old", {1000}), 0u) << "forgotten, so it passes again";
}

TEST(Admission, AnOlderCopyOfADataDirectoryIsRefused) {
  const Hello theirs = hello_of(2, 7);
  PeerIdentity remembered = theirs.identity;
  EXPECT_FALSE(judge_boot(theirs, remembered, NodeId{1}));
  remembered.boot_number = 6;
  EXPECT_FALSE(judge_boot(theirs, remembered, NodeId{1}));
  remembered.boot_number = 8;
  const auto refusal = judge_boot(theirs, remembered, NodeId{1});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::stale_boot);
  EXPECT_EQ(refusal->sentence,
            "node 2 boot 7 comes after boot 8 of the same data directory was here: an older copy of it was "
            "put back");
  // A copy counts the same numbers, but draws other nonces.
  remembered.boot_number = 7;
  remembered.boot_nonce.bytes[0] ^= 1;
  EXPECT_TRUE(judge_boot(theirs, remembered, NodeId{1}));
  remembered.incarnation.bytes[0] ^= 1;
  EXPECT_FALSE(judge_boot(theirs, remembered, NodeId{1}));
}

}  // namespace
}  // namespace verity::peer::testing
