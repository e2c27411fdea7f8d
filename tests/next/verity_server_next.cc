// verity-server-next: the server as it will be in the next release, for tests of clusters whose nodes are of two releases. Not
// installed.
#include "tools/server/server_main.h"

int main(int count, char** arguments) {
  return verity::tools::server_main(count, arguments, verity::node::next_releases);
}
