#include "engine/consensus/testing/commands.h"

#include <sstream>

namespace verity::consensus::testing {

void run_commands(const std::string& commands, std::string& out,
                  const std::function<bool(const std::string& command, std::istream& words)>& obey,
                  const std::function<std::string()>& what_is_broken) {
  std::istringstream lines(commands);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string command;
    words >> command;
    out += "> " + line + "\n";
    if (!obey(command, words)) {
      out += "cannot be understood\n";
      return;
    }
    if (const std::string broken = what_is_broken(); !broken.empty()) {
      out += "VIOLATION " + broken + "\n";
      return;
    }
  }
}

}  // namespace verity::consensus::testing
