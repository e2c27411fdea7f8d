// An application of the client library that knows all nodes and appends as long as it may:
//
//   verity-native-load WINDOW SERVER...
//
// WINDOW appends are under way at once, until standard input ends. What it sent and was told goes to standard output, as
// sim/recorded_history.h has it; each error goes to standard error, and ends it with 1.
#include <veritydb/client.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>

namespace {

std::mutex printing;
std::atomic<bool> has_failed = false;

long long now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string date_of(std::chrono::sys_time<std::chrono::nanoseconds> time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = us / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char date[64];
  char text[80];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof(text), "%s.%06lldZ", date, static_cast<long long>(us % 1'000'000));
  return text;
}

void print_sent(int number) {
  const std::lock_guard lock(printing);
  std::printf(R"({"append":%d,"at":%lld,"tenant":"default","stream":"native-%d","key":"session",)"
              R"("events":[{"type":"counted","data":"native %d"}]})"
              "\n",
              number, now_us(), number % 3, number);
  std::fflush(stdout);
}

void print_answer(int number, const veritydb::Result<veritydb::Appended>& result) {
  const std::lock_guard lock(printing);
  if (!result) {
    has_failed = true;
    std::fprintf(stderr, "append %d: %s: %s\n", number, result.error().code.c_str(),
                 result.error().detail.c_str());
    return;
  }
  std::printf(R"({"answer":%d,"at":%lld,"replayed":false,"body":{"position":%llu,"first_revision":%llu,)"
              R"("last_revision":%llu,"hash":"%s","recorded_at":"%s"}})"
              "\n",
              number, now_us(), static_cast<unsigned long long>(result->position),
              static_cast<unsigned long long>(result->streams.front().first_revision),
              static_cast<unsigned long long>(result->streams.front().last_revision), result->hash.c_str(),
              date_of(result->recorded_at).c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const long window = argc > 2 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (window < 1) {
    std::fprintf(stderr, "usage: verity-native-load WINDOW SERVER...\n");
    return 2;
  }
  std::counting_semaphore<> room(window);
  auto client = veritydb::Client::open({.servers = {argv + 2, argv + argc}});
  if (!client) {
    std::fprintf(stderr, "%s\n", client.error().detail.c_str());
    return 2;
  }
  std::atomic<bool> is_ending = false;
  std::thread watch([&] {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    is_ending = true;
  });
  for (int number = 1; !is_ending; ++number) {
    room.acquire();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the history is to be read by people, too
    print_sent(number);
    client->append(
        {.tenant = "default",
         .streams = {{.stream = "native-" + std::to_string(number % 3),
                      .events = {{.type = "counted", .data = "\"native " + std::to_string(number) + "\""}}}}},
        [&room, number](veritydb::Result<veritydb::Appended> result) {
          print_answer(number, result);
          room.release();
        });
  }
  watch.join();
  for (long i = 0; i < window; ++i) room.acquire();
  return has_failed ? 1 : 0;
}
