#include "io/linux/port_holder.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

namespace verity::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view listening = "0A";

// The sockets that listen on `port`, as links in /proc/*/fd name them. Columns of the table:
// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
std::set<std::string> listening_sockets(std::uint16_t port) {
  std::set<std::string> sockets;
  for (const char* const table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);  // headings
    while (std::getline(file, line)) {
      std::istringstream columns(line);
      std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
      columns >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >>
          inode;
      const auto colon = local.rfind(':');
      if (!columns || state != listening || colon == std::string::npos) continue;
      std::uint16_t local_port = 0;
      std::from_chars(local.data() + colon + 1, local.data() + local.size(), local_port, 16);
      if (local_port == port) sockets.insert("socket:[" + inode + "]");
    }
  }
  return sockets;
}

bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool holds_any(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code error;
  // Other users' processes do not show theirs; then this ends at once.
  for (auto entry = fs::directory_iterator(process / "fd", error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code unreadable;
    const fs::path target = fs::read_symlink(entry->path(), unreadable);
    if (!unreadable && sockets.contains(target.string())) return true;
  }
  return false;
}

}  // namespace

std::string describe_port_holder(std::uint16_t port) {
  const std::set<std::string> sockets = listening_sockets(port);
  if (sockets.empty()) return "something that does not show in /proc/net";
  std::error_code error;
  for (auto entry = fs::directory_iterator("/proc", error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string id = entry->path().filename().string();
    if (!is_number(id) || !holds_any(entry->path(), sockets)) continue;
    std::ifstream file(entry->path() / "comm");
    std::string name;
    std::getline(file, name);
    const bool is_self = id == std::to_string(::getpid());
    return "process " + id + " (" + name + ")" + (is_self ? ", which is this one" : "");
  }
  return "a process that this user may not see";
}

}  // namespace verity::io
