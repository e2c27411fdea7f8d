// What io/file.h promises.
#include "io/file.h"

#include "io/clock.h"
#include "io/directory.h"
#include "tests/contract/contract.h"
#include "tests/contract/helpers.h"

#include <bit>
#include <vector>

namespace verity::io::contract {
namespace {

constexpr ByteCount page = 4096;

Result<std::unique_ptr<File>> make_file(Wait& wait, World& world, bool direct,
                                        std::string_view name = "file") {
  return world.directory.open(wait, name, {.mode = OpenMode::create_new, .direct = direct});
}

TEST_P(IoContract, FileGivesBackWhatWasWritten) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    const AlignedBuffer written = pattern(4 * page, 1);
    VERITY_REQUIRE((*file)->write(wait, 0, written.view(), Durability::cached));
    VERITY_REQUIRE((*file)->write(wait, 6 * page, written.view(), Durability::durable));
    VERITY_REQUIRE((*file)->sync(wait));

    AlignedBuffer read(4 * page);
    auto count = (*file)->read(wait, 0, read.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 4 * page);
    EXPECT_TRUE(same(read.view(), written.view()));
    count = (*file)->read(wait, 6 * page, read.span());
    VERITY_REQUIRE(count);
    EXPECT_TRUE(same(read.view(), written.view()));

    // What lies between was never written.
    AlignedBuffer hole(2 * page);
    count = (*file)->read(wait, 4 * page, hole.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 2 * page);
    EXPECT_TRUE(is_all_zero(hole.view()));

    const auto size = (*file)->size(wait);
    VERITY_REQUIRE(size);
    EXPECT_EQ(*size, 10 * page);
  });
}

TEST_P(IoContract, FileReadsFallShortOnlyWhereItEnds) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    AlignedBuffer buffer(4 * page);
    auto count = (*file)->read(wait, 0, buffer.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 0u);

    const AlignedBuffer written = pattern(2 * page, 2);
    VERITY_REQUIRE((*file)->write(wait, 0, written.view(), Durability::cached));
    count = (*file)->read(wait, 0, buffer.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 2 * page);
    EXPECT_TRUE(same(buffer.view().first(2 * page), written.view()));
    count = (*file)->read(wait, page, buffer.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, page);
    for (const ByteCount beyond : {2 * page, 100 * page}) {
      count = (*file)->read(wait, beyond, buffer.span());
      VERITY_REQUIRE(count);
      EXPECT_EQ(*count, 0u);
    }
  });
}

TEST_P(IoContract, FileOfAnySizeIsReadToItsEnd) {
  run([&](Wait& wait, World& world) {
    auto plain = make_file(wait, world, false);
    VERITY_REQUIRE(plain);
    VERITY_REQUIRE((*plain)->write(wait, 0, as_bytes("hello"), Durability::durable));
    VERITY_REQUIRE((*plain)->write(wait, 5, as_bytes(", world"), Durability::cached));
    VERITY_REQUIRE((*plain)->sync(wait));
    plain->reset();
    for (const bool as_direct : {false, direct()}) {
      auto again = world.directory.open(wait, "file", {.mode = OpenMode::read, .direct = as_direct});
      VERITY_REQUIRE(again);
      AlignedBuffer buffer(2 * page);
      const auto count = (*again)->read(wait, 0, buffer.span());
      VERITY_REQUIRE(count);
      EXPECT_EQ(as_text(buffer.view().first(*count)), "hello, world");
    }
  });
}

TEST_P(IoContract, FileTakesEmptyReadsAndWrites) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    VERITY_REQUIRE((*file)->write(wait, 0, {}, Durability::durable));
    const auto count = (*file)->read(wait, 0, {});
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 0u);
    EXPECT_EQ(*(*file)->size(wait), 0u);
  });
}

TEST_P(IoContract, FileOverwritesInPlace) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    AlignedBuffer expected = pattern(8 * page, 3);
    VERITY_REQUIRE((*file)->write(wait, 0, expected.view(), Durability::cached));
    const AlignedBuffer patch = pattern(page, 4);
    VERITY_REQUIRE((*file)->write(wait, 3 * page, patch.view(), Durability::durable));
    std::memcpy(expected.data() + 3 * page, patch.data(), page);
    AlignedBuffer read(8 * page);
    VERITY_REQUIRE((*file)->read(wait, 0, read.span()));
    EXPECT_TRUE(same(read.view(), expected.view()));
  });
}

TEST_P(IoContract, FileKeepsWhatWasWrittenAfterItIsClosed) {
  run([&](Wait& wait, World& world) {
    const AlignedBuffer written = pattern(3 * page, 5);
    {
      auto file = make_file(wait, world, direct());
      VERITY_REQUIRE(file);
      VERITY_REQUIRE((*file)->write(wait, 0, written.view(), Durability::durable));
    }
    auto file = world.directory.open(wait, "file", {.mode = OpenMode::write, .direct = direct()});
    VERITY_REQUIRE(file);
    AlignedBuffer read(3 * page);
    VERITY_REQUIRE((*file)->read(wait, 0, read.span()));
    EXPECT_TRUE(same(read.view(), written.view()));
  });
}

TEST_P(IoContract, FileIsSharedByEveryoneWhoOpensIt) {
  run([&](Wait& wait, World& world) {
    auto writer = make_file(wait, world, direct());
    VERITY_REQUIRE(writer);
    auto reader = world.directory.open(wait, "file", {.mode = OpenMode::read, .direct = direct()});
    VERITY_REQUIRE(reader);
    const AlignedBuffer written = pattern(page, 6);
    VERITY_REQUIRE((*writer)->write(wait, 0, written.view(), Durability::cached));
    AlignedBuffer read(page);
    VERITY_REQUIRE((*reader)->read(wait, 0, read.span()));
    EXPECT_TRUE(same(read.view(), written.view()));
  });
}

TEST_P(IoContract, FileAllocatesZeroesAndNeverShrinks) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    const AlignedBuffer written = pattern(page, 7);
    VERITY_REQUIRE((*file)->write(wait, 0, written.view(), Durability::cached));
    VERITY_REQUIRE((*file)->allocate(wait, 64 * page));
    EXPECT_EQ(*(*file)->size(wait), 64 * page);
    VERITY_REQUIRE((*file)->allocate(wait, 8 * page));
    EXPECT_EQ(*(*file)->size(wait), 64 * page);
    AlignedBuffer read(64 * page);
    const auto count = (*file)->read(wait, 0, read.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 64 * page);
    EXPECT_TRUE(same(read.view().first(page), written.view()));
    EXPECT_TRUE(is_all_zero(read.view().subspan(page)));
  });
}

TEST_P(IoContract, FileIsTruncatedAndGrownWithZeroes) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    const AlignedBuffer written = pattern(8 * page, 8);
    VERITY_REQUIRE((*file)->write(wait, 0, written.view(), Durability::durable));
    VERITY_REQUIRE((*file)->truncate(wait, 2 * page));
    EXPECT_EQ(*(*file)->size(wait), 2 * page);
    VERITY_REQUIRE((*file)->truncate(wait, 4 * page));
    VERITY_REQUIRE((*file)->sync(wait));
    AlignedBuffer read(8 * page);
    const auto count = (*file)->read(wait, 0, read.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 4 * page);
    EXPECT_TRUE(same(read.view().first(2 * page), written.view().first(2 * page)));
    EXPECT_TRUE(is_all_zero(read.view().subspan(2 * page)));
  });
}

TEST_P(IoContract, FileNamesItsBlockAndAcceptsIt) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    const ByteCount block = (*file)->block_bytes();
    EXPECT_TRUE(std::has_single_bit(block));
    EXPECT_GE(block, 512u);
    EXPECT_LE(block, 4096u);
    const AlignedBuffer written = pattern(page, 9);
    VERITY_REQUIRE((*file)->write(wait, block, written.view().first(block), Durability::durable));
    AlignedBuffer read(page);
    const auto count = (*file)->read(wait, block, read.span().first(block));
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, block);
    EXPECT_TRUE(same(read.view().first(block), written.view().first(block)));
  });
}

TEST_P(IoContract, FileOpenedDirectlyRefusesWhatIsNotAligned) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, true);
    VERITY_REQUIRE(file);
    const ByteCount block = (*file)->block_bytes();
    AlignedBuffer buffer = pattern(4 * page, 10);
    VERITY_REQUIRE((*file)->write(wait, 0, buffer.view(), Durability::cached));

    const auto refused = [&](ByteCount offset, ByteCount at, ByteCount size) {
      const Status written =
          (*file)->write(wait, offset, buffer.view().subspan(at, size), Durability::cached);
      EXPECT_EQ(code_of(written), ErrorCode::invalid_argument);
      const auto read = (*file)->read(wait, offset, buffer.span().subspan(at, size));
      EXPECT_EQ(code_of(read), ErrorCode::invalid_argument);
    };
    refused(block / 2, 0, block);  // the offset
    refused(0, 0, block + 1);      // the size
    refused(0, 8, block);          // the address
    refused(0, 2048, block);       // memory is aligned to 4096, whatever the block
  });
}

TEST_P(IoContract, FileOpenedForReadingRefusesWrites) {
  run([&](Wait& wait, World& world) {
    auto made = make_file(wait, world, direct());
    VERITY_REQUIRE(made);
    auto file = world.directory.open(wait, "file", {.mode = OpenMode::read, .direct = direct()});
    VERITY_REQUIRE(file);
    const AlignedBuffer buffer(page);
    EXPECT_EQ(code_of((*file)->write(wait, 0, buffer.view(), Durability::cached)),
              ErrorCode::permission_denied);
    EXPECT_EQ(code_of((*file)->truncate(wait, 0)), ErrorCode::permission_denied);
    EXPECT_EQ(code_of((*file)->allocate(wait, page)), ErrorCode::permission_denied);
  });
}

TEST_P(IoContract, FileTakesBigWritesInOneCall) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    const AlignedBuffer written = pattern(16 * MiB, 11);
    VERITY_REQUIRE((*file)->write(wait, 0, written.view(), Durability::durable));
    AlignedBuffer read(written.size());
    const auto count = (*file)->read(wait, 0, read.span());
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, written.size());
    EXPECT_TRUE(same(read.view(), written.view()));
  });
}

TEST_P(IoContract, FileReachesBeyondFourGigabytes) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    const ByteCount far = 5 * GiB;
    const AlignedBuffer written = pattern(page, 12);
    VERITY_REQUIRE((*file)->write(wait, far, written.view(), Durability::durable));
    EXPECT_EQ(*(*file)->size(wait), far + page);
    AlignedBuffer read(page);
    VERITY_REQUIRE((*file)->read(wait, far, read.span()));
    EXPECT_TRUE(same(read.view(), written.view()));
    VERITY_REQUIRE((*file)->read(wait, far & 0xffffffffu, read.span()));
    EXPECT_TRUE(is_all_zero(read.view()));
  });
}

TEST_P(IoContract, FileServesManyFibersAtOnce) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    constexpr ByteCount fiber_count = 16;
    constexpr ByteCount writes_each = 8;
    {
      Crew crew(world.loop);
      for (ByteCount f = 0; f < fiber_count; ++f) {
        crew.start("writer", [&, f] {
          Wait mine(world.loop);
          for (ByteCount i = 0; i < writes_each; ++i) {
            const ByteCount slot = i * fiber_count + f;
            const AlignedBuffer written = pattern(page, 100 + slot);
            const auto durability = i % 2 == 0 ? Durability::durable : Durability::cached;
            VERITY_REQUIRE((*file)->write(mine, slot * page, written.view(), durability));
            AlignedBuffer read(page);
            VERITY_REQUIRE((*file)->read(mine, slot * page, read.span()));
            EXPECT_TRUE(same(read.view(), written.view()));
          }
          EXPECT_TRUE(is_fine((*file)->sync(mine)));
        });
      }
    }
    for (ByteCount slot = 0; slot < fiber_count * writes_each; ++slot) {
      AlignedBuffer read(page);
      VERITY_REQUIRE((*file)->read(wait, slot * page, read.span()));
      EXPECT_TRUE(same(read.view(), pattern(page, 100 + slot).view())) << "slot " << slot;
    }
  });
}

TEST_P(IoContract, FileOperationsFinishWhateverTheWaitSays) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    CancelSource cancel;
    cancel.cancel();
    Wait cancelled = wait.under(cancel);
    Wait late = wait.until(world.clock.monotonic());
    const AlignedBuffer written = pattern(page, 13);
    VERITY_REQUIRE((*file)->write(cancelled, 0, written.view(), Durability::durable));
    VERITY_REQUIRE((*file)->write(late, page, written.view(), Durability::cached));
    VERITY_REQUIRE((*file)->sync(late));
    VERITY_REQUIRE((*file)->allocate(cancelled, 4 * page));
    VERITY_REQUIRE((*file)->truncate(cancelled, 2 * page));
    VERITY_REQUIRE((*file)->size(late));
    AlignedBuffer read(2 * page);
    VERITY_REQUIRE((*file)->read(late, 0, read.span()));
    EXPECT_TRUE(same(read.view().first(page), written.view()));
    EXPECT_TRUE(same(read.view().subspan(page), written.view()));
  });
}

TEST_P(IoContract, FileOperationsLetOtherFibersRun) {
  run([&](Wait& wait, World& world) {
    auto file = make_file(wait, world, direct());
    VERITY_REQUIRE(file);
    std::uint64_t turns = 0;
    bool written = false;
    Crew crew(world.loop);
    crew.start("bystander", [&] {
      Wait mine = wait;
      while (!written && mine.yield()) ++turns;
    });
    const AlignedBuffer data = pattern(page, 14);
    EXPECT_TRUE(is_fine((*file)->write(wait, 0, data.view(), Durability::durable)));
    written = true;
    EXPECT_GT(turns, 0u);
  });
}

}  // namespace
}  // namespace verity::io::contract
