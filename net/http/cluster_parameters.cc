#include "net/http/cluster_parameters.h"

#include "net/http/event_fields.h"

#include <string>

namespace verity::http {

std::expected<std::optional<NodeId>, Problem> parse_node_parameter(const Target& target,
                                                                   std::string_view name) {
  std::optional<NodeId> id;
  for (const auto& [given, value] : target.parameters) {
    if (given != name)
      return std::unexpected(invalid_request("the parameter \"" + excerpt(given) + "\" is not known here"));
    if (value.size() != 1 || value[0] < '1' || value[0] > '7') {
      return std::unexpected(invalid_request("the parameter " + std::string(name) + " is \"" +
                                             excerpt(value) + "\"; allowed: the id of a node, 1 to 7"));
    }
    id = NodeId{static_cast<std::uint64_t>(value[0] - '0')};
  }
  return id;
}

}  // namespace verity::http
