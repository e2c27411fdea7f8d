#include "io/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace verity {

void assertion_failed(const char* file, int line, const char* condition, const char* note) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s%s%s\n", file, line, condition, *note ? ": " : "", note);
  std::fflush(stderr);
  std::abort();
}

}  // namespace verity
