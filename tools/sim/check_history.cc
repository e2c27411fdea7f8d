#include "tools/sim/check_history.h"

#include "sim/recorded_history.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace verity::sim_tool {

int check_history(const std::string& path) {
  std::ifstream file(path);
  sim::RecordedHistory recorded;
  for (std::string line; file && !recorded.failure() && std::getline(file, line);) recorded.take(line);
  if (!recorded.failure() && !file.eof()) {
    std::fprintf(stderr, "verity-sim: cannot read %s: %s\n", path.c_str(), std::strerror(errno));
    return 2;
  }
  std::printf("%s\n", recorded.describe().c_str());
  if (!recorded.failure()) return 0;
  std::printf("FAILED %s\n", recorded.failure()->c_str());
  return 1;
}

}  // namespace verity::sim_tool
