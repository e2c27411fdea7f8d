// The query of requests about the cluster: ?to=2
#pragma once

#include "io/base/ids.h"
#include "net/http/problem.h"
#include "net/http/target.h"

#include <expected>
#include <optional>
#include <string_view>

namespace verity::http {

// The id of a node, if the parameter is there; any other parameter is refused.
std::expected<std::optional<NodeId>, Problem> parse_node_parameter(const Target& target,
                                                                   std::string_view name);

}  // namespace verity::http
