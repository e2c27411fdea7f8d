// The outcome of asking the outside world for something: a value, or an Error that says what went wrong
// and what we were doing. Expected outcomes of an operation belong into its return type instead; bugs are
// assertions (io/base/assert.h).
//
//   Result<ByteCount> n = file.read(wait, 0, buffer);
//   if (!n) return std::unexpected(n.error());
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace verity {

enum class ErrorCode : std::uint8_t {
  io_error,   // the device or the kernel failed; contents unknown
  corrupt,    // bytes were read but are not what was written
  crashed,    // this node's world has ended (simulator) or is being torn down
  cancelled,  // the caller asked to stop
  timed_out,  // the deadline of the Wait passed
  closed,     // the peer or the owner closed the connection, queue or listener
  refused,    // nobody listens there
  not_found,
  already_exists,
  invalid_argument,  // input that no retry will make valid
  limit_exceeded,    // a stated limit; the message names limit and size
  out_of_space,
  permission_denied,
  busy,  // held by somebody else; the message names the holder
  unsupported,
  read_only,
};

// Stable lower-case name, such as "out_of_space".
std::string_view describe(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string message;  // place, value, what is allowed; no trailing full stop

  // "out_of_space: writing log/current.segment at 8192: No space left on device"
  std::string describe() const;
  // The same error seen from further out: "starting node: <message>".
  Error within(std::string_view doing) &&;
};

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

using Status = Result<void>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

// The only way to drop a Result: by name, with a reason the reader can judge.
template <class T>
void ignore(const Result<T>& /*result*/, const char* /*reason*/) {}

}  // namespace verity

#define VERITY_CONCAT_INNER(a, b) a##b
#define VERITY_CONCAT(a, b) VERITY_CONCAT_INNER(a, b)

// Leaves the enclosing function with the error of `expression`, if it has one.
#define VERITY_TRY(expression)                                      \
  do {                                                              \
    if (auto verity_try_ = (expression); !verity_try_) [[unlikely]] \
      return std::unexpected(std::move(verity_try_).error());       \
  } while (false)

// VERITY_TRY_ASSIGN(auto size, file.size(wait)): declares or assigns the value, or leaves with the error.
#define VERITY_TRY_ASSIGN(target, expression) \
  VERITY_TRY_ASSIGN_INNER(VERITY_CONCAT(verity_result_, __LINE__), target, expression)
#define VERITY_TRY_ASSIGN_INNER(result, target, expression) \
  auto result = (expression);                               \
  if (!result) [[unlikely]]                                 \
    return std::unexpected(std::move(result).error());      \
  target = std::move(*result)
