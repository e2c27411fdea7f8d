#include "net/http/cluster_parameters.h"

#include "io/network.h"
#include "net/http/event_fields.h"

#include <algorithm>
#include <string>

namespace verity::http {

namespace {

std::vector<std::string_view> items_of(std::string_view list) {
  std::vector<std::string_view> items;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (end > 0) items.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return items;
}

std::optional<NodeId> id_in(std::string_view text) {
  if (text.size() != 1 || text[0] < '1' || text[0] > '7') return std::nullopt;
  return NodeId{static_cast<std::uint64_t>(text[0] - '0')};
}

}  // namespace

std::expected<node::MembersChange, Problem> parse_members_change(const Target& target) {
  node::MembersChange change;
  for (const auto& [name, value] : target.parameters) {
    if (name != "add" && name != "remove")
      return std::unexpected(invalid_request("the parameter \"" + excerpt(name) + "\" is not known here"));
    for (const std::string_view item : items_of(value)) {
      const std::size_t end = name == "add" ? std::min(item.find('='), item.size()) : item.size();
      const std::optional<NodeId> id = id_in(item.substr(0, end));
      const std::string_view address = item.substr(std::min(end + 1, item.size()));
      const bool is_whole =
          id && (name == "remove" || (address.size() <= 255 && io::Address::parse(address)));
      if (!is_whole) {
        return std::unexpected(invalid_request(
            "the parameter " + std::string(name) + " has \"" + excerpt(item) + "\"; allowed: " +
            (name == "add" ? "ID=HOST:PORT, ID=HOST:PORT, ... with the addresses of cluster ports, ids 1 to 7"
                           : "the ids of nodes, 1 to 7")));
      }
      if (name == "add") {
        change.add.emplace_back(*id, std::string(address));
      } else {
        change.remove.push_back(*id);
      }
    }
  }
  if (change.add.empty() && change.remove.empty())
    return std::unexpected(
        invalid_request("name who is to come in (add=ID=HOST:PORT) or to leave (remove=ID)"));
  return change;
}

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
