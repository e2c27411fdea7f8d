// Reading members of checked JSON objects into fields, with refusals that name the place: shared by the event
// forms.
#pragma once

#include "engine/node/request.h"
#include "net/http/json_slice.h"

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace verity::http {

// A sentence, or nothing.
using Fault = std::optional<std::string>;

// "event 3", "line 17", "stream 2, event 0": where in the body we are.
using Place = std::string_view;

// What a string stands for: a view into it if nothing is escaped, else into a new string of `texts`.
std::string_view string_text(std::string_view quoted, std::deque<std::string>& texts);
std::string_view key_text(const JsonMember& member, std::deque<std::string>& texts);

// Sets `out` to the string's text.
Fault read_string(Place place, std::string_view key, std::string_view value, std::deque<std::string>& texts,
                  std::string_view& out);
// A number or one of the words, as in the Expected-Revision header.
Fault read_expectation(Place place, std::string_view key, std::string_view value, node::Expectation& out);

std::string wrong_type(Place place, std::string_view key, std::string_view value, std::string_view allowed);

// At most about 60 bytes of a value, for a message; never half a character.
std::string excerpt(std::string_view value);

}  // namespace verity::http
