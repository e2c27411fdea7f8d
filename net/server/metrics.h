// The metrics in Prometheus' text format: the operations guide's names and types, and what is missing there.
#pragma once

#include <string>
#include <string_view>

namespace verity::server {

struct Context;

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

std::string render_metrics(const Context& context);

}  // namespace verity::server
