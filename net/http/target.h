// The request target: path segments and query parameters, percent-decoded.
//
//   /v1/tenants/acme/streams/ward%207/events?from=3&limit=10
//     segments   {"v1", "tenants", "acme", "streams", "ward 7", "events"}
//     parameters {{"from", "3"}, {"limit", "10"}}
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verity::http {

struct Target {
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> parameters;

  std::optional<std::string_view> parameter(std::string_view name) const;
};

// A sentence when it cannot be understood: not a path, a bad percent escape, too many parts, a parameter
// given twice. In the query, + stands for a space.
std::expected<Target, std::string> parse_target(std::string_view text);

}  // namespace verity::http
