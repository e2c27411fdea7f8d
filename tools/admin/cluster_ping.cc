// Whether the cluster ports of nodes can be reached from here, and whose they are.
#include "io/network.h"
#include "tools/admin/api.h"
#include "tools/admin/commands.h"
#include "tools/admin/peer_greeting.h"

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

using Json = nlohmann::ordered_json;

constexpr int patience_ms = 3000;

// What the server that was asked knows of its cluster.
struct Known {
  peer::Hello hello = hello_of_nobody({}, {}, {});
  std::vector<std::string> addresses;
};

struct Pinged {
  std::string address;
  PeerAnswer answer{};
  double took_ms = 0;  // to connect
};

double ms_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

// Connects one of a name's addresses and says hello there; false: no connection.
bool ask_once(const addrinfo& to, const peer::Hello& hello, Pinged& result) {
  const auto began = std::chrono::steady_clock::now();
  const int socket = ::socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    result.answer.problem = std::strerror(errno);
    return false;
  }
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
  result.took_ms = ms_since(began);
  result.answer = error == 0 ? greet_peer(socket, hello, std::chrono::milliseconds(patience_ms))
                             : PeerAnswer{.node = {}, .problem = std::strerror(error)};
  ::close(socket);
  return error == 0;
}

Pinged ping(const std::string& text, const peer::Hello& hello) {
  Pinged result{.address = text};
  const auto address = io::Address::parse(text);
  if (!address) {
    result.answer.problem = address.error().message;
    return result;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address->port);
  if (const int failed = ::getaddrinfo(address->host.c_str(), port.c_str(), &hints, &found); failed != 0) {
    result.answer.problem = "cannot resolve " + address->host + ": " + ::gai_strerror(failed);
    return result;
  }
  for (const addrinfo* to = found; to != nullptr && !ask_once(*to, hello, result);) to = to->ai_next;
  ::freeaddrinfo(found);
  return result;
}

Id128 id_in(const std::string& hex) {
  Id128 id;
  const auto bytes = from_hex(hex);
  if (bytes && bytes->size() == id.bytes.size()) std::memcpy(id.bytes.data(), bytes->data(), bytes->size());
  return id;
}

Known known_in(const HttpResponse& response) {
  Known known;
  const Json status = Json::parse(response.body, nullptr, false);
  if (!status.is_object()) return known;
  const auto text = [](const Json& of, const char* name) {
    return of.contains(name) && of[name].is_string() ? of[name].get<std::string>() : std::string();
  };
  known.hello = hello_of_nobody(text(status, "cluster_name"), id_in(text(status, "cluster_id")),
                                id_in(text(status, "epoch")));
  if (status.contains("cluster") && status["cluster"].contains("peers")) {
    for (const Json& peer : status["cluster"]["peers"]) known.addresses.push_back(text(peer, "address"));
  }
  return known;
}

}  // namespace

int ping_peers(const Context& context, const std::string& list) {
  std::vector<std::string> addresses;
  std::istringstream in(list);
  for (std::string address; std::getline(in, address, ',');) {
    if (!address.empty()) addresses.push_back(address);
  }
  HttpClient client(context.server);
  Known known;
  if (list.empty()) {
    const auto response = call(context, client, {.path = "/status"});
    if (!response) return exit_failure;
    known = known_in(*response);
    addresses = known.addresses;
  } else if (const auto response = client.send({.path = "/status", .timeout = 3s});
             response && response->is_success()) {
    known = known_in(*response);
  }
  if (addresses.empty()) {
    print_error(context.json, "usage", "there is nobody to ping: name --peers HOST:PORT,HOST:PORT");
    return exit_usage;
  }
  bool all_answer = true;
  Json rows = Json::array();
  Table table({{"address"}, {"result"}, {"node", Table::Align::right}, {"ms", Table::Align::right}});
  for (const std::string& address : addresses) {
    const Pinged pinged = ping(address, known.hello);
    const std::string& problem = pinged.answer.problem;
    all_answer = all_answer && problem.empty();
    char took[32];
    std::snprintf(took, sizeof took, "%.2f", pinged.took_ms);
    table.add({address, problem.empty() ? "connected" : problem,
               pinged.answer.node ? pinged.answer.node->describe() : "?", took});
    rows.push_back({{"address", address}, {"connected", problem.empty()}, {"ms", pinged.took_ms}});
    if (pinged.answer.node) rows.back()["node"] = pinged.answer.node->value;
    if (!problem.empty()) rows.back()["problem"] = problem;
  }
  print(context.json ? rows.dump() + "\n" : table.text());
  return all_answer ? exit_fine : exit_failure;
}

}  // namespace verity::tools
