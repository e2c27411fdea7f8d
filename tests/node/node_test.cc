#include "tests/node/node_fixture.h"

#include "engine/log/segment.h"
#include "io/fiber/loop.h"
#include "io/fiber/sync.h"

#include <algorithm>
#include <map>
#include <set>

namespace verity::node {
namespace {

using NodeTest = NodeFixture;

TEST_F(NodeTest, FoundsItselfWithADefaultTenant) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_TRUE(node.is_ready());
    EXPECT_EQ(node.status().state, "leader");
    EXPECT_EQ(node.status().commit_index, Position{2});
    ASSERT_EQ(node.tenants().size(), 1u);
    EXPECT_EQ(node.tenants()[0].name, "default");
    EXPECT_EQ(node.head(wait)->position, Position{2});
  }));
}

TEST_F(NodeTest, WhatIsAppendedIsReadAgainAfterARestart) {
  Sha256Digest root;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto first = append(wait, node, "orders", R"({"n":1})");
    ASSERT_TRUE(first) << first.error().describe();
    EXPECT_EQ(first->position, Position{3});
    EXPECT_EQ(first->streams[0].first_revision, Revision{0});
    EXPECT_EQ(append(wait, node, "orders", "2")->streams[0].first_revision, Revision{1});
    EXPECT_EQ(read_all(wait, node, "orders"), R"(0={"n":1} 1=2 )");
    root = node.head(wait)->tree_root;
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(read_all(wait, node, "orders"), R"(0={"n":1} 1=2 )");
    EXPECT_EQ(node.head(wait)->tree_root, root);
    EXPECT_EQ(append(wait, node, "orders", "3")->streams[0].first_revision, Revision{2});
  }));
}

TEST_F(NodeTest, AcknowledgedEventsSurviveAPowerCut) {
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 20; ++round) {
    std::string expected;
    for (std::uint64_t i = 0; i < acknowledged; ++i)
      expected += std::to_string(i) + "=" + std::to_string(i) + " ";
    const Status started = boot([&](io::Wait& wait, Node& node) {
      const std::string found = read_all(wait, node, "s");
      ASSERT_EQ(found.substr(0, expected.size()), expected);
      // An append that was not answered may be there.
      acknowledged = static_cast<std::uint64_t>(std::count(found.begin(), found.end(), '='));
      for (int i = 0; i < 10; ++i) {
        if (append(wait, node, "s", std::to_string(acknowledged))) ++acknowledged;
      }
      current->crash("power cut");
    });
    ASSERT_TRUE(started) << started.error().describe();
  }
  EXPECT_GE(acknowledged, 200u);
}

TEST_F(NodeTest, SegmentsAreSwitchedAndReadAcross) {
  std::string expected;
  const std::string padding(3000, 'x');
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 100; ++i) {
      const std::string data = "\"" + std::to_string(i) + padding + "\"";
      ASSERT_TRUE(append(wait, node, "s", data));
      expected += std::to_string(i) + "=" + data + " ";
    }
    EXPECT_EQ(read_all(wait, node, "s"), expected);
  }));
  options.tuning.read_cache_bytes = 0;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) { EXPECT_EQ(read_all(wait, node, "s"), expected); }));
  const auto files = disk.files();
  EXPECT_NE(std::find(files.begin(), files.end(), "log/00000003.segment"), files.end());
}

TEST_F(NodeTest, ExpectationsAreAboutWhatIsOnItsWayToo) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    int ok = 0;
    int failed = 0;
    io::WaitGroup group;
    for (int i = 0; i < 5; ++i) {
      group.add();
      wait.loop().spawn("client", [&] {
        io::Wait mine(wait.loop());
        const auto receipt = append(mine, node, "s", "1", {.kind = Expectation::Kind::none});
        (receipt ? ok : failed) += 1;
        if (!receipt) {
          EXPECT_EQ(receipt.error().code, RefusalCode::expectation_failed);
          EXPECT_EQ(receipt.error().failed_expectations[0].actual, Revision{0});
        }
        group.done();
      });
    }
    ASSERT_TRUE(group.wait(wait));
    EXPECT_EQ(ok, 1);
    EXPECT_EQ(failed, 4);
  }));
}

TEST_F(NodeTest, ARefusalListsTheFirstOfManyFailedExpectations) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    std::vector<std::string> names;
    names.reserve(3000);
    for (int i = 0; i < 3000; ++i) names.push_back(std::to_string(i) + std::string(200, 'n'));
    AppendRequest request{.tenant = "default", .streams = {}};
    for (const std::string& name : names)
      request.streams.push_back({name, {Expectation::Kind::exists}, {{.type = "t", .data = "1"}}});
    const auto refused = node.append(wait, request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, RefusalCode::expectation_failed);
    EXPECT_EQ(refused.error().failed_expectations.size(), failed_expectations_max);
    EXPECT_LE(refused.error().detail.size(), refusal_text_bytes_max);
    EXPECT_NE(refused.error().detail.find("; and 29"), std::string::npos) << refused.error().detail;
  }));
}

TEST_F(NodeTest, AnIdempotencyKeyIsUsedOnceAcrossARestart) {
  const auto with_key = [&](io::Wait& wait, Node& node, std::string_view body) {
    return node.append(wait, {.tenant = "default",
                              .streams = {{.stream = "s", .events = {{.type = "t", .data = body}}}},
                              .idempotency = IdempotencyKey{"key-1", sha256({as_bytes(body)})}});
  };
  AppendReceipt first;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    first = with_key(wait, node, "1").value();
    EXPECT_FALSE(first.replayed);
    current->crash("power cut");
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto again = with_key(wait, node, "1");
    ASSERT_TRUE(again) << again.error().describe();
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->position, first.position);
    EXPECT_EQ(again->hash, first.hash);
    EXPECT_EQ(with_key(wait, node, "2").error().code, RefusalCode::idempotency_conflict);
    EXPECT_EQ(read_all(wait, node, "s"), "0=1 ");
  }));
}

TEST_F(NodeTest, ReadsPageInBothDirectionsFromAnywhere) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(node.append(
          wait,
          {.tenant = "default",
           .streams = {{.stream = "a",
                        .events = {{.type = "t", .data = "1", .subject = "p"}, {.type = "t", .data = "2"}}},
                       {.stream = "b", .events = {{.type = "t", .data = "3"}}}}}));
    }
    const auto show = [&](ReadRequest request) {
      request.tenant = "default";
      const auto page = node.read(wait, request);
      if (!page) return page.error().describe();
      std::string text;
      for (const EventView& event : page->events) {
        text += std::string(event.stream) + event.revision.describe() + "@" + event.token().describe() + " ";
      }
      return text + (page->next ? "next " + page->next->describe() : "no next") +
             (page->at_end ? " end" : "");
    };
    using enum ReadFrom::Kind;
    EXPECT_EQ(show({.stream = "a", .limit = 3}), "a0@3.0 a1@3.1 a2@4.0 next 4.1");
    EXPECT_EQ(show({.stream = "a", .from = {.kind = token, .token = {Position{4}, 1}}, .limit = 3}),
              "a3@4.1 a4@5.0 a5@5.1 next 6.0");
    EXPECT_EQ(show({.stream = "a", .from = {.kind = revision, .revision = Revision{7}}}),
              "a7@6.1 next 7.0 end");
    EXPECT_EQ(show({.stream = "a", .from = {.kind = revision, .revision = Revision{8}}}), "next 7.0 end");
    EXPECT_EQ(show({.stream = "a", .from = {.kind = end}, .direction = Direction::backward, .limit = 3}),
              "a7@6.1 a6@6.0 a5@5.1 next 5.0");
    EXPECT_EQ(show({.stream = "a",
                    .from = {.kind = revision, .revision = Revision{1}},
                    .direction = Direction::backward}),
              "a1@3.1 a0@3.0 no next end");
    EXPECT_EQ(show({.stream = "a", .subject = "p", .limit = 2}), "a0@3.0 a2@4.0 next 5.0");
    EXPECT_EQ(show({.from = {.kind = token, .token = {Position{6}, 0}}}),
              "a6@6.0 a7@6.1 b3@6.2 next 7.0 end");
    EXPECT_EQ(show({.stream = "none"}), "stream_not_found: there is no stream 'none'");
    EXPECT_EQ(show({.stream = "none", .awaits_stream = true}), "next 7.0 end");
  }));
}

// Asked for what is still to come, a read never delivers what comes before that.
TEST_F(NodeTest, ReadingOnFromAFarRevisionDeliversNoLowerOne) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto read_on = [&](std::string_view stream, ReadFrom from) {
      std::string text;
      for (int i = 0; i < 5; ++i) {
        const auto page =
            node.read(wait, {.tenant = "default", .stream = stream, .from = from, .awaits_stream = true});
        if (!page) return page.error().describe();
        for (const EventView& event : page->events) text += event.revision.describe() + " ";
        from = *page->next;
        if (!append(wait, node, stream, "1")) return std::string("append failed");
      }
      return text + "next " + from.describe();
    };
    EXPECT_EQ(read_on("a", ReadFrom::at(Revision{3})), "3 next 7.0");
    EXPECT_EQ(read_on("a", ReadFrom::at(Revision{7})), "7 8 next 12.0");
    EXPECT_EQ(read_on("a", ReadFrom::at(Revision{99})), "next 99");
    const auto last = node.read(wait, {.tenant = "default",
                                       .stream = "a",
                                       .from = ReadFrom::at(Revision{99}),
                                       .direction = Direction::backward,
                                       .limit = 1});
    ASSERT_TRUE(last) << last.error().describe();
    EXPECT_EQ(last->events.at(0).revision, Revision{14});
  }));
}

TEST_F(NodeTest, ASecondNodeOnTheDirectoryIsRefusedByName) {
  options.lock_holder = "verity-server, process 4711";
  ASSERT_TRUE(boot([&](io::Wait& wait, Node&) {
    const auto data = disk.mount(*current, "data");
    const auto second = Node::start(wait, current->io_world(), *data, options);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::busy);
    EXPECT_NE(second.error().message.find("process 4711"), std::string::npos) << second.error().message;
  }));
}

// Whoever gave up waiting left a change on its way; the next one must not be made as if it were not there.
TEST_F(NodeTest, ATenantChangeThatNobodyWaitsForAnyMoreIsStillOnItsWay) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    disk.options().slowness = 100;
    io::Wait brief = wait.within(1ms);
    EXPECT_EQ(node.create_tenant(brief, "ward").error().code, RefusalCode::outcome_unknown);
    const auto other = node.create_tenant(wait, "lab");
    ASSERT_TRUE(other) << other.error().describe();
    EXPECT_EQ(other->id, TenantId{3});
    EXPECT_EQ(node.find_tenant("ward")->id, TenantId{2});

    io::Wait brief_again = wait.within(1ms);
    EXPECT_EQ(node.delete_tenant(brief_again, "lab").error().code, RefusalCode::outcome_unknown);
    const AppendRequest request{
        .tenant = "lab", .streams = {{.stream = "s", .events = {{.type = "t", .data = "1", .subject = {}}}}}};
    EXPECT_EQ(node.append(wait, request).error().code, RefusalCode::tenant_not_found);
    EXPECT_EQ(node.create_tenant(wait, "lab")->id, TenantId{4});
    EXPECT_TRUE(node.append(wait, request));
  }));
}

TEST_F(NodeTest, LostIndexIsRebuiltFromTheLog) {
  options.tuning.checkpoint_bytes = 32 * KiB;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(wait, node, "s", "\"" + std::string(3000, 'x') + "\""));
  }));
  for (const std::string& file : disk.files()) {
    if (file.find("index/") == std::string::npos) continue;
    for (ByteCount at = 0; at < disk.durable_content(file).size(); at += 512) disk.flip_bit(file, at, 3);
  }
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(append(wait, node, "s", "1").error().code, RefusalCode::not_ready);
    while (!node.is_ready()) ASSERT_TRUE(wait.sleep(10ms));
    EXPECT_EQ(append(wait, node, "s", "1")->streams[0].first_revision, Revision{50});
  }));
}

TEST_F(NodeTest, RotInOldDataMakesTheNodeReadOnlyAndNamesThePlace) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(wait, node, "s", "\"" + std::string(3000, 'x') + "\""));
  }));
  disk.flip_bit("log/00000000.segment", 4096 * 5 + 17, 2);
  options.tuning.read_cache_bytes = 0;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_TRUE(node.is_ready());
    while (node.is_ready()) ASSERT_TRUE(wait.sleep(100ms));  // the scrubber finds it
    EXPECT_EQ(node.status().state, "read_only");
    EXPECT_NE(node.status().damage.at(0).find("log/00000000.segment at offset"), std::string::npos);
    EXPECT_EQ(append(wait, node, "s", "1").error().code, RefusalCode::read_only);
    const auto page = node.read(
        wait, {.tenant = "default", .stream = "s", .from = {ReadFrom::Kind::revision, Revision{40}}});
    ASSERT_TRUE(page) << page.error().describe();
    EXPECT_EQ(page->events.size(), 10u);
    // What comes before the damage is served; the next page names it.
    const auto before = node.read(wait, {.tenant = "default", .stream = "s"});
    ASSERT_TRUE(before) << before.error().describe();
    ASSERT_TRUE(before->next && !before->at_end);
    const auto damaged = node.read(wait, {.tenant = "default", .stream = "s", .from = *before->next});
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code, RefusalCode::damaged);
  }));
}

// The index knows the revision of every 128th entry only; what the others hold it reads, first what the middle one holds.
TEST_F(NodeTest, RotInOneEntryHidesOnlyItsOwnRevisions) {
  constexpr int entries = 32;
  std::map<std::uint64_t, std::uint64_t> position_of;  // by revision
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < entries; ++i) {
      const std::string data = "\"entry " + std::to_string(i) + std::string(1500, 'x') + "\"";
      AppendRequest request{.tenant = "default", .streams = {{.stream = "s", .events = {}}}};
      for (int e = 0; e < 1 + i % 3; ++e)
        request.streams[0].events.push_back({.type = "t", .data = data, .subject = {}});
      const auto receipt = node.append(wait, request);
      ASSERT_TRUE(receipt) << receipt.error().describe();
      std::uint64_t revision = receipt->streams[0].first_revision.value;
      for (int e = 0; e < 1 + i % 3; ++e) position_of[revision++] = receipt->position.value;
    }
  }));
  const Bytes log = disk.durable_content("log/00000000.segment");
  const std::size_t middle = as_text(log).find("entry " + std::to_string(entries / 2));
  ASSERT_NE(middle, std::string_view::npos);
  disk.flip_bit("log/00000000.segment", middle, 2);
  options.tuning.read_cache_bytes = 0;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    std::set<std::uint64_t> damaged;
    for (const Direction direction : {Direction::forward, Direction::backward}) {
      for (const auto& [revision, position] : position_of) {
        const auto page = node.read(wait, {.tenant = "default",
                                           .stream = "s",
                                           .from = {ReadFrom::Kind::revision, Revision{revision}},
                                           .direction = direction,
                                           .limit = 1});
        if (page) {
          ASSERT_EQ(page->events.size(), 1u);
          EXPECT_EQ(page->events[0].revision, Revision{revision});
          EXPECT_EQ(page->events[0].position.value, position);
          continue;
        }
        EXPECT_EQ(page.error().code, RefusalCode::damaged);
        EXPECT_EQ(page.error().position.value, position);
        damaged.insert(position);
      }
    }
    EXPECT_EQ(damaged.size(), 1u);
  }));
}

TEST_F(NodeTest, RotInTheSegmentThatIsWrittenIsFoundBeforeTheNextStart) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(wait, node, "s", "\"" + std::string(3000, 'x') + "\""));
    while (node.metrics().scrub_rounds_total < 2) {  // beside appends there is nothing to find
      ASSERT_TRUE(append(wait, node, "s", "1"));
      ASSERT_TRUE(wait.sleep(1ms));
    }
    EXPECT_TRUE(node.is_ready());
    EXPECT_GT(node.metrics().scrubbed_bytes_total, 3 * 3000u);
    disk.flip_bit("log/current.segment", 4096 * 2 + 17, 2);
    const std::uint64_t rounds = node.metrics().scrub_rounds_total;
    while (node.is_ready() && node.metrics().scrub_rounds_total < rounds + 2) ASSERT_TRUE(wait.sleep(100ms));
    EXPECT_EQ(node.status().state, "read_only");
    ASSERT_EQ(node.status().damage.size(), 1u);
    EXPECT_NE(node.status().damage[0].find("log/current.segment at offset"), std::string::npos)
        << node.status().damage[0];
  }));
}

// The writer has it in its hands; so it is sealed, and then mended like any other.
TEST_F(NodeTest, ABadCopyOfTheHeaderOfTheSegmentThatIsWrittenIsMended) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    ASSERT_TRUE(append(wait, node, "s", "1"));
    disk.flip_bit("log/current.segment", 17, 2);
    const std::uint64_t rounds = node.metrics().scrub_rounds_total;
    while (node.metrics().scrub_rounds_total < rounds + 4) ASSERT_TRUE(wait.sleep(100ms));
    EXPECT_TRUE(node.is_ready());
    EXPECT_EQ(append(wait, node, "s", "2")->streams[0].first_revision, Revision{1});
  }));
  const auto files = disk.files();
  ASSERT_NE(std::find(files.begin(), files.end(), "log/00000000.segment"), files.end());
  const auto header =
      log::decode_segment_header(ByteView(disk.durable_content("log/00000000.segment")).first(4096));
  ASSERT_TRUE(header);
  EXPECT_FALSE(header->one_copy_damaged);
}

TEST_F(NodeTest, RotInTheUnverifiedTailRefusesTheStart) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(wait, node, "s", "\"" + std::string(300, 'x') + "\""));
    current->crash("power cut");
  }));
  const Bytes log = disk.durable_content("log/current.segment");
  ByteCount last = 0;
  for (ByteCount at = 4096; at + 512 <= log.size(); at += 512) {
    if (!is_all_zero(ByteView(log).subspan(at, 512))) last = at;
  }
  disk.flip_bit("log/current.segment", last - 500, 1);
  const Status refused = boot([&](io::Wait&, Node&) { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_NE(refused.error().message.find("log/current.segment at offset"), std::string::npos)
      << refused.error().message;
  EXPECT_NE(refused.error().message.find("position"), std::string::npos);
  options.read_only = true;
  EXPECT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(node.status().state, "read_only");
    EXPECT_EQ(read_all(wait, node, "s").substr(0, 3), "0=\"");
  }));
}

TEST_F(NodeTest, AFailedDurableWriteStopsTheNodeAndLosesNothing) {
  std::uint64_t acknowledged = 0;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (; acknowledged < 5; ++acknowledged)
      ASSERT_TRUE(append(wait, node, "s", std::to_string(acknowledged)));
    disk.options().faults.failed_sync_ppm = 1'000'000;
    EXPECT_EQ(append(wait, node, "s", "5").error().code, RefusalCode::outcome_unknown);
    disk.options().faults.failed_sync_ppm = 0;
    EXPECT_EQ(node.wait_until_failed(wait).error().code, ErrorCode::io_error);
    EXPECT_EQ(append(wait, node, "s", "6").error().code, RefusalCode::not_ready);
    EXPECT_EQ(node.status().state, "failed");
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(read_all(wait, node, "s").substr(0, 20), "0=0 1=1 2=2 3=3 4=4 ");
  }));
}

TEST_F(NodeTest, AFullDiskRefusesAppendsAndServesReads) {
  disk.options().capacity = 400 * KiB;
  std::uint64_t acknowledged = 0;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const std::string data = "\"" + std::string(3000, 'x') + "\"";
    for (int i = 0; i < 300; ++i) {
      io::Wait soon = wait.within(20s);
      const auto receipt = append(soon, node, "s", data);
      if (receipt) {
        ++acknowledged;
        continue;
      }
      ASSERT_EQ(receipt.error().code, RefusalCode::out_of_space) << receipt.error().describe();
      break;
    }
    EXPECT_GT(acknowledged, 20u);
    EXPECT_LT(acknowledged, 300u);
    const auto page = node.read(wait, {.tenant = "default", .stream = "s", .limit = 1000});
    EXPECT_EQ(page->events.size(), acknowledged);
    EXPECT_FALSE(node.is_ready());
    EXPECT_NE(node.status().reason.find("no room for another log segment"), std::string::npos);
    EXPECT_EQ(node.status().state, "leader");
    disk.options().capacity = UINT64_MAX;
    ASSERT_TRUE(wait.sleep(5s));
    EXPECT_TRUE(node.is_ready()) << node.status().reason;
    EXPECT_EQ(node.status().reason, "");
    EXPECT_TRUE(append(wait, node, "s", data));
  }));
}

// Only the segment that is prepared ahead of need: what it refuses then has nothing to do with space.
TEST_F(NodeTest, ASpareSegmentThatCannotBeSyncedIsNotAFullDisk) {
  ASSERT_TRUE(boot([](io::Wait& wait, Node& node) { ASSERT_TRUE(append(wait, node, "s", "0")); }));
  disk.options().faults.only_path = "next.segment";
  disk.options().faults.failed_sync_ppm = 1'000'000;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const std::string data = "\"" + std::string(3000, 'x') + "\"";
    std::uint64_t acknowledged = 0;
    Outcome<AppendReceipt> receipt = append(wait, node, "s", data);
    for (; receipt && acknowledged < 300; ++acknowledged) receipt = append(wait, node, "s", data);
    ASSERT_FALSE(receipt) << "it found room without end";
    EXPECT_EQ(receipt.error().code, RefusalCode::io_error) << receipt.error().describe();
    EXPECT_NE(receipt.error().detail.find("next.segment"), std::string::npos) << receipt.error().detail;
    EXPECT_EQ(node.read(wait, {.tenant = "default", .stream = "s", .limit = 1000})->events.size(),
              acknowledged + 1);
    disk.options().faults = {};
    ASSERT_TRUE(wait.sleep(5s));
    EXPECT_TRUE(append(wait, node, "s", data));
  }));
}

// The disk fills before anybody noticed, so that appends wait for a segment that does not come: they can be given up, and
// the node stops.
TEST_F(NodeTest, AppendsThatWaitForSpaceCanBeGivenUp) {
  disk.options().capacity = 158 * KiB;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    io::CancelSource patience;
    io::WaitGroup clients;
    const std::string data = "\"" + std::string(7000, 'x') + "\"";
    std::uint64_t unknown = 0;
    for (int i = 0; i < 40; ++i) {
      clients.add();
      wait.loop().spawn("client", [&] {
        io::Wait mine(wait.loop(), &patience);
        const auto receipt = append(mine, node, "s", data);
        if (!receipt && receipt.error().code == RefusalCode::outcome_unknown) ++unknown;
        clients.done();
      });
    }
    ASSERT_TRUE(wait.sleep(10s));
    EXPECT_GT(clients.count(), 0u);
    patience.cancel();
    ASSERT_TRUE(clients.wait(wait));
    EXPECT_GT(unknown, 0u);
    EXPECT_FALSE(node.stop(wait).has_value() && node.status().state != "failed");
  }));
}

TEST_F(NodeTest, WaitForEventsWakesWhenThereIsOne) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    ASSERT_TRUE(append(wait, node, "s", "1"));
    const ReadRequest request{.tenant = "default", .stream = "s"};
    io::Wait brief = wait.within(1s);
    const Instant begun = wait.now();
    node.wait_for_events(brief, request, {Position{4}, 0});
    EXPECT_EQ(wait.now() - begun, Duration(1s));
    wait.loop().spawn("writer", [&] {
      io::Wait mine(wait.loop());
      EXPECT_TRUE(mine.sleep(100ms));
      EXPECT_TRUE(append(mine, node, "s", "2"));
    });
    node.wait_for_events(wait, request, {Position{4}, 0});
    EXPECT_EQ(read_all(wait, node, "s"), "0=1 1=2 ");
  }));
}

TEST_F(NodeTest, LimitsAreNamedInTheRefusal) {
  options.limits.tenants_max = 2;
  options.limits.streams_per_tenant_max = 2;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(append(wait, node, "s", std::string(9000, '1')).error().describe(),
              "limit_exceeded: stream 's', event 0: it has 9001 bytes; max_record_size is 8192");
    EXPECT_TRUE(append(wait, node, "a", "1"));
    EXPECT_TRUE(append(wait, node, "b", "1"));
    EXPECT_EQ(
        append(wait, node, "c", "1").error().describe(),
        "limit_exceeded: the tenant would have more than 2 streams; max_streams_per_tenant allows no more");
    EXPECT_TRUE(node.create_tenant(wait, "second"));
    EXPECT_EQ(node.create_tenant(wait, "second").error().code, RefusalCode::tenant_exists);
    EXPECT_EQ(node.create_tenant(wait, "third").error().code, RefusalCode::limit_exceeded);
    EXPECT_TRUE(node.delete_tenant(wait, "second"));
    EXPECT_EQ(node.find_tenant("second").error().code, RefusalCode::tenant_not_found);
  }));
}

TEST_F(NodeTest, AsyncModeAnswersBeforeTheFlush) {
  options.sync_mode = SyncMode::async;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    disk.options().slowness = 1000;
    const Instant begun = wait.now();
    ASSERT_TRUE(append(wait, node, "s", "1"));
    EXPECT_LT(wait.now() - begun, Duration(1ms));
    EXPECT_LT(node.status().durable_position, node.status().commit_index);
    EXPECT_EQ(read_all(wait, node, "s"), "0=1 ");
    disk.options().slowness = 1;
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) { EXPECT_EQ(read_all(wait, node, "s"), "0=1 "); }));
}

}  // namespace
}  // namespace verity::node
