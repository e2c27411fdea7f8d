// The kernel's error numbers as errors of ours.
#pragma once

#include "io/base/result.h"

#include <string>

namespace verity::io {

// What kind of failure an errno is; io_error for those that say nothing better.
ErrorCode code_of_errno(int number);

// "reading /data/log/current.segment at 4096: Input/output error".
std::unexpected<Error> fail_errno(int number, std::string doing);

// The kernel's words for an errno.
std::string describe_errno(int number);

}  // namespace verity::io
