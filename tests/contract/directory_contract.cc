// What io/directory.h promises.
#include "io/directory.h"

#include "io/file.h"
#include "tests/contract/contract.h"
#include "tests/contract/helpers.h"

#include <vector>

namespace verity::io::contract {
namespace {

Status make_file(Wait& wait, Directory& directory, std::string_view name, std::string_view text = "") {
  VERITY_TRY_ASSIGN(const auto file, directory.open(wait, name, {.mode = OpenMode::create_new}));
  return file->write(wait, 0, as_bytes(text), Durability::cached);
}

Result<std::string> text_of(Wait& wait, Directory& directory, std::string_view name) {
  VERITY_TRY_ASSIGN(const auto file, directory.open(wait, name, {}));
  std::string text(1000, '\0');
  VERITY_TRY_ASSIGN(const ByteCount count, file->read(wait, 0, std::as_writable_bytes(std::span(text))));
  text.resize(count);
  return text;
}

std::string names_of(Wait& wait, Directory& directory) {
  const auto entries = directory.list(wait);
  EXPECT_TRUE(is_fine(entries));
  std::string names;
  if (entries) {
    for (const DirectoryEntry& entry : *entries) names += entry.name + (entry.is_directory ? "/ " : " ");
  }
  return names;
}

TEST_P(IoContract, DirectoryOpensByMode) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    for (const bool as_direct : {false, direct()}) {
      EXPECT_EQ(code_of(directory.open(wait, "x", {.mode = OpenMode::read, .direct = as_direct})),
                ErrorCode::not_found);
      EXPECT_EQ(code_of(directory.open(wait, "x", {.mode = OpenMode::write, .direct = as_direct})),
                ErrorCode::not_found);
    }
    EXPECT_EQ(names_of(wait, directory), "");
    VERITY_REQUIRE(directory.open(wait, "x", {.mode = OpenMode::create_new}));
    EXPECT_EQ(code_of(directory.open(wait, "x", {.mode = OpenMode::create_new})), ErrorCode::already_exists);
    VERITY_REQUIRE(make_file(wait, directory, "full", "kept"));
    VERITY_REQUIRE(directory.open(wait, "full", {.mode = OpenMode::create}));
    VERITY_REQUIRE(directory.open(wait, "full", {.mode = OpenMode::write}));
    EXPECT_EQ(*text_of(wait, directory, "full"), "kept");
    VERITY_REQUIRE(directory.open(wait, "made", {.mode = OpenMode::create}));
    EXPECT_EQ(names_of(wait, directory), "full made x ");
  });
}

TEST_P(IoContract, DirectoryRefusesWhatIsNotOneName) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    const std::string_view nul("a\0b", 3);
    for (const std::string_view name : {std::string_view(), std::string_view("."), std::string_view(".."),
                                        std::string_view("a/b"), std::string_view("/tmp"), nul}) {
      SCOPED_TRACE(std::string(name));
      EXPECT_EQ(code_of(directory.open(wait, name, {.mode = OpenMode::create})), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(directory.open_directory(wait, name, true)), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(directory.remove(wait, name)), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(directory.rename(wait, "x", name)), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(directory.rename(wait, name, "x")), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(directory.lock(wait, name, "me")), ErrorCode::invalid_argument);
    }
    EXPECT_EQ(names_of(wait, directory), "");
  });
}

TEST_P(IoContract, DirectoryListsSortedWithKindsAndSizes) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    for (const std::string_view name : {"b", "a", "00000010.segment", "00000009.segment", "Z"}) {
      VERITY_REQUIRE(make_file(wait, directory, name, name));
    }
    VERITY_REQUIRE(directory.open_directory(wait, "m", true));
    const auto entries = directory.list(wait);
    VERITY_REQUIRE(entries);
    EXPECT_EQ(names_of(wait, directory), "00000009.segment 00000010.segment Z a b m/ ");
    for (const DirectoryEntry& entry : *entries) {
      if (entry.is_directory) continue;
      EXPECT_EQ(entry.size, entry.name.size()) << entry.name;
    }
  });
}

TEST_P(IoContract, DirectoryListsThousandsOfNames) {
  run([&](Wait& wait, World& world) {
    for (int i = 0; i < 1500; ++i) {
      VERITY_REQUIRE(
          make_file(wait, world.directory, "a-rather-long-name-" + std::to_string(100000 + i * 7 % 1500)));
    }
    const auto entries = world.directory.list(wait);
    VERITY_REQUIRE(entries);
    ASSERT_EQ(entries->size(), 1500u);
    for (std::size_t i = 0; i < entries->size(); ++i) {
      EXPECT_EQ((*entries)[i].name, "a-rather-long-name-" + std::to_string(100000 + i));
    }
  });
}

TEST_P(IoContract, DirectoryRenameReplacesAtomically) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    VERITY_REQUIRE(make_file(wait, directory, "old", "old"));
    VERITY_REQUIRE(make_file(wait, directory, "new", "new"));
    auto still_open = directory.open(wait, "old", {});
    VERITY_REQUIRE(still_open);
    VERITY_REQUIRE(directory.rename(wait, "new", "old"));
    VERITY_REQUIRE(directory.sync(wait));
    EXPECT_EQ(names_of(wait, directory), "old ");
    EXPECT_EQ(*text_of(wait, directory, "old"), "new");
    // Whoever had the replaced file open goes on reading it.
    std::string text(3, '\0');
    VERITY_REQUIRE((*still_open)->read(wait, 0, std::as_writable_bytes(std::span(text))));
    EXPECT_EQ(text, "old");
    EXPECT_EQ(code_of(directory.rename(wait, "gone", "old")), ErrorCode::not_found);
    EXPECT_EQ(*text_of(wait, directory, "old"), "new");
  });
}

TEST_P(IoContract, DirectoryKeepsAnOpenFileThroughItsRename) {
  run([&](Wait& wait, World& world) {
    auto file = world.directory.open(wait, "next", {.mode = OpenMode::create_new});
    VERITY_REQUIRE(file);
    VERITY_REQUIRE(world.directory.rename(wait, "next", "current"));
    VERITY_REQUIRE((*file)->write(wait, 0, as_bytes("after"), Durability::durable));
    EXPECT_EQ(*text_of(wait, world.directory, "current"), "after");
  });
}

TEST_P(IoContract, DirectoryRemovesFilesAndEmptyDirectories) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    VERITY_REQUIRE(make_file(wait, directory, "file", "text"));
    auto still_open = directory.open(wait, "file", {});
    VERITY_REQUIRE(still_open);
    VERITY_REQUIRE(directory.remove(wait, "file"));
    EXPECT_EQ(code_of(directory.remove(wait, "file")), ErrorCode::not_found);
    std::string text(4, '\0');
    VERITY_REQUIRE((*still_open)->read(wait, 0, std::as_writable_bytes(std::span(text))));
    EXPECT_EQ(text, "text");

    auto below = directory.open_directory(wait, "below", true);
    VERITY_REQUIRE(below);
    VERITY_REQUIRE(make_file(wait, **below, "inner"));
    EXPECT_EQ(code_of(directory.remove(wait, "below")), ErrorCode::busy);
    VERITY_REQUIRE((*below)->remove(wait, "inner"));
    VERITY_REQUIRE(directory.remove(wait, "below"));
    VERITY_REQUIRE(directory.sync(wait));
    EXPECT_EQ(names_of(wait, directory), "");
  });
}

TEST_P(IoContract, DirectoryOpensDirectoriesBelow) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    EXPECT_EQ(code_of(directory.open_directory(wait, "log", false)), ErrorCode::not_found);
    auto log = directory.open_directory(wait, "log", true);
    VERITY_REQUIRE(log);
    VERITY_REQUIRE(make_file(wait, **log, "x", "below"));
    VERITY_REQUIRE((*log)->sync(wait));
    VERITY_REQUIRE(directory.sync(wait));
    EXPECT_TRUE((*log)->path().ends_with("/log")) << (*log)->path();
    auto again = directory.open_directory(wait, "log", true);
    VERITY_REQUIRE(again);
    EXPECT_EQ(*text_of(wait, **again, "x"), "below");
    EXPECT_EQ(names_of(wait, directory), "log/ ");

    VERITY_REQUIRE(make_file(wait, directory, "file"));
    EXPECT_EQ(code_of(directory.open_directory(wait, "file", false)), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(directory.open(wait, "log", {})), ErrorCode::invalid_argument);
  });
}

TEST_P(IoContract, DirectoryErrorsNameThePath) {
  run([&](Wait& wait, World& world) {
    const auto missing = world.directory.open(wait, "missing.segment", {});
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find(world.directory.path() + "/missing.segment"), std::string::npos)
        << missing.error().message;
  });
}

TEST_P(IoContract, DirectoryLockIsExclusiveAndNamesItsHolder) {
  run([&](Wait& wait, World& world) {
    Directory& directory = world.directory;
    auto held = directory.lock(wait, "LOCK", "node 1, process 4711");
    VERITY_REQUIRE(held);
    const auto refused = directory.lock(wait, "LOCK", "node 2");
    ASSERT_EQ(code_of(refused), ErrorCode::busy);
    EXPECT_NE(refused.error().message.find("node 1, process 4711"), std::string::npos)
        << refused.error().message;
    auto other = directory.lock(wait, "OTHER", "node 2");
    VERITY_REQUIRE(other);

    held->reset();
    held = directory.lock(wait, "LOCK", "short");
    VERITY_REQUIRE(held);
    // The longer text of an earlier holder has gone.
    const auto again = directory.lock(wait, "LOCK", "node 3");
    ASSERT_EQ(code_of(again), ErrorCode::busy);
    EXPECT_NE(again.error().message.find("short"), std::string::npos) << again.error().message;
    EXPECT_EQ(again.error().message.find("4711"), std::string::npos) << again.error().message;
  });
}

TEST_P(IoContract, FreeSpaceIsThatOfTheFileSystem) {
  run([&](Wait& wait, World& world) {
    const auto before = world.directory.free_bytes(wait);
    VERITY_REQUIRE(before);
    EXPECT_GT(*before, 1 * MiB);
    const auto inner = world.directory.open_directory(wait, "inner", true);
    VERITY_REQUIRE(inner);
    const auto of_the_same = (*inner)->free_bytes(wait);
    VERITY_REQUIRE(of_the_same);
    EXPECT_LT(*of_the_same, *before + 64 * GiB);  // others may be writing to it, too
  });
}

TEST_P(IoContract, DirectoryOperationsFinishWhateverTheWaitSays) {
  run([&](Wait& wait, World& world) {
    CancelSource cancel;
    cancel.cancel();
    Wait cancelled = wait.under(cancel);
    VERITY_REQUIRE(make_file(cancelled, world.directory, "a"));
    VERITY_REQUIRE(world.directory.rename(cancelled, "a", "b"));
    VERITY_REQUIRE(world.directory.sync(cancelled));
    EXPECT_EQ(names_of(cancelled, world.directory), "b ");
    VERITY_REQUIRE(world.directory.remove(cancelled, "b"));
  });
}

}  // namespace
}  // namespace verity::io::contract
