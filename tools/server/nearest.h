// "Did you mean ...?": the known name that takes the fewest edits.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace verity::tools {

// Insertions, removals, replacements and swaps of neighbours that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `known` (the first of equals), unless even that is too far to be what was meant: more than a
// third of the longer name, and more than one edit.
std::optional<std::string_view> nearest(std::string_view name, std::span<const std::string_view> known);

}  // namespace verity::tools
