// One event of an answer, as verity-admin prints it. The bytes of data and metadata are shown as they were sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace verity::tools {

// `event` is the JSON object of one event. With `json` it is printed whole on one line; else its revision, token,
// time, type, subject and data.
std::string event_line(std::string_view event, bool json);
std::string event_header();

// "42.2" of an event; nothing if it has none.
std::optional<std::string> token_of(std::string_view event);

}  // namespace verity::tools
