// Several nodes' Peers in one simulated world, each in a process that can crash and come back.
#pragma once

#include "io/network.h"
#include "net/peer/peers.h"
#include "net/peer/testing/recorder.h"
#include "sim/network.h"
#include "sim/process.h"
#include "sim/world.h"
#include "tests/peer/stalling_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace verity::peer::testing {

inline io::Address address_of(std::uint8_t node) {
  return {"node" + std::to_string(node), 7001};
}

// One process with its Peers.
class PeerHost {
 public:
  PeerHost(sim::World& world, const Stalls& stalls, std::string host, Hello hello_in, PeerOptions options)
      : hello(std::move(hello_in)),
        process(world, {.host = host, .boot = hello.identity.boot_number}),
        network_(process.io_world().network, stalls, host),
        world_{process.io_world().loop, process.io_world().clock, process.io_world().random, network_,
               process.io_world().logger} {
    peers = make_peers(
        world_, std::move(options), [this] { return hello; }, recorder);
    process.spawn("main", [this](io::Wait& wait) {
      started = peers->start(wait);
      if (started) {
        io::Wait until_the_end = wait.under(process.end());
        ignore(until_the_end.sleep(24h), "it is ended");
      }
      peers->stop(wait);
    });
  }

  bool send(std::uint8_t to, Lane lane, std::string_view text) {
    return peers->send(NodeId{to}, lane, message_type_min, text_payload(text));
  }
  bool is_connected(std::uint8_t to) const {
    return peers->is_connected(NodeId{to}, Lane::control) && peers->is_connected(NodeId{to}, Lane::bulk);
  }

  Hello hello;
  sim::Process process;
  Recorder recorder;
  Status started;
  std::unique_ptr<Peers> peers;

 private:
  StallingNetwork network_;
  const io::World world_;
};

// The words of a line, one space between two.
inline std::string words_of(std::string_view line) {
  std::string out;
  for (const char c : line) {
    const bool is_space = c == ' ' || c == '\n';
    if (!is_space) out += c;
    if (is_space && !out.empty() && out.back() != ' ') out += ' ';
  }
  return out;
}

class PeerWorld {
 public:
  explicit PeerWorld(std::uint64_t seed = 1)
      : world({.seed = seed,
               .trace_sink =
                   [this](std::string_view line) {
                     if (line.find(" log    ") != std::string_view::npos) log.push_back(words_of(line));
                   },
               .ready_swaps = 20}) {}
  ~PeerWorld() {
    while (!hosts.empty()) end(hosts.begin()->first);
    world.run_for(10s);  // what is under way lands somewhere
    EXPECT_EQ(world.network().open_sockets(), 0u);
  }

  // Starts a node on its own host; it knows the addresses of `others`.
  PeerHost& start(std::uint8_t node, const std::vector<std::uint8_t>& others, std::uint8_t boot = 1) {
    return start_as("node" + std::to_string(node), hello_of(node, boot), others);
  }
  PeerHost& start_as(const std::string& host, Hello hello, const std::vector<std::uint8_t>& others) {
    PeerOptions each = options;
    each.listen_address = {host, 7001};
    for (const std::uint8_t other : others) each.others.push_back(address_of(other));
    auto& place = hosts[host];
    place = std::make_unique<PeerHost>(world, stalls, host, std::move(hello), std::move(each));
    return *place;
  }
  void end(const std::string& host) {
    sim::Process& process = hosts.at(host)->process;
    process.ask_to_end();
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }, world.now() + 10s))
        << host << " does not end";
    hosts.erase(host);
  }
  void crash(std::uint8_t node) {
    const std::string host = "node" + std::to_string(node);
    hosts.at(host)->process.crash("the test says so");
    end(host);
  }

  bool run_until(const std::function<bool()>& done, Duration patience = 10s) {
    return world.run_until(done, world.now() + patience);
  }
  bool run_until_connected(Duration patience = 10s) {
    return run_until(
        [&] {
          for (const auto& [from, host] : hosts) {
            for (const auto& [to, other] : hosts) {
              if (from != to &&
                  !host->is_connected(static_cast<std::uint8_t>(other->hello.identity.id.value)))
                return false;
            }
          }
          return true;
        },
        patience);
  }

  // Runs `body` as a stranger on a host of its own.
  void stranger(std::function<void(io::Wait&, io::Network&)> body, Duration patience = 60s) {
    sim::Process process(world, {.host = "stranger", .boot = ++stranger_boot_});
    process.spawn("stranger", [&](io::Wait& wait) { body(wait, process.io_world().network); });
    EXPECT_TRUE(run_until([&] { return process.is_finished(); }, patience));
  }

  std::size_t log_count(std::string_view text) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        log, [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
  std::string all_log() const {
    std::string all;
    for (const std::string& line : log) all += line + "\n";
    return all;
  }

  std::vector<std::string> log;
  sim::World world;
  Stalls stalls;
  PeerOptions options;
  std::map<std::string, std::unique_ptr<PeerHost>> hosts;

 private:
  std::uint64_t stranger_boot_ = 0;
};

}  // namespace verity::peer::testing
