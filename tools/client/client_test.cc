// Without a server: what an application meets before there is one, and at the end. With servers: tests/e2e/client_test.py.
#include <veritydb/client.h>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

namespace veritydb {
namespace {

using namespace std::chrono_literals;

Append one() {
  return {.tenant = "default", .streams = {{.stream = "s", .events = {{.type = "t", .data = "1"}}}}};
}
// A port that nobody listens on.
Options nobody() {
  return {.servers = {"127.0.0.1:1"}, .request_timeout = 200ms};
}

TEST(ClientLibrary, OptionsThatCannotBeAreRefused) {
  EXPECT_EQ(Client::open({}).error().code, "invalid_request");
  EXPECT_EQ(Client::open({.servers = {"nowhere"}}).error().code, "invalid_request");
  EXPECT_EQ(Client::open({.servers = {"a:1"}, .name = std::string(101, 'x')}).error().code,
            "invalid_request");
}

TEST(ClientLibrary, WithoutAServerItIsSaidThatNothingWasDone) {
  auto client = Client::open(nobody());
  ASSERT_TRUE(client) << client.error().detail;
  EXPECT_EQ(client->append(one()).get().error().code, "cancelled");
  EXPECT_EQ(client->read({.tenant = "default"}).error().code, "cancelled");
}

TEST(ClientLibrary, WhoClosesHearsOfWhatIsUnderWay) {
  std::atomic<int> told = 0;
  std::optional<Subscription> outlives;
  {
    auto client = Client::open({.servers = {"127.0.0.1:1"}});
    ASSERT_TRUE(client);
    for (int i = 0; i < 100; ++i) {
      client->append(one(), [&](const Result<Appended>& result) {
        EXPECT_EQ(result.error().code, "cancelled");
        ++told;
      });
    }
    outlives = client->subscribe({.tenant = "default"}, [](const RecordedEvent&) {}, {});
  }
  EXPECT_EQ(told, 100);
}

TEST(ClientLibrary, WhoAsksAgainAndAgainWhileItClosesComesToAnEnd) {
  std::atomic<int> told = 0;
  std::function<void(const Result<Appended>&)> again;
  {
    auto client = Client::open({.servers = {"127.0.0.1:1"}});
    ASSERT_TRUE(client);
    again = [&](const Result<Appended>& result) {
      EXPECT_EQ(result.error().code, "cancelled");
      ++told;
      client->append(one(), again);
    };
    client->append(one(), again);
  }
  EXPECT_EQ(told, 2) << "what was under way, and what was asked then";
}

TEST(ClientLibrary, InACallbackNothingWaitsForRoom) {
  Options options = nobody();
  options.requests_max = 1;
  auto client = Client::open(options);
  ASSERT_TRUE(client);
  std::promise<std::string> second;
  bool is_inside = false;  // the client's thread alone looks
  client->append(one(), [&](const Result<Appended>&) {
    is_inside = true;
    client->append(one(), [](const Result<Appended>&) {});  // takes the place that has become free
    client->append(one(), [&](const Result<Appended>& result) {
      EXPECT_FALSE(is_inside) << "who asks again in it would never return";
      second.set_value(result.error().code);
    });
    is_inside = false;
  });
  EXPECT_EQ(second.get_future().get(), "overloaded");
  // Elsewhere it waits until there is some.
  EXPECT_EQ(client->append(one()).get().error().code, "cancelled");
}

}  // namespace
}  // namespace veritydb
