// verity-admin: looks after a VerityDB server and its data.
#include "tools/admin/command_line.h"
#include "tools/admin/output.h"
#include "tools/server/process_input.h"

#include <cstdio>

int main(int count, char** arguments) {
  const int code = verity::tools::run_admin(count, arguments, verity::tools::process_environment());
  // What was printed is the answer: a part of it must not look like all.
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  std::fputs("verity-admin: not all of the output could be written\n", stderr);
  return code == verity::tools::exit_fine ? verity::tools::exit_failure : code;
}
