// Under which conditions a micro benchmark ran: printed with its numbers, because they mean nothing without.
#pragma once

#include <benchmark/benchmark.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace verity::bench {

inline std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// By the magic numbers of statfs(2); the number itself where it is none of the usual ones.
inline std::string file_system_of(const std::string& path) {
  struct statfs facts {};
  if (::statfs(path.c_str(), &facts) != 0) return "unknown";
  switch (static_cast<unsigned long>(facts.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    case 0x01021994:
      return "tmpfs";
    case 0x794c7630:
      return "overlay";
    default: {
      char text[32];
      std::snprintf(text, sizeof text, "type 0x%lx", static_cast<unsigned long>(facts.f_type));
      return text;
    }
  }
}

inline void add_conditions() {
  utsname kernel{};
  ::uname(&kernel);
  benchmark::AddCustomContext("cpu", cpu_name());
  benchmark::AddCustomContext("kernel", kernel.release);
#ifdef __clang__
  benchmark::AddCustomContext("compiler", "clang " __clang_version__);
#else
  benchmark::AddCustomContext("compiler", "g++ " __VERSION__);
#endif
#ifdef __OPTIMIZE__
  benchmark::AddCustomContext("optimised", "yes");
#else
  benchmark::AddCustomContext("optimised", "NO: the numbers are worthless");
#endif
}

}  // namespace verity::bench
