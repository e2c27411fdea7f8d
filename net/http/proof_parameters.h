// The query parameters of proofs, checked.
//
//   /v1/proofs/inclusion?position=42.1 (or 42)      /v1/proofs/consistency?from=17&to=42
#pragma once

#include "io/base/ids.h"
#include "net/http/problem.h"
#include "net/http/target.h"

#include <cstdint>
#include <expected>
#include <optional>

namespace verity::http {

struct InclusionParameters {
  Position position;
  std::optional<std::uint32_t> event;  // an event to spell out; the index behind the point
};

struct ConsistencyParameters {
  Position from;
  std::optional<Position> to;  // not given: the head
};

// A refusal names the parameter, its value and what is allowed. Unknown parameters are refused too.
std::expected<InclusionParameters, Problem> parse_inclusion_parameters(const Target& target);
std::expected<ConsistencyParameters, Problem> parse_consistency_parameters(const Target& target);

}  // namespace verity::http
