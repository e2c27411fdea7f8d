// Whether the cluster ports of nodes can be reached from here.
#include "io/network.h"
#include "tools/admin/commands.h"

#include <nlohmann/json.hpp>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sstream>

namespace verity::tools {
namespace {

constexpr int patience_ms = 3000;

struct Pinged {
  std::string address;
  std::string problem;  // empty: connected
  double took_ms = 0;
};

// Connects one of a name's addresses; the error of the last one if none answers.
std::string connect_once(const addrinfo& to) {
  const int socket = ::socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::strerror(errno);
  int error = ::connect(socket, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd ready{socket, POLLOUT, 0};
    socklen_t size = sizeof error;
    if (::poll(&ready, 1, patience_ms) != 1) {
      error = ETIMEDOUT;
    } else {
      ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  ::close(socket);
  return error == 0 ? std::string() : std::strerror(error);
}

Pinged ping(const std::string& text) {
  Pinged result{.address = text, .problem = {}};
  const auto address = io::Address::parse(text);
  if (!address) {
    result.problem = address.error().message;
    return result;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address->port);
  if (const int failed = ::getaddrinfo(address->host.c_str(), port.c_str(), &hints, &found); failed != 0) {
    result.problem = "cannot resolve " + address->host + ": " + ::gai_strerror(failed);
    return result;
  }
  const auto began = std::chrono::steady_clock::now();
  for (const addrinfo* to = found; to != nullptr; to = to->ai_next) {
    result.problem = connect_once(*to);
    if (result.problem.empty()) break;
  }
  ::freeaddrinfo(found);
  result.took_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  return result;
}

}  // namespace

int ping_peers(const Context& context, const std::string& list) {
  std::vector<std::string> addresses;
  std::istringstream in(list);
  for (std::string address; std::getline(in, address, ',');) {
    if (!address.empty()) addresses.push_back(address);
  }
  if (list.empty()) {
    auto known = peer_addresses(context);
    if (!known) return exit_failure;
    addresses = std::move(*known);
  }
  if (addresses.empty()) {
    print_error(context.json, "usage", "there is nobody to ping: name --peers HOST:PORT,HOST:PORT");
    return exit_usage;
  }
  bool all_answer = true;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  Table table({{"address"}, {"result"}, {"ms", Table::Align::right}});
  for (const std::string& address : addresses) {
    const Pinged pinged = ping(address);
    all_answer = all_answer && pinged.problem.empty();
    char took[32];
    std::snprintf(took, sizeof took, "%.2f", pinged.took_ms);
    table.add({address, pinged.problem.empty() ? "connected" : pinged.problem, took});
    rows.push_back({{"address", address}, {"connected", pinged.problem.empty()}, {"ms", pinged.took_ms}});
    if (!pinged.problem.empty()) rows.back()["problem"] = pinged.problem;
  }
  print(context.json ? rows.dump() + "\n" : table.text());
  return all_answer ? exit_fine : exit_failure;
}

}  // namespace verity::tools
