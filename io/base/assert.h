// Assertions that stay on in production: a broken invariant stops the process, because recovery is
// better tested than confusion. Never assert on bytes that came from disk or network.
#pragma once

namespace verity {

// Prints one line (file, line, condition, note) to standard error and aborts.
[[noreturn]] void assertion_failed(const char* file, int line, const char* condition, const char* note);

}  // namespace verity

// Says one thing about the state of this program. Always on.
#define VERITY_ASSERT(condition)                                      \
  do {                                                                \
    if (!(condition)) [[unlikely]]                                    \
      ::verity::assertion_failed(__FILE__, __LINE__, #condition, ""); \
  } while (false)

// The same with a note for the reader of the crash.
#define VERITY_ASSERT_NOTE(condition, note)                             \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::verity::assertion_failed(__FILE__, __LINE__, #condition, note); \
  } while (false)

// Whole-structure checks, too slow for production; on where VERITY_VERIFY_ENABLED is 1 (debug and simulation).
#if defined(VERITY_VERIFY_ENABLED) && VERITY_VERIFY_ENABLED
#define VERITY_VERIFY(condition) VERITY_ASSERT(condition)
#else
#define VERITY_VERIFY(condition) \
  do {                           \
  } while (false)
#endif
