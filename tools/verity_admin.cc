// verity-admin: looks after a VerityDB server and its data.
#include "tools/admin/command_line.h"
#include "tools/server/process_input.h"

int main(int count, char** arguments) {
  return verity::tools::run_admin(count, arguments, verity::tools::process_environment());
}
