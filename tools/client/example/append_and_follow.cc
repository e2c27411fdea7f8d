// Appends three events, many at a time, and follows the stream until all have come:
//
//   append_and_follow node1:7000 node2:7000 node3:7000
//
//   g++ -std=c++23 append_and_follow.cc $(pkg-config --cflags --libs veritydb-client)
#include <veritydb/client.h>

#include <iostream>

int main(int argc, char** argv) {
  veritydb::Options options;
  options.servers.assign(argv + 1, argv + argc);
  auto client = veritydb::Client::open(options);
  if (!client) {
    std::cerr << client.error().detail << '\n';
    return 1;
  }

  std::vector<std::future<veritydb::Result<veritydb::Appended>>> under_way;
  for (const char* bed : {"1", "2", "3"}) {
    under_way.push_back(client->append(
        {.tenant = "default",
         .streams = {{.stream = "ward",
                      .events = {{.type = "admitted", .data = std::string("{\"bed\":") + bed + "}"}}}}}));
  }
  for (auto& appended : under_way) {
    const auto result = appended.get();
    if (!result) {
      std::cerr << result.error().code << ": " << result.error().detail << '\n';
      return 1;
    }
  }

  std::promise<void> all_seen;
  int seen = 0;
  const auto subscription = client->subscribe(
      {.tenant = "default", .stream = "ward"},
      [&](const veritydb::RecordedEvent& event) {
        std::cout << event.revision << ' ' << event.type << ' ' << event.data << '\n';
        if (++seen == 3) all_seen.set_value();
      },
      [](const veritydb::Error& error) { std::cerr << error.detail << '\n'; });
  all_seen.get_future().wait();
}
