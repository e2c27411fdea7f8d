// The query of requests about the cluster: ?to=2, ?add=2=node2:7001,3=node3:7001&remove=4,5
#pragma once

#include "engine/node/request.h"
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

// Ids and addresses have the form of such; whether the change makes sense the cluster says.
std::expected<node::MembersChange, Problem> parse_members_change(const Target& target);

}  // namespace verity::http
