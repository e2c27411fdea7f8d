// verity-server: one node of VerityDB.
#include "tools/server/server_main.h"

int main(int count, char** arguments) {
  return verity::tools::server_main(count, arguments, verity::node::current_releases);
}
