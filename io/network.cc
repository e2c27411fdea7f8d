#include "io/network.h"

#include <charconv>

namespace verity::io {

std::string Address::describe() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::is_loopback() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

bool Address::is_every_address() const {
  return host == "0.0.0.0" || host == "::";
}

Result<Address> Address::parse(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "address \"" + std::string(text) + "\": " + std::string(why) +
                                                 "; expected host:port, such as 127.0.0.1:7000");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad("an IPv6 address stands in brackets");
  }
  if (host.empty()) return bad("no host");
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size())
    return bad("the port is not a number of 0..65535");
  return Address{std::string(host), port};
}

Status write_all(Wait& wait, Socket& socket, ByteView data) {
  while (!data.empty()) {
    VERITY_TRY_ASSIGN(const std::size_t written, socket.write(wait, data));
    data = data.subspan(written);
  }
  return {};
}

}  // namespace verity::io
