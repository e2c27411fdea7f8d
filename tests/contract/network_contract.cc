// What io/network.h promises.
#include "io/network.h"

#include "io/clock.h"
#include "tests/contract/contract.h"
#include "tests/contract/helpers.h"

#include <array>
#include <memory>
#include <string>

namespace verity::io::contract {
namespace {

constexpr std::size_t far_too_much = 64 * MiB;  // more than any connection buffers

// Two ends of one connection.
struct Pair {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Socket> client;
  std::unique_ptr<Socket> server;
};

Result<Pair> connected(Wait& wait, World& world) {
  Pair pair;
  VERITY_TRY_ASSIGN(pair.listener, world.network.listen(wait, {world.host, 0}));
  Crew crew(world.loop);
  Status accepted;
  crew.start("acceptor", [&, patience = wait]() mutable {
    auto server = pair.listener->accept(patience);
    if (server) {
      pair.server = std::move(*server);
    } else {
      accepted = std::unexpected(server.error());
    }
  });
  VERITY_TRY_ASSIGN(pair.client, world.network.connect(wait, pair.listener->address()));
  crew.join();
  VERITY_TRY(accepted);
  return pair;
}

// Everything until the peer has finished.
Result<std::string> read_all(Wait& wait, Socket& socket) {
  std::string text;
  std::array<std::byte, 3000> buffer;
  while (true) {
    VERITY_TRY_ASSIGN(const std::size_t count, socket.read(wait, buffer));
    if (count == 0) return text;
    text += as_text(ByteView(buffer).first(count));
  }
}

Result<std::string> read_exactly(Wait& wait, Socket& socket, std::size_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    VERITY_TRY_ASSIGN(const std::size_t count,
                      socket.read(wait, std::as_writable_bytes(std::span(text)).subspan(done)));
    if (count == 0) return fail(ErrorCode::closed, "the peer finished early");
    done += count;
  }
  return text;
}

// Fails once the connection is broken; a few writes may still be taken before that shows.
Status write_until_it_fails(Wait& wait, Socket& socket) {
  const Bytes block(64 * KiB);
  for (std::size_t sent = 0; sent < far_too_much; sent += block.size())
    VERITY_TRY(write_all(wait, socket, block));
  return {};
}

TEST_P(IoContract, NetworkListensOnAPortItNames) {
  run([&](Wait& wait, World& world) {
    const auto a = world.network.listen(wait, {world.host, 0});
    VERITY_REQUIRE(a);
    const auto b = world.network.listen(wait, {world.host, 0});
    VERITY_REQUIRE(b);
    EXPECT_NE((*a)->address().port, 0);
    EXPECT_NE((*a)->address().port, (*b)->address().port);
    EXPECT_EQ((*a)->address().host, world.host);
  });
}

TEST_P(IoContract, NetworkCarriesBytesBothWays) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    for (int round = 0; round < 20; ++round) {
      const std::string question = "question " + std::to_string(round);
      const std::string answer = "answer " + std::to_string(round);
      VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes(question)));
      EXPECT_EQ(*read_exactly(wait, *pair->server, question.size()), question);
      VERITY_REQUIRE(write_all(wait, *pair->server, as_bytes(answer)));
      EXPECT_EQ(*read_exactly(wait, *pair->client, answer.size()), answer);
    }
    EXPECT_EQ(pair->client->peer(), pair->listener->address());
    EXPECT_EQ(pair->server->peer().host, world.host);
    EXPECT_NE(pair->server->peer().port, 0);
  });
}

TEST_P(IoContract, NetworkReadsReturnWhatIsThere) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes("abc")));
    std::array<std::byte, 1000> buffer;
    const auto count = pair->server->read(wait, buffer);  // does not wait for 1000
    VERITY_REQUIRE(count);
    EXPECT_GE(*count, 1u);
    EXPECT_LE(*count, 3u);
  });
}

TEST_P(IoContract, NetworkHalfCloseEndsOneDirection) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes("the last words")));
    VERITY_REQUIRE(pair->client->shutdown_write(wait));
    EXPECT_EQ(*read_all(wait, *pair->server), "the last words");
    std::array<std::byte, 10> buffer;
    EXPECT_EQ(*pair->server->read(wait, buffer), 0u);  // and again
    EXPECT_FALSE(pair->client->write(wait, as_bytes("more")));

    VERITY_REQUIRE(write_all(wait, *pair->server, as_bytes("the answer")));
    EXPECT_EQ(*read_exactly(wait, *pair->client, 10), "the answer");
  });
}

TEST_P(IoContract, NetworkCloseAfterReadingAllIsAnOrderlyEnd) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes("bye")));
    pair->client.reset();
    EXPECT_EQ(*read_all(wait, *pair->server), "bye");
    EXPECT_EQ(code_of(write_until_it_fails(wait, *pair->server)), ErrorCode::closed);
  });
}

TEST_P(IoContract, NetworkCloseWithUnreadDataIsAReset) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes("never read")));
    // Let it arrive, or the close would be orderly.
    std::array<std::byte, 1> first;
    VERITY_REQUIRE(pair->server->read(wait, first));
    pair->server.reset();
    EXPECT_EQ(code_of(read_all(wait, *pair->client)), ErrorCode::closed);
    EXPECT_EQ(code_of(write_until_it_fails(wait, *pair->client)), ErrorCode::closed);
  });
}

TEST_P(IoContract, NetworkCloseWakesTheReaderOnTheOtherSide) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    Crew crew(world.loop);
    crew.start("closer", [&, mine = wait]() mutable {
      EXPECT_TRUE(is_fine(mine.sleep(2ms)));
      pair->client.reset();
    });
    std::array<std::byte, 10> buffer;
    const auto count = pair->server->read(wait, buffer);
    VERITY_REQUIRE(count);
    EXPECT_EQ(*count, 0u);
  });
}

TEST_P(IoContract, NetworkHoldsAWriterBackWhenNobodyReads) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    std::size_t sent = 0;
    const Bytes block(256 * KiB);
    Status written;
    while (written && sent < far_too_much) {
      Wait soon = wait.within(50ms);
      const auto count = pair->client->write(soon, block);
      if (count) {
        EXPECT_GE(*count, 1u);
        EXPECT_LE(*count, block.size());
        sent += *count;
      } else {
        written = std::unexpected(count.error());
      }
    }
    EXPECT_EQ(code_of(written), ErrorCode::timed_out);
    EXPECT_LT(sent, far_too_much);
  });
}

TEST_P(IoContract, NetworkCarriesMegabytesThroughSmallReadsAndWritesInBothDirections) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    const AlignedBuffer up = pattern(3 * MiB, 21);
    const AlignedBuffer down = pattern(2 * MiB, 22);
    std::string at_server;
    std::string at_client;
    {
      Crew crew(world.loop);
      const auto send = [&](Socket& socket, ByteView data) {
        crew.start("sender", [&, mine = wait, data]() mutable {
          EXPECT_TRUE(is_fine(write_all(mine, socket, data)));
          EXPECT_TRUE(is_fine(socket.shutdown_write(mine)));
        });
      };
      const auto receive = [&](Socket& socket, std::string& text) {
        crew.start("receiver", [&, mine = wait]() mutable {
          auto received = read_all(mine, socket);
          EXPECT_TRUE(is_fine(received));
          if (received) text = std::move(*received);
        });
      };
      send(*pair->client, up.view());
      send(*pair->server, down.view());
      receive(*pair->server, at_server);
      receive(*pair->client, at_client);
    }
    EXPECT_TRUE(same(as_bytes(at_server), up.view()));
    EXPECT_TRUE(same(as_bytes(at_client), down.view()));
  });
}

TEST_P(IoContract, NetworkServesManyConnectionsAtOnce) {
  run([&](Wait& wait, World& world) {
    constexpr int client_count = 64;
    constexpr int rounds = 20;
    const auto listener = world.network.listen(wait, {world.host, 0});
    VERITY_REQUIRE(listener);
    int answered = 0;
    Crew crew(world.loop);
    crew.start("server", [&, mine = wait]() mutable {
      Crew handlers(world.loop);
      for (int c = 0; c < client_count; ++c) {
        auto accepted = (*listener)->accept(mine);
        VERITY_REQUIRE(accepted);
        handlers.start("handler", [&, mine, socket = std::move(*accepted)]() mutable {
          std::array<std::byte, 100> buffer;
          while (true) {
            const auto count = socket->read(mine, buffer);
            VERITY_REQUIRE(count);
            if (*count == 0) return;
            VERITY_REQUIRE(write_all(mine, *socket, ByteView(buffer).first(*count)));
          }
        });
      }
    });
    for (int c = 0; c < client_count; ++c) {
      crew.start("client", [&, mine = wait, c]() mutable {
        auto socket = world.network.connect(mine, (*listener)->address());
        VERITY_REQUIRE(socket);
        for (int round = 0; round < rounds; ++round) {
          const std::string text = "client " + std::to_string(c) + " round " + std::to_string(round);
          VERITY_REQUIRE(write_all(mine, **socket, as_bytes(text)));
          const auto echo = read_exactly(mine, **socket, text.size());
          VERITY_REQUIRE(echo);
          EXPECT_EQ(*echo, text);
          ++answered;
        }
      });
    }
    crew.join();
    EXPECT_EQ(answered, client_count * rounds);
  });
}

TEST_P(IoContract, NetworkRefusesAConnectionWhereNobodyListens) {
  run([&](Wait& wait, World& world) {
    auto listener = world.network.listen(wait, {world.host, 0});
    VERITY_REQUIRE(listener);
    const Address address = (*listener)->address();
    listener->reset();
    const auto refused = world.network.connect(wait, address);
    ASSERT_EQ(code_of(refused), ErrorCode::refused);
    EXPECT_NE(refused.error().message.find(address.describe()), std::string::npos) << refused.error().message;
  });
}

TEST_P(IoContract, NetworkRefusesASecondListenerOnAPort) {
  run([&](Wait& wait, World& world) {
    auto first = world.network.listen(wait, {world.host, 0});
    VERITY_REQUIRE(first);
    const Address address = (*first)->address();
    const auto second = world.network.listen(wait, address);
    ASSERT_EQ(code_of(second), ErrorCode::busy);
    EXPECT_NE(second.error().message.find(address.describe()), std::string::npos) << second.error().message;
    first->reset();
    VERITY_REQUIRE(world.network.listen(wait, address));
  });
}

TEST_P(IoContract, NetworkListensAgainWhileOldConnectionsLinger) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    const Address address = pair->listener->address();
    pair->listener.reset();
    // Connections already accepted live on.
    VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes("still here")));
    EXPECT_EQ(*read_exactly(wait, *pair->server, 10), "still here");
    pair->server.reset();
    VERITY_REQUIRE(world.network.listen(wait, address));
  });
}

TEST_P(IoContract, NetworkConnectsBeforeTheOwnerAccepts) {
  run([&](Wait& wait, World& world) {
    const auto listener = world.network.listen(wait, {world.host, 0});
    VERITY_REQUIRE(listener);
    const auto client = world.network.connect(wait, (*listener)->address());
    VERITY_REQUIRE(client);
    VERITY_REQUIRE(write_all(wait, **client, as_bytes("early")));
    const auto server = (*listener)->accept(wait);
    VERITY_REQUIRE(server);
    EXPECT_EQ(*read_exactly(wait, **server, 5), "early");
  });
}

TEST_P(IoContract, NetworkCallsEndAtTheirDeadline) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    std::array<std::byte, 10> buffer;
    const Instant begin = world.clock.monotonic();
    Wait soon = wait.within(5ms);
    EXPECT_EQ(code_of(pair->server->read(soon, buffer)), ErrorCode::timed_out);
    EXPECT_GE(world.clock.monotonic() - begin, Duration(5ms));
    EXPECT_EQ(code_of(pair->server->read(soon, buffer)), ErrorCode::timed_out);  // already over
    soon = wait.within(5ms);
    EXPECT_EQ(code_of(pair->listener->accept(soon)), ErrorCode::timed_out);
    EXPECT_EQ(code_of(pair->listener->accept(soon)), ErrorCode::timed_out);
    EXPECT_EQ(code_of(world.network.connect(soon, pair->listener->address())), ErrorCode::timed_out);
    // The listener goes on.
    const auto client = world.network.connect(wait, pair->listener->address());
    VERITY_REQUIRE(client);
    VERITY_REQUIRE(pair->listener->accept(wait));
  });
}

TEST_P(IoContract, NetworkCallsEndWhenTheyAreCancelled) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    CancelSource cancel;
    Wait cancellable = wait.under(cancel);
    Crew crew(world.loop);
    crew.start("reader", [&, mine = cancellable]() mutable {
      std::array<std::byte, 10> buffer;
      EXPECT_EQ(code_of(pair->server->read(mine, buffer)), ErrorCode::cancelled);
    });
    crew.start("writer", [&, mine = cancellable]() mutable {  // nobody reads this direction
      EXPECT_EQ(code_of(write_until_it_fails(mine, *pair->server)), ErrorCode::cancelled);
    });
    crew.start("acceptor", [&, mine = cancellable]() mutable {
      EXPECT_EQ(code_of(pair->listener->accept(mine)), ErrorCode::cancelled);
    });
    VERITY_REQUIRE(wait.sleep(20ms));  // all of them wait by now
    cancel.cancel();
    crew.join();
    EXPECT_EQ(code_of(world.network.connect(cancellable, pair->listener->address())), ErrorCode::cancelled);
    EXPECT_EQ(code_of(world.network.listen(cancellable, {world.host, 0})), ErrorCode::cancelled);
  });
}

TEST_P(IoContract, NetworkReadersAndWritersOfOneSocketDoNotDisturbEachOther) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    Crew crew(world.loop);
    crew.start("reader",
               [&, mine = wait]() mutable { EXPECT_EQ(*read_exactly(mine, *pair->client, 4), "pong"); });
    VERITY_REQUIRE(wait.sleep(1ms));  // the reader waits by now
    VERITY_REQUIRE(write_all(wait, *pair->client, as_bytes("ping")));
    EXPECT_EQ(*read_exactly(wait, *pair->server, 4), "ping");
    VERITY_REQUIRE(write_all(wait, *pair->server, as_bytes("pong")));
  });
}

TEST_P(IoContract, NetworkABusyConnectionLetsOtherFibersRun) {
  run([&](Wait& wait, World& world) {
    auto pair = connected(wait, world);
    VERITY_REQUIRE(pair);
    bool done = false;
    std::uint64_t turns = 0;
    Crew crew(world.loop);
    crew.start("bystander", [&] {
      Wait mine = wait;
      while (!done && mine.yield()) ++turns;
    });
    // Data is always there, so that no read ever has to wait for it.
    const Bytes data(32 * KiB);
    std::array<std::byte, 16> buffer;
    VERITY_REQUIRE(write_all(wait, *pair->client, data));
    for (std::size_t read = 0; read < data.size();) {
      const auto count = pair->server->read(wait, buffer);
      VERITY_REQUIRE(count);
      read += *count;
    }
    done = true;
    EXPECT_GE(turns, 10u);
  });
}

}  // namespace
}  // namespace verity::io::contract
