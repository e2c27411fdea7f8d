// What anybody may send to the cluster port: the connection ends with a line that says what and where, and two
// nodes that talk meanwhile do not notice.
#include "tests/peer/peer_world.h"
#include "tests/peer/raw_connection.h"

#include <gmock/gmock.h>

namespace verity::peer::testing {
namespace {

using ::testing::HasSubstr;

class PeerPortTest : public ::testing::Test {
 protected:
  PeerPortTest() {
    w_.options.payload_bytes_max = MiB;
    one_ = &w_.start(1, {2});
    two_ = &w_.start(2, {1});
    EXPECT_TRUE(w_.run_until_connected());
    w_.log.clear();
  }
  // Nothing of what happened has touched the two.
  void TearDown() override {
    EXPECT_TRUE(one_->recorder.reasons.empty() && two_->recorder.reasons.empty());
    const std::size_t before = two_->recorder.messages.size();
    EXPECT_TRUE(one_->send(2, Lane::control, "still here"));
    w_.world.run_for(100ms);
    ASSERT_EQ(two_->recorder.messages.size(), before + 1);
    EXPECT_EQ(two_->recorder.messages.back().payload, "still here");
  }

  // Sends `bytes` and reads what comes until the node closes, at most `patience`.
  std::string send_raw(ByteView bytes, bool finish = false, Duration patience = 10s) {
    std::string answer;
    w_.stranger([&](io::Wait& wait, io::Network& network) {
      auto socket = network.connect(wait, address_of(1)).value();
      ignore(io::write_all(wait, *socket, bytes), "the node may have closed");
      if (finish) ignore(socket->shutdown_write(wait), "the node may have closed");
      io::Wait patient = wait.within(patience);
      answer = read_all(patient, *socket);
      EXPECT_FALSE(patient.now() >= patient.deadline()) << "the node did not close";
    });
    w_.world.run_for(10ms);  // the node learns that the stranger is gone
    return answer;
  }
  // Runs `body` as node 3, greeted, and returns how the node ended the connection.
  std::string as_member(std::function<void(io::Wait&, RawMember&)> body) {
    std::string end;
    w_.stranger([&](io::Wait& wait, io::Network& network) {
      RawMember member(wait, network.connect(wait, address_of(1)).value(), hello_of(3));
      ASSERT_TRUE(member.is_greeted());
      body(wait, member);
      end = member.read_to_end(wait);
    });
    one_->recorder.reasons.clear();
    return end;
  }

  Bytes frame(Lane lane, std::uint16_t type, std::uint64_t sequence, std::string_view payload) {
    Bytes bytes;
    frame::append_frame(bytes, {static_cast<std::uint8_t>(lane), type, sequence}, as_bytes(payload));
    return bytes;
  }

  PeerWorld w_;
  PeerHost* one_ = nullptr;
  PeerHost* two_ = nullptr;
};

TEST_F(PeerPortTest, GarbageIsNamed) {
  EXPECT_EQ(send_raw(as_bytes("GET / HTTP/1.1\r\n\r\n")), "");
  EXPECT_EQ(w_.log_count("node1.1 log warn verity_peer: Connection on the cluster port failed peer=stranger "
                         "error=corrupt: byte 0: no frame begins with 47455420, it would be 5652464d"),
            1u)
      << w_.all_log();
  EXPECT_EQ(one_->peers->metrics().bad_frames, 1u);
  EXPECT_EQ(one_->peers->metrics().handshake_failures, 1u);
}

TEST_F(PeerPortTest, AnotherFrameVersionIsNamed) {
  Bytes hello = frame(Lane::control, 1, 0, as_text(encode_hello({hello_of(3), Lane::control, 7})));
  hello[4] = std::byte{2};
  EXPECT_EQ(send_raw(hello), "");
  EXPECT_EQ(w_.log_count("unsupported: byte 4: frame version 2, this node speaks version 1"), 1u)
      << w_.all_log();
}

TEST_F(PeerPortTest, AHelloThatEndsEarlyIsNamed) {
  const Bytes hello = frame(Lane::control, 1, 0, as_text(encode_hello({hello_of(3), Lane::control, 7})));
  for (std::size_t size = 1; size < hello.size(); size += 13) send_raw(ByteView(hello).first(size), true);
  EXPECT_GE(w_.log_count("the stream ends inside the frame that begins at byte 0"), 1u) << w_.all_log();
  EXPECT_EQ(one_->peers->metrics().bad_frames, (hello.size() + 11) / 13);
}

TEST_F(PeerPortTest, AHelloLargerThanAnyHelloIsRefusedUnread) {
  send_raw(ByteView(frame(Lane::control, 1, 0, std::string(5000, 'x'))).first(40));
  EXPECT_EQ(w_.log_count("limit_exceeded: byte 8: payload of 5000 bytes, the limit is 4096"), 1u)
      << w_.all_log();
}

TEST_F(PeerPortTest, AHelloThatCannotBeReadIsAnsweredByARefusal) {
  const std::string answer = send_raw(frame(Lane::control, 1, 0, "too short"));
  ASSERT_GT(answer.size(), frame::header_bytes);
  const Refusal refusal = decode_refusal(as_bytes(answer).subspan(frame::header_bytes)).value();
  EXPECT_EQ(refusal, (Refusal{RefusalCode::malformed, NodeId{1},
                              "a hello of 9 bytes ends inside the field at byte 4"}));
  EXPECT_EQ(one_->peers->metrics().refused[static_cast<std::size_t>(RefusalCode::malformed)], 1u);
}

// Closing over unread bytes would reset the connection, and the refusal with it.
TEST_F(PeerPortTest, ARefusalIsReadAlsoByWhoGoesOnSending) {
  Hello stranger = hello_of(3);
  stranger.cluster_name = "staging";
  Bytes bytes = frame(Lane::control, 1, 0, as_text(encode_hello({stranger, Lane::control, 7})));
  bytes.resize(bytes.size() + 30'000);
  w_.stranger([&](io::Wait& wait, io::Network& network) {
    auto socket = network.connect(wait, address_of(1)).value();
    ASSERT_TRUE(io::write_all(wait, *socket, bytes));
    ASSERT_TRUE(wait.sleep(100ms));
    const std::string answer = read_all(wait, *socket);
    EXPECT_THAT(answer, HasSubstr("node 3 is of the cluster named \"staging\", node 1 of \"test\""));
  });
}

TEST_F(PeerPortTest, SomethingElseThanAHelloEndsTheConnection) {
  EXPECT_EQ(send_raw(frame(Lane::control, 16, 0, "a message")), "");
  EXPECT_EQ(w_.log_count("corrupt: frame type 16 on lane 0 instead of the hello"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, ASlowHelloIsCutByATimeout) {
  const Bytes hello = frame(Lane::control, 1, 0, as_text(encode_hello({hello_of(3), Lane::control, 7})));
  w_.stranger([&](io::Wait& wait, io::Network& network) {
    auto socket = network.connect(wait, address_of(1)).value();
    const Instant begun = wait.now();
    for (const std::byte byte : hello) {
      if (!io::write_all(wait, *socket, std::span(&byte, 1))) break;
      ASSERT_TRUE(wait.sleep(100ms));
    }
    EXPECT_LT(wait.now() - begun, 3s);
  });
  EXPECT_EQ(w_.log_count("error=timed_out: timeout: no hello came in time"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, StrangersAreBoundedInNumber) {
  w_.stranger([&](io::Wait& wait, io::Network& network) {
    std::vector<std::unique_ptr<io::Socket>> silent;
    for (int i = 0; i < 50; ++i) silent.push_back(network.connect(wait, address_of(1)).value());
    ASSERT_TRUE(wait.sleep(100ms));
    EXPECT_EQ(one_->peers->metrics().turned_away, 18u);
    EXPECT_EQ(w_.log_count("Refused a connection: too many on the cluster port have not said who they are"),
              1u);
    // When their time is over, a member gets in.
    ASSERT_TRUE(wait.sleep(2s));
    const RawMember member(wait, network.connect(wait, address_of(1)).value(), hello_of(3));
    EXPECT_TRUE(member.is_greeted());
  });
  w_.world.run_for(1s);
  one_->recorder.reasons.clear();
}

TEST_F(PeerPortTest, ADamagedFrameOfAMemberIsNamedAndNothingOfItArrives) {
  const std::string end = as_member([&](io::Wait& wait, RawMember& member) {
    Bytes bytes;
    for (const std::string_view text : {"first", "second", "third"})
      frame::append_frame(bytes, member.wire.next_head(Lane::control, 16), as_bytes(text));
    bytes[45 + 41] ^= std::byte{0x10};
    member.send(wait, bytes);
  });
  EXPECT_EQ(end, "closed");
  ASSERT_EQ(one_->recorder.messages.size(), 1u);
  EXPECT_EQ(one_->recorder.messages[0].payload, "first");
  EXPECT_EQ(w_.log_count("Connection to a peer lost peer_id=3 lane=control peer=stranger:"), 1u)
      << w_.all_log();
  EXPECT_EQ(w_.log_count("payload checksum 0x"), 1u) << w_.all_log();
  EXPECT_EQ(one_->peers->metrics().bad_frames, 1u);
}

TEST_F(PeerPortTest, AReplayedFrameEndsTheConnection) {
  as_member([&](io::Wait& wait, RawMember& member) {
    Bytes bytes;
    frame::append_frame(bytes, member.wire.next_head(Lane::control, 16), as_bytes("once"));
    put_bytes(bytes, Bytes(bytes));
    member.send(wait, bytes);
  });
  EXPECT_EQ(one_->recorder.messages.size(), 1u);
  EXPECT_EQ(w_.log_count("(replayed or missing frames)"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, TheRecordingOfAConnectionCannotBeReplayed) {
  Bytes recording;
  as_member([&](io::Wait& wait, RawMember& member) {
    Bytes bytes;
    frame::append_frame(bytes, member.wire.next_head(Lane::control, 16), as_bytes("once"));
    member.send(wait, bytes);
    recording = member.written;
    ignore(member.wire.finish(wait), "the node may have closed");
  });
  ASSERT_EQ(one_->recorder.messages.size(), 1u);
  const std::size_t lines = one_->recorder.lines.size();
  send_raw(recording);
  EXPECT_EQ(one_->recorder.messages.size(), 1u);
  EXPECT_EQ(one_->recorder.lines.size(), lines) << "it never counted as connected";
  EXPECT_EQ(w_.log_count("(replayed or missing frames)"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, AFrameAboveTheLimitEndsTheConnection) {
  as_member([&](io::Wait& wait, RawMember& member) {
    Bytes bytes;
    frame::append_frame(bytes, member.wire.next_head(Lane::control, 16), as_bytes(std::string(MiB, 'x')));
    frame::append_frame(bytes, member.wire.next_head(Lane::control, 16), as_bytes(std::string(MiB + 1, 'x')));
    member.send(wait, bytes);
  });
  EXPECT_EQ(one_->recorder.messages.size(), 1u);
  EXPECT_EQ(w_.log_count("payload of 1048577 bytes, the limit is 1048576"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, AFrameOfAnotherLaneEndsTheConnection) {
  as_member([&](io::Wait& wait, RawMember& member) {
    Bytes bytes;
    frame::append_frame(bytes, member.wire.next_head(Lane::bulk, 16), as_bytes("x"));
    member.send(wait, bytes);
  });
  EXPECT_EQ(w_.log_count("corrupt: a frame for lane 1 on the control lane"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, AMemberThatTurnsIntoAnotherIsRefused) {
  for (const auto& change :
       {std::function<void(Hello&)>([](Hello& h) { h.identity.id = NodeId{4}; }),
        std::function<void(Hello&)>([](Hello& h) { h.identity.incarnation = id128(99); }),
        std::function<void(Hello&)>([](Hello& h) { h.identity.boot_number = 99; }),
        std::function<void(Hello&)>([](Hello& h) { h.identity.boot_nonce = id128(98); })}) {
    const std::string end = as_member([&](io::Wait& wait, RawMember& member) {
      Hello liar = hello_of(3);
      change(liar);
      EXPECT_TRUE(
          member.wire.write(wait, Lane::control, FrameType::hello, encode_hello({liar, Lane::control, 7})));
    });
    EXPECT_EQ(end, "identity_changed");
  }
  EXPECT_EQ(one_->peers->metrics().refused[static_cast<std::size_t>(RefusalCode::identity_changed)], 4u);
  EXPECT_EQ(w_.log_count("code=identity_changed reason=node 3 boot 1 now says that it is node 4 boot 1"), 1u)
      << w_.all_log();
}

TEST_F(PeerPortTest, TheOtherLaneOfAProcessMustSayTheSame) {
  w_.stranger([&](io::Wait& wait, io::Network& network) {
    const RawMember member(wait, network.connect(wait, address_of(1)).value(), hello_of(3));
    ASSERT_TRUE(member.is_greeted());
    ASSERT_TRUE(wait.sleep(10ms));
    Hello liar = hello_of(3);
    liar.identity.id = NodeId{4};
    const RawMember other(wait, network.connect(wait, address_of(1)).value(), liar, Lane::bulk);
    const auto* const refused = std::get_if<RefusedByThem>(&other.outcome);
    ASSERT_NE(refused, nullptr);
    EXPECT_EQ(refused->refusal.code, RefusalCode::identity_changed);
  });
  w_.world.run_for(1s);
  one_->recorder.reasons.clear();
}

TEST_F(PeerPortTest, AMemberThatFallsSilentIsCutByATimeout) {
  Instant begun;
  const std::string end = as_member([&](io::Wait& wait, RawMember&) { begun = wait.now(); });
  EXPECT_EQ(end, "closed");
  EXPECT_EQ(w_.log_count("reason=timed_out: timeout: nothing heard for 3 s"), 1u) << w_.all_log();
}

TEST_F(PeerPortTest, AMemberThatTakesNothingIsCutByATimeout) {
  w_.stranger([&](io::Wait& wait, io::Network& network) {
    RawMember member(wait, network.connect(wait, address_of(1)).value(), hello_of(3));
    ASSERT_TRUE(member.is_greeted());
    ASSERT_TRUE(wait.sleep(10ms));
    EXPECT_TRUE(one_->send(3, Lane::control, std::string(MiB, 'x')));
    for (int i = 0; i < 10; ++i) {  // it goes on speaking
      Bytes bytes;
      frame::append_frame(bytes, member.wire.next_head(Lane::control, 16), as_bytes("x"));
      member.send(wait, bytes);
      ASSERT_TRUE(wait.sleep(500ms));
    }
  });
  EXPECT_EQ(w_.log_count("reason=timed_out: timeout: nothing could be sent for 3 s"), 1u) << w_.all_log();
  one_->recorder.reasons.clear();
}

// Whatever bytes follow a greeting: the node stays.
TEST_F(PeerPortTest, RandomBytesAfterTheGreetingEndTheConnectionOnly) {
  Prng prng(5);
  for (int i = 0; i < 100; ++i) {
    Bytes bytes(prng.between(1, 300));
    prng.fill(bytes);
    EXPECT_EQ(as_member([&](io::Wait& wait, RawMember& member) { member.send(wait, bytes); }), "closed");
    w_.world.run_for(10ms);
  }
  EXPECT_EQ(one_->peers->metrics().bad_frames, 100u);
}

}  // namespace
}  // namespace verity::peer::testing
