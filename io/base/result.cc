#include "io/base/result.h"

namespace verity {

std::string_view describe(ErrorCode code) {
  switch (code) {
    case ErrorCode::io_error:
      return "io_error";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::crashed:
      return "crashed";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::timed_out:
      return "timed_out";
    case ErrorCode::closed:
      return "closed";
    case ErrorCode::refused:
      return "refused";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::already_exists:
      return "already_exists";
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::limit_exceeded:
      return "limit_exceeded";
    case ErrorCode::out_of_space:
      return "out_of_space";
    case ErrorCode::permission_denied:
      return "permission_denied";
    case ErrorCode::busy:
      return "busy";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::read_only:
      return "read_only";
  }
  return "unknown";
}

std::string Error::describe() const {
  return std::string(verity::describe(code)) + ": " + message;
}

Error Error::within(std::string_view doing) && {
  return Error{code, std::string(doing) + ": " + std::move(message)};
}

}  // namespace verity
