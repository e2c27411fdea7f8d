// Reads pages, heads and status, and judges each answer by what was known before it was asked for.
#pragma once

#include "sim/answers.h"
#include "sim/client.h"

#include <cstdint>
#include <optional>
#include <string>

namespace verity::sim {

// What one GET of events asks for.
struct Read {
  std::string tenant;
  std::string stream;   // or empty
  std::string subject;  // or empty
  bool backward = false;
  std::optional<std::uint64_t> from_revision;
  std::optional<Place> from_place;
  bool from_end = false;
  std::uint64_t limit = 100;
  Duration wait{};

  std::string target() const;
};

void read_events(io::Wait& wait, Client& client);
void ask_head(io::Wait& wait, Client& client);
void ask_status(io::Wait& wait, Client& client);

}  // namespace verity::sim
