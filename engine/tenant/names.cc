#include "engine/tenant/names.h"

#include "engine/log/body.h"
#include "engine/tenant/utf8.h"

namespace verity::tenant {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::unexpected<Error> refuse(std::string_view what, std::string_view value, const std::string& wrong,
                              std::string_view rule) {
  std::string message(what);
  message += ' ';
  message += quoted(value);
  message += ": " + wrong + "; ";
  message += rule;
  return fail(ErrorCode::invalid_argument, std::move(message));
}

std::string not_allowed(std::string_view value, std::size_t at) {
  return quoted(value.substr(at, 1)) + " at " + std::to_string(at) + " is not allowed";
}

std::string size_of(std::string_view value) {
  return value.empty() ? "it is empty" : "it is " + std::to_string(value.size()) + " bytes long";
}

Status check_text(std::string_view what, std::string_view value, std::string_view rule,
                  bool allow_slash = true) {
  if (value.empty() || value.size() > log::name_bytes_max) return refuse(what, value, size_of(value), rule);
  if (const auto at = find_bad_utf8(value)) {
    return refuse(what, value, "the byte at " + std::to_string(*at) + " is not UTF-8", rule);
  }
  if (const auto at = find_control_character(value)) {
    return refuse(what, value, "there is a control character at " + std::to_string(*at), rule);
  }
  if (!allow_slash) {
    if (const auto at = value.find('/'); at != std::string_view::npos) {
      return refuse(what, value, not_allowed(value, at), rule);
    }
  }
  return {};
}

}  // namespace

Status check_tenant_name(std::string_view name) {
  static constexpr std::string_view rule =
      "a tenant name is 1 to 63 characters of a-z 0-9 _ -, the first a letter or digit";
  if (name.empty() || name.size() > log::tenant_name_bytes_max) {
    return refuse("tenant name", name, size_of(name), rule);
  }
  for (std::size_t at = 0; at < name.size(); ++at) {
    const char c = name[at];
    const bool fits = is_letter_or_digit(c) || (at > 0 && (c == '_' || c == '-'));
    if (!fits) return refuse("tenant name", name, not_allowed(name, at), rule);
  }
  return {};
}

Status check_stream_name(std::string_view name) {
  return check_text("stream name", name,
                    "a stream name is 1 to 255 bytes of UTF-8 without control characters and without '/'",
                    false);
}

Status check_subject(std::string_view subject) {
  return check_text("subject", subject, "a subject is 1 to 255 bytes of UTF-8 without control characters");
}

Status check_event_type(std::string_view type) {
  return check_text("event type", type,
                    "an event type is 1 to 255 bytes of UTF-8 without control characters");
}

Status check_event_id(std::string_view id) {
  return check_text("event id", id, "an event id is 1 to 255 bytes of UTF-8 without control characters");
}

Status check_idempotency_key(std::string_view key) {
  return check_text("idempotency key", key,
                    "an idempotency key is 1 to 255 bytes of UTF-8 without control characters");
}

}  // namespace verity::tenant
