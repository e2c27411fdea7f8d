// What verity-server does, from its arguments to its exit code. The main says which releases the program knows.
#pragma once

#include "engine/node/release.h"

namespace verity::tools {

int server_main(int count, char** arguments, const node::Releases& releases);

}  // namespace verity::tools
