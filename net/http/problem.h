// What went wrong with a request, as RFC 9457 problem documents with a stable `code`.
//
//   {"title":"Conflict","status":409,"code":"expectation_failed","detail":"…","failed_expectations":[…]}
//
// Codes are node::describe(RefusalCode) where the node refused, else one of this layer's own, all listed in
// docs/http.md.
#pragma once

#include "engine/node/request.h"
#include "io/base/units.h"

#include <string>
#include <string_view>
#include <vector>

namespace verity::http {

struct Response;

struct Problem {
  int status;
  std::string_view code;  // static text
  std::string detail;     // place, value, what is allowed
  std::vector<node::FailedExpectation> failed_expectations{};
  Position position{};  // for damaged
  NodeId leader{};      // for not_leader; 0: not known
  std::string leader_address{};
  Duration retry_after{};    // zero: no advice
  std::string_view allow{};  // for 405: the methods this path knows
};

Problem to_problem(node::Refusal refusal);

// Replaces whatever the response was going to say.
void answer(Response& response, const Problem& problem);

// The usual ones.
Problem invalid_request(std::string detail);
Problem content_too_large(std::string detail);

}  // namespace verity::http
