// GET /status: the operations guide's fields first, then what else an operator asks for.
#pragma once

#include <string>

namespace verity::node {
struct MembersProgress;
}

namespace verity::server {

struct Context;

void append_status(std::string& out, const Context& context);
// Answers a change of the members.
void append_members_progress(std::string& out, const node::MembersProgress& progress);

}  // namespace verity::server
