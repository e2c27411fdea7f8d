// The lines of a script, one command each, with what comes of them.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>

namespace verity::consensus::testing {

// `obey` adds to `out` what a command did; false: it cannot be understood. `what_is_broken` is asked after each; empty: nothing.
// Whichever says so ends the script. Empty lines and those that begin with # are left out.
void run_commands(const std::string& commands, std::string& out,
                  const std::function<bool(const std::string& command, std::istream& words)>& obey,
                  const std::function<std::string()>& what_is_broken);

}  // namespace verity::consensus::testing
