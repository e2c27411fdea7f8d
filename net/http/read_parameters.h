// The query parameters of reads and subscriptions, checked.
//
//   from=7 | 42.2 | start | end    direction=forward | backward    limit=1..1000    wait=30s    subject=…
//   consistency=linearizable | leader | stale
#pragma once

#include "engine/node/request.h"
#include "io/base/units.h"
#include "net/http/problem.h"
#include "net/http/target.h"

#include <expected>
#include <optional>
#include <string_view>

namespace verity::http {

struct ReadParameters {
  node::ReadRequest request;  // with views into `target`; tenant and stream are the caller's to set
  Duration wait{};            // long poll; zero: answer at once
};

enum class ReadScope { stream, tenant };

inline constexpr std::uint32_t read_limit_max = 1000;
inline constexpr Duration read_wait_max = 60s;

// A refusal names the parameter, its value and what is allowed. Unknown parameters are refused too.
std::expected<ReadParameters, Problem> parse_read_parameters(const Target& target, ReadScope scope);
// The parameter alone; linearizable without it.
std::expected<node::Consistency, Problem> parse_consistency(const Target& target);
// The same for subscriptions: only from and subject; `last_event_id` resumes behind that event.
std::expected<ReadParameters, Problem> parse_subscription(const Target& target, ReadScope scope,
                                                          std::optional<std::string_view> last_event_id);

// "30s", "500ms", "2m" or "30" (seconds), without sign or fraction.
std::optional<Duration> parse_wait(std::string_view text);

// The place right behind an event.
node::EventToken after(node::EventToken token);

}  // namespace verity::http
