// What this build writes into entry headers; rises when the meaning of entries changes.
#pragma once

#include <cstdint>

namespace verity::node {

inline constexpr std::uint32_t release = 1;

}  // namespace verity::node
