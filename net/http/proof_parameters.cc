#include "net/http/proof_parameters.h"

#include "engine/node/request.h"
#include "net/http/event_fields.h"

#include <algorithm>
#include <initializer_list>

namespace verity::http {
namespace {

std::optional<Problem> refuse_unknown(const Target& target, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : target.parameters) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return invalid_request("the parameter \"" + excerpt(name) + "\" is not known here");
    }
  }
  return std::nullopt;
}

std::expected<node::EventToken, Problem> parse_place(const Target& target, std::string_view name) {
  const auto text = target.parameter(name);
  const std::string named = "the parameter " + std::string(name);
  if (!text) return std::unexpected(invalid_request(named + " is missing; allowed: a position such as 42"));
  const auto token = node::EventToken::parse(*text);
  if (!token || token->position.value == 0) {
    return std::unexpected(
        invalid_request(named + " is \"" + excerpt(*text) + "\"; allowed: a position such as 42"));
  }
  return *token;
}

}  // namespace

std::expected<InclusionParameters, Problem> parse_inclusion_parameters(const Target& target) {
  if (auto problem = refuse_unknown(target, {"position", "consistency"}))
    return std::unexpected(std::move(*problem));
  const auto place = parse_place(target, "position");
  if (!place) return std::unexpected(place.error());
  const bool names_event = target.parameter("position")->find('.') != std::string_view::npos;
  return InclusionParameters{place->position, names_event ? std::optional(place->index) : std::nullopt};
}

std::expected<ConsistencyParameters, Problem> parse_consistency_parameters(const Target& target) {
  if (auto problem = refuse_unknown(target, {"from", "to", "consistency"}))
    return std::unexpected(std::move(*problem));
  const auto from = parse_place(target, "from");
  if (!from) return std::unexpected(from.error());
  ConsistencyParameters parameters{from->position, std::nullopt};
  if (target.parameter("to")) {
    const auto to = parse_place(target, "to");
    if (!to) return std::unexpected(to.error());
    parameters.to = to->position;
  }
  return parameters;
}

}  // namespace verity::http
