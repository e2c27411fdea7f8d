#include "io/linux/runtime.h"

#include "io/directory.h"
#include "io/fiber/sync.h"
#include "io/file.h"
#include "io/network.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

namespace verity::io {
namespace {

// A directory of this test's own, on the disk the build is on.
class Scratch {
 public:
  Scratch() {
    path_ = (std::filesystem::current_path() / "runtime-XXXXXX").string();
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Scratch() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct RuntimeTest : testing::TestWithParam<BackendChoice> {
  std::unique_ptr<Runtime> runtime = std::move(*Runtime::create({.backend = GetParam()}));
  Scratch scratch;
};

INSTANTIATE_TEST_SUITE_P(Backends, RuntimeTest,
                         testing::Values(BackendChoice::io_uring, BackendChoice::fallback),
                         [](const testing::TestParamInfo<BackendChoice>& test) {
                           return test.param == BackendChoice::io_uring ? "IoUring" : "Fallback";
                         });

TEST_P(RuntimeTest, NamesItsBackend) {
  EXPECT_EQ(runtime->backend_name(),
            GetParam() == BackendChoice::io_uring ? "io_uring" : "thread pool and epoll (chosen)");
}

TEST_P(RuntimeTest, RunsUntilEveryFiberHasFinishedAndMoreThanOnce) {
  for (int round = 0; round < 3; ++round) {
    int finished = 0;
    runtime->run([&](Wait&) {
      for (int i = 0; i < 10; ++i) {
        runtime->loop().spawn("late", [&, i] {
          Wait mine(runtime->loop());
          EXPECT_TRUE(mine.sleep(std::chrono::milliseconds(i % 3)));
          ++finished;
        });
      }
    });
    EXPECT_EQ(finished, 10);
  }
}

TEST_P(RuntimeTest, IsReachedFromOtherThreads) {
  std::thread other;
  std::uint64_t sum = 0;
  runtime->run([&](Wait& wait) {
    std::uint64_t received = 0;
    Signal arrived;
    other = std::thread([&] {
      for (std::uint64_t i = 1; i <= 1000; ++i) {
        runtime->mailbox().post([&, i] {
          sum += i;
          ++received;
          arrived.notify_all();
        });
        if (i % 100 == 0) std::this_thread::sleep_for(1ms);  // let the loop fall asleep
      }
    });
    while (received < 1000) ASSERT_TRUE(arrived.wait(wait));
  });
  other.join();
  EXPECT_EQ(sum, 500'500u);
}

TEST_P(RuntimeTest, DeliversASignalToTheLoop) {
  int received = 0;
  const std::array signals{SIGUSR1, SIGUSR2};
  Event told;
  runtime->on_signals(signals, [&](int signal) {
    received = signal;
    told.set();
  });
  runtime->run([&](Wait& wait) {
    runtime->loop().spawn("sender", [&] {
      Wait mine(runtime->loop());
      EXPECT_TRUE(mine.sleep(2ms));
      ::kill(::getpid(), SIGUSR2);
    });
    Wait limited = wait.within(20s);
    EXPECT_TRUE(told.wait(limited));
  });
  EXPECT_EQ(received, SIGUSR2);
}

using RuntimeDeathTest = RuntimeTest;
INSTANTIATE_TEST_SUITE_P(Backends, RuntimeDeathTest,
                         testing::Values(BackendChoice::io_uring, BackendChoice::fallback),
                         [](const testing::TestParamInfo<BackendChoice>& test) {
                           return test.param == BackendChoice::io_uring ? "IoUring" : "Fallback";
                         });

// Builds a runtime of its own: a ring belongs to the thread that made it.
[[noreturn]] void get_stuck_in_a_signal(BackendChoice backend) {
  const auto runtime = std::move(*Runtime::create({.backend = backend}));
  const std::array signals{SIGTERM, SIGINT};
  runtime->on_signals(signals, [](int) {
    ::kill(::getpid(), SIGINT);
    while (true) ::pause();
  });
  ::kill(::getpid(), SIGTERM);
  runtime->run([](Wait& wait) { ignore(wait.sleep(20s), "the signal comes first"); });
  std::exit(1);
}

TEST_P(RuntimeDeathTest, ASecondSignalEndsTheProcessEvenIfTheLoopIsStuck) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(get_stuck_in_a_signal(GetParam()), testing::KilledBySignal(SIGINT), "");
}

TEST_P(RuntimeTest, ResolvesNames) {
  runtime->run([&](Wait& wait) {
    auto listener = runtime->network().listen(wait, {"localhost", 0});
    ASSERT_TRUE(listener) << listener.error().describe();
    const auto client = runtime->network().connect(wait, (*listener)->address());
    EXPECT_TRUE(client) << client.error().describe();
    Wait limited = wait.within(10s);
    const auto nobody = runtime->network().connect(limited, {"no-such-host.invalid", 7000});
    ASSERT_FALSE(nobody);
    EXPECT_NE(nobody.error().message.find("no-such-host.invalid"), std::string::npos)
        << nobody.error().message;
  });
}

TEST_P(RuntimeTest, SpeaksIpv6) {
  runtime->run([&](Wait& wait) {
    auto listener = runtime->network().listen(wait, {"::1", 0});
    if (!listener) GTEST_SKIP() << "no IPv6 here: " << listener.error().message;
    const auto client = runtime->network().connect(wait, (*listener)->address());
    ASSERT_TRUE(client) << client.error().describe();
    const auto server = (*listener)->accept(wait);
    ASSERT_TRUE(server);
    EXPECT_EQ((*server)->peer().host, "::1");
  });
}

TEST_P(RuntimeTest, NamesTheProcessThatHoldsAPort) {
  runtime->run([&](Wait& wait) {
    const auto held = runtime->network().listen(wait, {"127.0.0.1", 0});
    ASSERT_TRUE(held);
    const auto refused = runtime->network().listen(wait, (*held)->address());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::busy);
    const std::string process = "process " + std::to_string(::getpid());
    EXPECT_NE(refused.error().message.find(process), std::string::npos) << refused.error().message;
  });
}

TEST_P(RuntimeTest, RefusesAnAddressThatIsNotOurs) {
  runtime->run([&](Wait& wait) {
    const auto refused = runtime->network().listen(wait, {"192.0.2.1", 0});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(refused.error().message.find("192.0.2.1:0"), std::string::npos) << refused.error().message;
  });
}

TEST_P(RuntimeTest, MakesDirectoriesForTheirOwnerAlone) {
  runtime->run([&](Wait& wait) {
    const std::string path = scratch.path() + "/a/b/c/";
    EXPECT_EQ(runtime->open_directory(wait, path, false).error().code, ErrorCode::not_found);
    auto made = runtime->open_directory(wait, path, true);
    ASSERT_TRUE(made) << made.error().describe();
    EXPECT_EQ((*made)->path(), scratch.path() + "/a/b/c");
    ASSERT_TRUE((*made)->open(wait, "file", {.mode = OpenMode::create}));
    struct stat facts {};
    ASSERT_EQ(::stat((scratch.path() + "/a/b/c").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0700u);
    ASSERT_EQ(::stat((scratch.path() + "/a/b/c/file").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    EXPECT_TRUE(runtime->open_directory(wait, path, true));
    EXPECT_EQ(runtime->open_directory(wait, path + "file", true).error().code, ErrorCode::invalid_argument);
  });
}

TEST_P(RuntimeTest, ReportsAFullDiskByItsCode) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "needs the right to mount a small file system";
  }
  runtime->run([&](Wait& wait) {
    auto directory = runtime->open_directory(wait, scratch.path(), false);
    ASSERT_TRUE(directory);
    auto file = (*directory)->open(wait, "file", {.mode = OpenMode::create, .direct = true});
    ASSERT_TRUE(file) << file.error().describe();
    EXPECT_EQ((*file)->block_bytes() % 512, 0u);
    const Status allocated = (*file)->allocate(wait, 16 * MiB);
    ASSERT_FALSE(allocated);
    EXPECT_EQ(allocated.error().code, ErrorCode::out_of_space) << allocated.error().describe();
    auto plain = (*directory)->open(wait, "plain", {.mode = OpenMode::create});
    ASSERT_TRUE(plain);
    const Bytes data(2 * MiB);
    const Status written = (*plain)->write(wait, 0, data, Durability::durable);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::out_of_space) << written.error().describe();
    EXPECT_NE(written.error().message.find(scratch.path() + "/plain at "), std::string::npos)
        << written.error().message;
    ASSERT_TRUE((*plain)->truncate(wait, 0));
    EXPECT_TRUE((*plain)->write(wait, 0, ByteView(data).first(64 * KiB), Durability::durable));
  });
  ::umount2(scratch.path().c_str(), MNT_DETACH);
}

TEST_P(RuntimeTest, SurvivesMoreOperationsThanItsQueuesHold) {
  runtime->run([&](Wait& wait) {
    auto directory = runtime->open_directory(wait, scratch.path(), false);
    ASSERT_TRUE(directory);
    auto file = (*directory)->open(wait, "file", {.mode = OpenMode::create});
    ASSERT_TRUE(file);
    const auto listener = runtime->network().listen(wait, {"127.0.0.1", 0});
    ASSERT_TRUE(listener);
    CancelSource cancel;
    WaitGroup running;
    int written = 0;
    int cancelled = 0;
    for (int i = 0; i < 3000; ++i) {
      running.add();
      runtime->loop().spawn("fiber", [&, i] {
        Wait mine(runtime->loop());
        if (i % 2 == 0) {
          const std::string text = "fiber " + std::to_string(i);
          const auto offset = static_cast<ByteCount>(i) * 64;
          if ((*file)->write(mine, offset, as_bytes(text), Durability::cached)) ++written;
        } else {
          Wait cancellable = mine.under(cancel);
          const auto accepted = (*listener)->accept(cancellable);
          if (!accepted && accepted.error().code == ErrorCode::cancelled) ++cancelled;
        }
        running.done();
      });
    }
    ASSERT_TRUE(wait.sleep(20ms));
    cancel.cancel();
    ASSERT_TRUE(running.wait(wait));
    EXPECT_EQ(written, 1500);
    EXPECT_EQ(cancelled, 1500);
  });
}

TEST_P(RuntimeTest, DrawsRandomBytesOfAnyLength) {
  std::set<Id128> ids;
  for (int i = 0; i < 100; ++i) ids.insert(runtime->random().id());
  EXPECT_EQ(ids.size(), 100u);
  Bytes many(MiB);
  runtime->random().fill(many);
  EXPECT_FALSE(is_all_zero(ByteView(many).last(4096)));
}

// Makes io_uring_setup answer EPERM on this thread and those it starts, as containers do.
bool refuse_io_uring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(RuntimeBackend, FallsBackWhereIoUringIsRefusedAndSaysWhy) {
  std::thread([] {
    if (!refuse_io_uring()) GTEST_SKIP() << "no seccomp here";
    const auto forced = Runtime::create({.backend = BackendChoice::io_uring});
    ASSERT_FALSE(forced);
    EXPECT_EQ(forced.error().code, ErrorCode::permission_denied);
    auto runtime = Runtime::create({});
    ASSERT_TRUE(runtime) << runtime.error().describe();
    EXPECT_EQ((*runtime)->backend_name(),
              "thread pool and epoll (io_uring refused: io_uring_setup: Operation not permitted)");
    bool slept = false;
    (*runtime)->run([&](Wait& wait) { slept = wait.sleep(1ms).has_value(); });
    EXPECT_TRUE(slept);
  }).join();
}

}  // namespace
}  // namespace verity::io
