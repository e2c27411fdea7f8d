#include "sim/disk.h"

#include "io/base/aligned_buffer.h"
#include "io/fiber/wait.h"
#include "io/file.h"
#include "sim/process.h"
#include "sim/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

namespace verity::sim {
namespace {

// Runs one program on a disk, then crashes it; what is left is read by the test.
struct Scene {
  explicit Scene(std::uint64_t seed, DiskOptions options = {})
      : world({.seed = seed}), disk(world, "disk", std::move(options)) {}

  void run(const std::function<void(io::Wait&, io::Directory&)>& body, bool crash = true) {
    Process process(world, {.host = "node", .boot = ++boot});
    process.spawn("main", [&](io::Wait& wait) {
      auto root = disk.mount(process, "data");
      body(wait, *root);
    });
    world.run_until([&] { return process.is_finished(); });
    if (crash) process.crash("the test says so");
  }

  World world;
  Disk disk;
  std::uint64_t boot = 0;
};

Bytes sectors(std::initializer_list<char> letters, ByteCount size = 512) {
  Bytes bytes;
  for (const char letter : letters) bytes.resize(bytes.size() + size, std::byte(letter));
  return bytes;
}

std::string letters(const Bytes& bytes, ByteCount size = 512) {
  std::string text;
  for (ByteCount at = 0; at + size <= bytes.size(); at += size) {
    const auto sector = ByteView(bytes).subspan(at, size);
    const bool whole = std::all_of(sector.begin(), sector.end(), [&](std::byte b) { return b == sector[0]; });
    text += !whole ? '!' : sector[0] == std::byte{0} ? '.' : static_cast<char>(sector[0]);
  }
  return text;
}

TEST(SimDisk, ACrashKeepsAnySubsetOfUnsyncedSectorsEachWhole) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Scene scene(seed);
    scene.run([](io::Wait& wait, io::Directory& root) {
      auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
      ASSERT_TRUE(file->write(wait, 0, sectors({'a', 'b', 'c'}), io::Durability::cached));
      ASSERT_TRUE(file->sync(wait));
      ASSERT_TRUE(root.sync(wait));
      ASSERT_TRUE(file->write(wait, 0, sectors({'A', 'B', 'C'}), io::Durability::cached));
    });
    seen.insert(letters(scene.disk.durable_content("f")));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"abc", "abC", "aBc", "aBC", "Abc", "AbC", "ABc", "ABC"}));
}

TEST(SimDisk, WhatWasSyncedOrWrittenDurablyIsThereAfterEveryCrash) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Scene scene(seed);
    scene.run([](io::Wait& wait, io::Directory& root) {
      auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
      ASSERT_TRUE(root.sync(wait));
      ASSERT_TRUE(file->write(wait, 0, sectors({'x', 'x', 'x', 'x'}), io::Durability::cached));
      ASSERT_TRUE(file->write(wait, 512, sectors({'a'}), io::Durability::durable));
      ASSERT_TRUE(file->write(wait, 1024, sectors({'b'}), io::Durability::durable));
    });
    const std::string kept = letters(scene.disk.durable_content("f"));
    ASSERT_GE(kept.size(), 3u);
    EXPECT_EQ(kept.substr(1, 2), "ab");
  }
}

TEST(SimDisk, AnOverwrittenSectorIsAnyOfItsVersions) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Scene scene(seed);
    scene.run([](io::Wait& wait, io::Directory& root) {
      auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
      ASSERT_TRUE(root.sync(wait));
      for (const char letter : {'1', '2', '3'}) {
        ASSERT_TRUE(file->write(wait, 0, sectors({letter}), io::Durability::cached));
        if (letter == '1') {
          ASSERT_TRUE(file->sync(wait));
        }
      }
    });
    seen.insert(letters(scene.disk.durable_content("f")));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"1", "2", "3"}));
}

TEST(SimDisk, ACutNeverBringsBackWhatItCutOff) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const bool sync : {false, true}) {
      Scene scene(seed);
      scene.run([&](io::Wait& wait, io::Directory& root) {
        auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
        ASSERT_TRUE(root.sync(wait));
        ASSERT_TRUE(file->write(wait, 0, sectors({'a', 'b', 'c'}), io::Durability::cached));
        ASSERT_TRUE(file->truncate(wait, 512));
        ASSERT_TRUE(file->truncate(wait, 1536));
        if (sync) {
          ASSERT_TRUE(file->sync(wait));
        }
      });
      const std::string kept = letters(scene.disk.durable_content("f"));
      if (sync) {
        EXPECT_EQ(kept, "a..");
      }
    }
  }
}

TEST(SimDisk, NameChangesSurviveInAnySubset) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    Scene scene(seed);
    scene.run([](io::Wait& wait, io::Directory& root) {
      for (const char* name : {"current", "next"}) {
        auto file = root.open(wait, name, {.mode = io::OpenMode::create}).value();
        ASSERT_TRUE(file->write(wait, 0, sectors({name[0]}), io::Durability::durable));
      }
      ASSERT_TRUE(root.sync(wait));
      ASSERT_TRUE(root.rename(wait, "current", "0"));
      ASSERT_TRUE(root.rename(wait, "next", "current"));
      ASSERT_TRUE(root.open(wait, "other", {.mode = io::OpenMode::create}));
    });
    std::string names;
    for (const std::string& name : scene.disk.files()) {
      names += name + letters(scene.disk.durable_content(name)) + " ";
    }
    seen.insert(names);
  }
  EXPECT_EQ(seen,
            (std::set<std::string>{"currentc nextn ", "currentc nextn other ", "0c nextn ", "0c nextn other ",
                                   "0c currentn ", "0c currentn other ", "currentn ", "currentn other "}));
}

TEST(SimDisk, AfterAFailedSyncNothingUnsyncedIsKnownAndALaterSyncDoesNotHelp) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Scene scene(seed);
    scene.run([&](io::Wait& wait, io::Directory& root) {
      auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
      ASSERT_TRUE(root.sync(wait));
      ASSERT_TRUE(file->write(wait, 0, sectors({'a', 'b'}), io::Durability::durable));
      ASSERT_TRUE(file->write(wait, 0, sectors({'A', 'B'}), io::Durability::cached));
      scene.disk.options().faults.failed_sync_ppm = 1'000'000;
      EXPECT_EQ(file->sync(wait).error().code, ErrorCode::io_error);
      scene.disk.options().faults.failed_sync_ppm = 0;
      EXPECT_TRUE(file->sync(wait));
      Bytes seen_now(1024);
      EXPECT_EQ(file->read(wait, 0, seen_now).value(), 1024u);
      EXPECT_EQ(letters(seen_now), "AB") << "the page cache still shows what was written";
    });
    seen.insert(letters(scene.disk.durable_content("f")));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"ab", "aB", "Ab", "AB"}));
}

TEST(SimDisk, AfterAFailedSyncOfADirectoryItsChangesAreUnknownUntilOneSucceeds) {
  for (const bool again : {false, true}) {
    std::set<std::vector<std::string>> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      Scene scene(seed);
      scene.run([&](io::Wait& wait, io::Directory& root) {
        ASSERT_TRUE(root.open(wait, "f", {.mode = io::OpenMode::create}));
        ASSERT_TRUE(root.sync(wait));
        ASSERT_TRUE(root.rename(wait, "f", "g"));
        scene.disk.options().faults.failed_name_ppm = 1'000'000;
        EXPECT_EQ(root.sync(wait).error().code, ErrorCode::io_error);
        scene.disk.options().faults.failed_name_ppm = 0;
        EXPECT_EQ(root.list(wait).value().front().name, "g");
        EXPECT_TRUE(!again || root.sync(wait));
      });
      seen.insert(scene.disk.files());
      EXPECT_EQ(scene.disk.damages().front().kind, DamageKind::failed_name);
    }
    EXPECT_EQ(seen.size(), again ? 1u : 2u);
    EXPECT_TRUE(seen.contains({"g"}));
  }
}

TEST(SimDisk, AFailedChangeOfANameMayHaveHappened) {
  std::set<std::vector<std::string>> made;
  std::set<std::vector<std::string>> renamed;
  std::set<std::vector<std::string>> removed;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Scene scene(seed);
    scene.run([&](io::Wait& wait, io::Directory& root) {
      const auto durable = [&] {
        scene.disk.options().faults.failed_name_ppm = 0;
        EXPECT_TRUE(root.sync(wait));
        return scene.disk.files();
      };
      const auto fail_from_now = [&] { scene.disk.options().faults.failed_name_ppm = 1'000'000; };
      fail_from_now();
      EXPECT_EQ(root.open(wait, "f", {.mode = io::OpenMode::create}).error().code, ErrorCode::io_error);
      made.insert(durable());
      ASSERT_TRUE(root.open(wait, "f", {.mode = io::OpenMode::create}));
      fail_from_now();
      EXPECT_EQ(root.rename(wait, "f", "g").error().code, ErrorCode::io_error);
      renamed.insert(durable());
      const std::string there = scene.disk.files().front();
      fail_from_now();
      EXPECT_TRUE(root.open(wait, there, {.mode = io::OpenMode::create})) << "nothing is made";
      EXPECT_EQ(root.remove(wait, there).error().code, ErrorCode::io_error);
      removed.insert(durable());
    });
  }
  using Seen = std::set<std::vector<std::string>>;
  EXPECT_EQ(made, (Seen{{}, {"f"}}));
  EXPECT_EQ(renamed, (Seen{{"f"}, {"g"}}));
  EXPECT_EQ(removed, (Seen{{}, {"f"}, {"g"}}));
}

TEST(SimDisk, WhatIsSparedIsThereForTheNextStart) {
  for (const bool followed : {false, true}) {
    Scene scene(5);
    scene.disk.options().faults.spares_the_last = true;
    scene.run([&](io::Wait& wait, io::Directory& root) {
      auto file = root.open(wait, "f", {.mode = io::OpenMode::create, .direct = true}).value();
      ASSERT_TRUE(file->allocate(wait, 2 * 4096));
      ASSERT_TRUE(file->sync(wait) && root.sync(wait));
      AlignedBuffer buffer(4096);
      std::ranges::fill(buffer.span(), std::byte('a'));
      scene.disk.options().faults.lost_write_ppm = 1'000'000;
      ASSERT_TRUE(file->write(wait, 0, buffer.view(), io::Durability::durable));
      scene.disk.options().faults.lost_write_ppm = 0;
      EXPECT_TRUE(!followed || file->write(wait, 4096, buffer.view(), io::Durability::durable));
    });
    EXPECT_EQ(letters(scene.disk.durable_content("f"), 4096), followed ? ".a" : "..");
    scene.run([](io::Wait&, io::Directory&) {});
    EXPECT_EQ(letters(scene.disk.durable_content("f"), 4096), followed ? ".a" : "a.");
    EXPECT_EQ(scene.disk.damages().size(), 1u);
  }
}

TEST(SimDisk, LostMisdirectedAndStaleAreWhatTheirNamesSay) {
  Scene scene(5);
  scene.run([&](io::Wait& wait, io::Directory& root) {
    auto file = root.open(wait, "f", {.mode = io::OpenMode::create, .direct = true}).value();
    ASSERT_TRUE(root.sync(wait));
    AlignedBuffer buffer(4096);
    const auto write = [&](char letter) {
      std::fill(buffer.span().begin(), buffer.span().end(), std::byte(letter));
      ASSERT_TRUE(file->write(wait, 0, buffer.view(), io::Durability::durable));
    };
    const auto read = [&] {
      EXPECT_EQ(file->read(wait, 0, buffer.span()).value(), 4096u);
      return letters(Bytes(buffer.view().begin(), buffer.view().end()));
    };
    write('a');
    scene.disk.options().faults.lost_write_ppm = 1'000'000;
    write('b');
    scene.disk.options().faults.lost_write_ppm = 0;
    EXPECT_EQ(read(), "aaaaaaaa");
    write('c');
    scene.disk.options().faults.stale_read_ppm = 1'000'000;
    EXPECT_NE(read().find('a'), std::string::npos);
    scene.disk.options().faults.stale_read_ppm = 0;
    EXPECT_EQ(read(), "cccccccc");
  });
  EXPECT_EQ(scene.disk.damages().size(), 2u);
}

TEST(SimDisk, AFullDiskSaysSoAndAnUnreadableSectorHealsWhenItIsWritten) {
  Scene scene(6, {.capacity = 8192});
  scene.run([&](io::Wait& wait, io::Directory& root) {
    auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
    ASSERT_TRUE(root.sync(wait));
    EXPECT_TRUE(file->allocate(wait, 8192));
    EXPECT_EQ(file->write(wait, 8192, sectors({'a'}), io::Durability::cached).error().code,
              ErrorCode::out_of_space);
    ASSERT_TRUE(file->sync(wait));
    scene.disk.make_unreadable("f", 512);
    Bytes bytes(512);
    EXPECT_EQ(file->read(wait, 512, bytes).error().code, ErrorCode::io_error);
    EXPECT_TRUE(file->read(wait, 0, bytes));
    EXPECT_TRUE(file->write(wait, 512, bytes, io::Durability::durable));
    EXPECT_TRUE(file->read(wait, 512, bytes));
  });
}

TEST(SimDisk, ALockHoldsUntilItsProcessCrashes) {
  Scene scene(8);
  scene.run([&](io::Wait& wait, io::Directory& root) {
    auto lock = root.lock(wait, "lock", "process 1");
    ASSERT_TRUE(lock);
    const auto again = root.lock(wait, "lock", "process 2");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::busy);
    EXPECT_NE(again.error().message.find("process 1"), std::string::npos);
  });
  scene.run([&](io::Wait& wait, io::Directory& root) { EXPECT_TRUE(root.lock(wait, "lock", "process 3")); });
}

TEST(SimDisk, RotFlipsOneBitOfOneWrittenSector) {
  Scene scene(9);
  scene.run([&](io::Wait& wait, io::Directory& root) {
    auto file = root.open(wait, "f", {.mode = io::OpenMode::create}).value();
    ASSERT_TRUE(root.sync(wait));
    ASSERT_TRUE(file->write(wait, 0, sectors({'a', 'b'}), io::Durability::durable));
  });
  ASSERT_TRUE(scene.disk.rot_somewhere("f"));
  const Bytes rotten = scene.disk.durable_content("f");
  EXPECT_EQ(std::ranges::count(letters(rotten), '!'), 1);
  EXPECT_FALSE(scene.disk.rot_somewhere("g"));
}

}  // namespace
}  // namespace verity::sim
