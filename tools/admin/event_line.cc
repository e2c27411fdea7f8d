#include "tools/admin/event_line.h"

#include "net/http/json_check.h"
#include "net/http/json_slice.h"
#include "tools/admin/output.h"

namespace verity::tools {
namespace {

struct EventParts {
  std::string_view revision, position, index, subject, type, data, metadata, recorded_at;  // JSON, as sent
};

EventParts parts_of(std::string_view event) {
  EventParts parts;
  http::JsonObjectWalker walker(event);
  while (const auto member = walker.next()) {
    const std::string_view key = member->key_text();
    if (key == "revision") parts.revision = member->value;
    if (key == "position") parts.position = member->value;
    if (key == "index") parts.index = member->value;
    if (key == "subject") parts.subject = member->value;
    if (key == "type") parts.type = member->value;
    if (key == "data") parts.data = member->value;
    if (key == "metadata") parts.metadata = member->value;
    if (key == "recorded_at") parts.recorded_at = member->value;
  }
  return parts;
}

// In JSON, line breaks stand only between values; there a space means the same.
std::string on_one_line(std::string_view json) {
  std::string out(json);
  for (char& c : out) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return out;
}

std::string_view unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"') return value.substr(1, value.size() - 2);
  return value;
}

void add_cell(std::string& line, std::string_view text, std::size_t width, bool right) {
  const std::size_t used = width_of(text);
  const std::string space(width > used ? width - used : 0, ' ');
  if (!line.empty()) line += "  ";
  line += right ? space + std::string(text) : std::string(text) + space;
}

std::string cells(std::string_view revision, std::string_view token, std::string_view time,
                  std::string_view type, std::string_view subject, std::string_view data) {
  std::string line;
  add_cell(line, revision, 8, true);
  add_cell(line, token, 10, true);
  add_cell(line, time, 27, false);
  add_cell(line, type, 16, false);
  add_cell(line, subject, 8, false);
  return line + "  " + std::string(data) + "\n";
}

}  // namespace

std::string event_header() {
  return cells("revision", "token", "recorded_at", "type", "subject", "data");
}

std::string event_line(std::string_view event, bool json) {
  if (json) return on_one_line(event) + "\n";
  const EventParts parts = parts_of(event);
  const std::string token = std::string(parts.position) + "." + std::string(parts.index);
  std::string data = on_one_line(parts.data);
  if (!parts.metadata.empty()) data += "  metadata " + on_one_line(parts.metadata);
  return cells(parts.revision, token, unquoted(parts.recorded_at), unquoted(parts.type),
               parts.subject.empty() ? "-" : unquoted(parts.subject), data);
}

std::optional<std::string> token_of(std::string_view event) {
  const EventParts parts = parts_of(event);
  if (parts.position.empty() || parts.index.empty()) return std::nullopt;
  return std::string(parts.position) + "." + std::string(parts.index);
}

}  // namespace verity::tools
