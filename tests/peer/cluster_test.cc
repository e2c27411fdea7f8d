// Nodes that talk over the simulated network: who is connected when, and what arrives.
#include "net/peer/handshake.h"
#include "net/peer/wire.h"
#include "tests/peer/peer_world.h"

#include <gmock/gmock.h>

#include <set>

namespace verity::peer::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::uint8_t> others_of(std::uint8_t node, std::uint8_t count) {
  std::vector<std::uint8_t> others;
  for (std::uint8_t other = 1; other <= count; ++other) {
    if (other != node) others.push_back(other);
  }
  return others;
}

void start_three(PeerWorld& w) {
  for (std::uint8_t node = 1; node <= 3; ++node) w.start(node, others_of(node, 3));
}

TEST(PeerClusterTest, ThreeNodesExchange) {
  PeerWorld w;
  start_three(w);
  ASSERT_TRUE(w.run_until_connected(1s)) << w.all_log();
  for (auto& [from, host] : w.hosts) {
    for (const std::uint8_t to : others_of(static_cast<std::uint8_t>(host->hello.identity.id.value), 3)) {
      EXPECT_TRUE(host->send(to, Lane::control, "control from " + from));
      EXPECT_TRUE(host->send(to, Lane::bulk, "bulk from " + from));
    }
  }
  w.world.run_for(1s);
  for (auto& [to, host] : w.hosts) {
    std::set<std::string> got;
    for (const Received& message : host->recorder.messages) {
      EXPECT_THAT(message.payload,
                  HasSubstr(std::string(describe(message.lane)) + " from node" + message.from.describe()));
      EXPECT_TRUE(got.insert(message.payload).second);
    }
    EXPECT_EQ(got.size(), 4u);
    for (const PeerRow& row : host->peers->peers()) {
      EXPECT_TRUE(row.connected);
      ASSERT_TRUE(row.id);
      EXPECT_EQ(row.address, "node" + row.id->describe() + ":7001");
      ASSERT_TRUE(row.round_trip_time);
      EXPECT_GT(*row.round_trip_time, 30us);
      EXPECT_LT(*row.round_trip_time, 20ms);
      EXPECT_LT(w.world.now() - Instant{row.last_seen.ns - sim::epoch_of_world.ns}, 600ms);
    }
    const LaneCounters& control = host->peers->metrics().lanes[0];
    EXPECT_EQ(control.messages_in, 2u);
    EXPECT_EQ(control.messages_out, 2u);
    EXPECT_GT(control.bytes_in, 0u);
    EXPECT_EQ(control.dropped, 0u);
  }
}

// Whatever the order: in the end there is one connection for each lane, and nobody dials any more.
TEST(PeerClusterTest, NodesThatDialAtOnceKeepOneConnectionPerLane) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    PeerWorld w(seed);
    const PeerHost& one = w.start(1, {2});
    const PeerHost& two = w.start(2, {1});
    ASSERT_TRUE(w.run_until_connected(2s)) << seed << w.all_log();
    w.world.run_for(4s);
    EXPECT_EQ(w.world.network().open_sockets(), 4u) << "seed " << seed;
    const std::uint64_t made = one.peers->metrics().lanes[0].connections;
    EXPECT_LE(made, 2u);
    EXPECT_EQ(one.recorder.count("connected 2 control"), 1u) << "seed " << seed;
    EXPECT_EQ(two.recorder.count("connected 1 bulk"), 1u);
    EXPECT_EQ(one.recorder.reasons.size() + two.recorder.reasons.size(), 0u)
        << "seed " << seed << w.all_log();
    w.world.run_for(6s);
    EXPECT_EQ(one.peers->metrics().lanes[0].connections, made);
    EXPECT_TRUE(one.is_connected(2) && two.is_connected(1));
  }
}

TEST(PeerClusterTest, ItIsEnoughThatOneSideCanDial) {
  for (const bool lower_dials : {true, false}) {
    PeerWorld w;
    std::vector<std::uint8_t> nobody;
    PeerHost& one = w.start(1, lower_dials ? std::vector<std::uint8_t>{2} : nobody);
    PeerHost& two = w.start(2, lower_dials ? nobody : std::vector<std::uint8_t>{1});
    ASSERT_TRUE(w.run_until_connected(1s));
    EXPECT_TRUE(one.send(2, Lane::control, "x") && two.send(1, Lane::control, "y"));
    w.world.run_for(10s);
    EXPECT_EQ(one.recorder.messages.size(), 1u);
    EXPECT_EQ(two.recorder.messages.size(), 1u);
    EXPECT_EQ(w.world.network().open_sockets(), 4u);
    // Who is behind none of the configured addresses has a row with the address it says itself.
    const auto rows = (lower_dials ? two : one).peers->peers();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].address, lower_dials ? "node1:7001" : "node2:7001");
  }
}

TEST(PeerClusterTest, ANodeIsKilledAndComesBack) {
  PeerWorld w;
  start_three(w);
  ASSERT_TRUE(w.run_until_connected());
  PeerHost& one = *w.hosts.at("node1");
  PeerHost& two = *w.hosts.at("node2");
  w.crash(3);
  ASSERT_TRUE(w.run_until([&] { return !one.is_connected(3) && !two.is_connected(3); }, 8s));
  EXPECT_FALSE(one.send(3, Lane::control, "into the void"));
  EXPECT_EQ(one.peers->metrics().lanes[0].dropped, 1u);
  w.world.run_for(30s);
  EXPECT_GE(one.peers->metrics().connect_failures, 10u);
  EXPECT_LE(one.peers->metrics().connect_failures, 120u) << "two lanes, at most one attempt a second each";
  EXPECT_THAT(one.peers->peers()[1].last_problem, HasSubstr("connection refused"));
  EXPECT_EQ(w.log_count(
                "node1.1 log warn verity_peer: Connection to a peer failed peer=node3:7001 error=refused: "),
            1u)
      << w.all_log();
  EXPECT_TRUE(one.is_connected(2));

  PeerHost& three = w.start(3, {1, 2}, 2);
  ASSERT_TRUE(w.run_until_connected(5s)) << w.all_log();
  EXPECT_EQ(one.recorder.hellos.back().identity.boot_number, 2u);
  EXPECT_TRUE(one.send(3, Lane::control, "welcome back"));
  w.world.run_for(1s);
  ASSERT_EQ(three.recorder.messages.size(), 1u);
}

// A machine that lost its power says nothing; its successor takes the place of what is still believed to live.
TEST(PeerClusterTest, ALaterBootReplacesAConnectionThatIsHalfOpen) {
  PeerWorld w;
  w.options.silence_timeout = 1h;
  PeerHost& one = w.start(1, {});
  w.stranger([&](io::Wait& wait, io::Network& network) {
    io::Wait soon = wait.within(1s);
    LaneCounters counters;
    Wire wire(network.connect(wait, address_of(1)).value(), counters, wait.now());
    const auto outcome = greet_as_dialler(soon, wire, {hello_of(2), Lane::control, 7}, MiB,
                                          [](const HelloFrame&) { return std::nullopt; });
    ASSERT_TRUE(std::holds_alternative<Greeting>(outcome));
    ASSERT_TRUE(wire.write(soon, Lane::control, FrameType::ping, as_bytes("8 bytes.")));
    ASSERT_TRUE(wait.sleep(10s));
    EXPECT_TRUE(one.peers->is_connected(NodeId{2}, Lane::control)) << "nothing told it otherwise";
    w.start(2, {1}, 2);
    ASSERT_TRUE(wait.sleep(10s));
    EXPECT_TRUE(one.is_connected(2));
    // The old one was cut.
    while (true) {
      const auto frame = wire.read(wait, 1h);
      if (!frame || !*frame) break;
    }
  });
  EXPECT_EQ(one.recorder.hellos.back().identity.boot_number, 2u);
  EXPECT_EQ(one.recorder.count("connected 2 control"), 2u);
  EXPECT_EQ(one.recorder.count("disconnected 2 control"), 1u);
  EXPECT_THAT(one.recorder.reasons, ::testing::Contains("node 2 boot 2 took its place"));
}

TEST(PeerClusterTest, ResetsAtAnyByteLoseMessagesAndNothingElse) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    PeerWorld w(seed);
    w.options.reconnect_delay_max = 200ms;
    PeerHost& one = w.start(1, {2});
    PeerHost& two = w.start(2, {1});
    ASSERT_TRUE(w.run_until_connected());
    w.world.network().options().reset_ppm = 20'000;
    w.world.network().options().refuse_ppm = 100'000;
    std::size_t sent = 0;
    for (int i = 0; i < 1000; ++i) {
      const std::string text = std::to_string(i) + std::string(static_cast<std::size_t>(i * 37 % 5000), 'x');
      sent += one.send(2, i % 2 == 0 ? Lane::control : Lane::bulk, text);
      w.world.run_for(5ms);
    }
    w.world.network().options().reset_ppm = 0;
    w.world.network().options().refuse_ppm = 0;
    ASSERT_TRUE(w.run_until_connected()) << w.all_log();
    w.world.run_for(1s);
    std::set<int> got;
    for (const Received& message : two.recorder.messages) {
      const int number = std::stoi(message.payload);
      EXPECT_EQ(message.payload,
                std::to_string(number) + std::string(static_cast<std::size_t>(number * 37 % 5000), 'x'));
      EXPECT_TRUE(got.insert(number).second) << number << " came twice";
    }
    EXPECT_GT(got.size(), sent / 2);
    EXPECT_GT(one.peers->metrics().lanes[0].connections_lost, 3u) << "seed " << seed;
    EXPECT_EQ(one.peers->metrics().bad_frames + two.peers->metrics().bad_frames,
              static_cast<std::uint64_t>(w.log_count("the stream ends inside the frame")));
    EXPECT_TRUE(one.send(2, Lane::control, "after"));
    w.world.run_for(1s);
    EXPECT_EQ(two.recorder.messages.back().payload, "after");
  }
}

TEST(PeerClusterTest, AStallOfOneDirectionIsNoticedByBothSides) {
  PeerWorld w;
  start_three(w);
  ASSERT_TRUE(w.run_until_connected());
  PeerHost& one = *w.hosts.at("node1");
  PeerHost& two = *w.hosts.at("node2");
  w.stalls.directions.insert({"node1", "node2"});
  ASSERT_TRUE(w.run_until([&] { return !one.is_connected(2) && !two.is_connected(1); }, 4s));
  EXPECT_THAT(two.recorder.reasons, ::testing::Contains(HasSubstr("timeout: nothing heard for 3 s")));
  w.world.run_for(10s);
  EXPECT_TRUE(one.is_connected(3) && two.is_connected(3));
  EXPECT_GT(w.log_count("timeout: no answer to the attempt to connect"), 0u);
  w.stalls.directions.clear();
  ASSERT_TRUE(w.run_until_connected(4s)) << w.all_log();
  EXPECT_TRUE(one.send(2, Lane::control, "again"));
  w.world.run_for(100ms);
  EXPECT_EQ(two.recorder.messages.back().payload, "again");
}

// The longest time from send() to on_message() for small messages on `lane` while bulk runs at full speed.
Duration worst_delay_beside_bulk(Lane lane) {
  PeerWorld w;
  PeerHost& one = w.start(1, {2});
  PeerHost& two = w.start(2, {1});
  EXPECT_TRUE(w.run_until_connected());
  const auto segment = std::make_shared<const std::string>(4 * MiB, 's');
  Duration worst{};
  for (int i = 0; i < 20; ++i) {
    for (int piece = 0; piece < 2; ++piece) {
      Payload payload;
      payload.parts.push_back({segment, as_bytes(*segment)});
      one.peers->send(NodeId{2}, Lane::bulk, 17, std::move(payload));
    }
    const Instant begun = w.world.now();
    const auto heartbeats = [&] {
      return std::ranges::count_if(two.recorder.messages,
                                   [](const Received& m) { return m.type == message_type_min; });
    };
    const auto before = heartbeats();
    EXPECT_TRUE(one.send(2, lane, "heartbeat"));
    EXPECT_TRUE(w.run_until([&] { return heartbeats() > before; }));
    worst = std::max(worst, w.world.now() - begun);
    w.world.run_for(20ms);
    std::erase_if(two.recorder.messages, [](const Received& m) { return m.type == 17; });
  }
  EXPECT_GT(two.peers->metrics().lanes[1].messages_in, 10u);
  return worst;
}

TEST(PeerClusterTest, BulkDoesNotDelayControl) {
  EXPECT_LT(worst_delay_beside_bulk(Lane::control), 5ms);
  EXPECT_GT(worst_delay_beside_bulk(Lane::bulk), 10ms) << "so the lanes are what makes the difference";
}

TEST(PeerClusterTest, AFullQueueDropsAndCounts) {
  PeerWorld w;
  w.options.control = {.queue_bytes_max = 10'000, .queue_frames_max = 5};
  PeerHost& one = w.start(1, {2});
  PeerHost& two = w.start(2, {1});
  ASSERT_TRUE(w.run_until_connected());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(one.send(2, Lane::control, "small"));
  EXPECT_FALSE(one.send(2, Lane::control, "one too many"));
  w.world.run_for(100ms);
  EXPECT_TRUE(one.send(2, Lane::control, std::string(20'000, 'x'))) << "the only one may be larger";
  EXPECT_FALSE(one.send(2, Lane::control, "no room"));
  EXPECT_TRUE(one.send(2, Lane::bulk, "another lane"));
  w.world.run_for(100ms);
  EXPECT_EQ(one.peers->metrics().lanes[0].dropped, 2u);
  EXPECT_EQ(two.recorder.messages.size(), 7u);
}

// ---- who may not talk

TEST(PeerClusterTest, TwoDataDirectoriesWithOneNodeId) {
  PeerWorld w;
  PeerHost& one = w.start(1, {2});
  w.start(2, {1});
  ASSERT_TRUE(w.run_until_connected());
  Hello impostor = hello_of(2);
  impostor.identity.incarnation = id128(77);
  impostor.identity.boot_nonce = id128(78);
  PeerHost& other = w.start_as("other", impostor, {1});
  w.world.run_for(20s);
  EXPECT_FALSE(other.is_connected(1));
  EXPECT_TRUE(one.is_connected(2));
  EXPECT_EQ(one.recorder.hellos.back().identity, hello_of(2).identity);
  EXPECT_GT(one.peers->metrics().refused[static_cast<std::size_t>(RefusalCode::node_id_taken)], 5u);
  EXPECT_GT(other.peers->metrics().refused_by[static_cast<std::size_t>(RefusalCode::node_id_taken)], 5u);
  EXPECT_EQ(w.log_count("node1.1 log warn verity_peer: Refused a connection with a peer"), 1u) << w.all_log();
  EXPECT_EQ(w.log_count("other.1 log warn verity_peer: Connection refused by a peer"), 1u) << w.all_log();
  EXPECT_EQ(w.log_count("two data directories have one node id"), 2u);
  EXPECT_THAT(other.peers->peers()[0].last_problem, HasSubstr("two data directories have one node id"));
}

TEST(PeerClusterTest, AnotherClusterIsRefusedWithOneLineOnBothSides) {
  struct Case {
    std::function<void(Hello&)> change;
    RefusalCode code;
  };
  for (const Case& each :
       {Case{[](Hello& h) { h.cluster_name = "staging"; }, RefusalCode::other_cluster_name},
        Case{[](Hello& h) { h.cluster_id = id128(9); }, RefusalCode::other_cluster},
        Case{[](Hello& h) { h.epoch = id128(9); }, RefusalCode::other_epoch},
        Case{[](Hello& h) { h.protocol_min = h.protocol_max = 2; }, RefusalCode::protocol_too_new},
        Case{[](Hello& h) { h.identity.id = NodeId{9}; }, RefusalCode::bad_node_id},
        Case{[](Hello& h) { h.identity.id = NodeId{1}; }, RefusalCode::own_node_id}}) {
    PeerWorld w;
    PeerHost& one = w.start(1, {});
    Hello hello = hello_of(2);
    each.change(hello);
    PeerHost& two = w.start_as("node2", hello, {1});
    w.world.run_for(20s);
    EXPECT_FALSE(two.is_connected(1));
    // Told of each refusal, and of nothing else.
    EXPECT_THAT(one.recorder.lines, ::testing::Each(::testing::AllOf(
                                        ::testing::StartsWith("refused "),
                                        ::testing::EndsWith(" " + std::string(describe(each.code))))));
    EXPECT_FALSE(one.recorder.lines.empty());
    const std::string code = " code=" + std::string(describe(each.code)) + " reason=";
    EXPECT_EQ(w.log_count("node1.1 log warn verity_peer: Refused a connection with a peer peer=node2" + code),
              1u)
        << w.all_log();
    EXPECT_EQ(
        w.log_count("node2.1 log warn verity_peer: Connection refused by a peer peer=node1:7001" + code), 1u)
        << w.all_log();
    EXPECT_EQ(w.log.size(), 2u) << w.all_log();
    w.world.run_for(60s);
    EXPECT_EQ(w.log_count("times before)"), 2u) << "repeated once a minute, with the number left out\n"
                                                << w.all_log();
  }
}

TEST(PeerClusterTest, ANodeThatIsGivenItsOwnAddressLeavesItselfAlone) {
  PeerWorld w;
  PeerHost& one = w.start(1, {1, 2});
  w.start(2, {1});
  ASSERT_TRUE(w.run_until([&] { return one.is_connected(2); }));
  w.world.run_for(20s);
  EXPECT_FALSE(one.peers->is_connected(NodeId{1}, Lane::control));
  EXPECT_EQ(w.log_count("node 1 has reached itself"), 1u) << w.all_log();
  EXPECT_TRUE(one.is_connected(2));
}

TEST(PeerClusterTest, ABlankNodeTellsWhenItBecomesAMember) {
  PeerWorld w;
  Hello blank = hello_of(2);
  blank.cluster_id = blank.epoch = Id128{};
  PeerHost& one = w.start(1, {2});
  PeerHost& two = w.start_as("node2", blank, {1});
  ASSERT_TRUE(w.run_until_connected());
  EXPECT_TRUE(one.recorder.hellos.back().cluster_id.is_zero());
  two.hello = hello_of(2);
  ASSERT_TRUE(w.run_until([&] { return one.recorder.hellos.back().cluster_id == id128(0xC1); }, 1s));
  EXPECT_TRUE(one.is_connected(2));
  EXPECT_TRUE(one.recorder.reasons.empty());

  // And when two founded clusters of their own, they part.
  two.hello.cluster_id = id128(0xC2);
  ASSERT_TRUE(w.run_until([&] { return !one.is_connected(2) && !two.is_connected(1); }, 1s));
  w.world.run_for(5s);
  EXPECT_FALSE(one.is_connected(2));
  EXPECT_GT(w.log_count("code=other_cluster "), 0u);
}

TEST(PeerClusterTest, ATakenPortIsSaid) {
  PeerWorld w;
  w.start(1, {});
  w.world.run_for(10ms);
  sim::Process process(w.world, {.host = "node1", .boot = 2});
  Recorder recorder;
  PeerOptions options;
  options.listen_address = address_of(1);
  auto peers = make_peers(
      process.io_world(), options, [] { return hello_of(1); }, recorder);
  process.spawn("main", [&](io::Wait& wait) {
    const Status started = peers->start(wait);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, ErrorCode::busy);
    peers->stop(wait);
  });
  EXPECT_TRUE(w.run_until([&] { return process.is_finished(); }));
}

TEST(PeerClusterTest, TheSameSeedGivesTheSameRun) {
  const auto run = [](std::uint64_t seed) {
    PeerWorld w(seed);
    w.world.network().options().reset_ppm = 5'000;
    start_three(w);
    w.world.run_for(20s);
    return w.world.trace().digest();
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace verity::peer::testing
