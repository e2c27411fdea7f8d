// GET /status: the operations guide's fields first, then what else an operator asks for.
#pragma once

#include <string>

namespace verity::server {

struct Context;

void append_status(std::string& out, const Context& context);

}  // namespace verity::server
