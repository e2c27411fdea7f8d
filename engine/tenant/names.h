// What things may be called. Each check is fine, or says invalid_argument with the value, what is wrong with
// it, and the rule:
//
//   tenant name 'Acme': 'A' at 0 is not allowed; a tenant name is 1 to 63 characters of a-z 0-9 _ -, the
//   first a letter or digit
#pragma once

#include "io/base/result.h"

#include <string_view>

namespace verity::tenant {

// 1 to 63 characters of a-z 0-9 _ -, the first a letter or digit: fit for a path, a database name and a
// directory.
Status check_tenant_name(std::string_view name);
// 1 to 255 bytes of UTF-8 without control characters and without '/', which separates parts of a path.
Status check_stream_name(std::string_view name);
// 1 to 255 bytes of UTF-8 without control characters.
Status check_subject(std::string_view subject);
Status check_event_type(std::string_view type);
Status check_event_id(std::string_view id);
Status check_idempotency_key(std::string_view key);

}  // namespace verity::tenant
