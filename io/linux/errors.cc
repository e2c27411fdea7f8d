#include "io/linux/errors.h"

#include <cerrno>
#include <cstring>

namespace verity::io {

ErrorCode code_of_errno(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::out_of_space;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission_denied;
    case ENOENT:
      return ErrorCode::not_found;
    case EEXIST:
      return ErrorCode::already_exists;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EADDRNOTAVAIL:
      return ErrorCode::invalid_argument;
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return ErrorCode::limit_exceeded;
    case EBUSY:
    case ENOTEMPTY:
    case ETXTBSY:
    case EADDRINUSE:
      return ErrorCode::busy;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return ErrorCode::refused;
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
      return ErrorCode::closed;
    case ETIMEDOUT:
      return ErrorCode::timed_out;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::io_error;
  }
}

std::string describe_errno(int number) {
  char buffer[128];
  return ::strerror_r(number, buffer, sizeof buffer);
}

std::unexpected<Error> fail_errno(int number, std::string doing) {
  return fail(code_of_errno(number), std::move(doing) + ": " + describe_errno(number));
}

}  // namespace verity::io
