// What one GET of events asks for, and the judgement over the page that answers it. A page says that it shows everything
// up to its `head` and nothing behind it: so whatever anybody knows to be there, and lies in the range of the page, must be in
// it, however weak a read it was. A stronger read has a head that lies farther on.
#pragma once

#include "sim/answers.h"
#include "sim/history.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace verity::sim {

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

// What the answer may not fall behind.
struct ReadFloor {
  std::uint64_t position = 0;
  std::optional<std::uint64_t> revision;  // the last of the stream, if one is read
};

// Tells `history` what was served, and `fail` what is wrong with it.
void judge_page(History& history, const Read& read, const Page& page, const ReadFloor& floor, Instant now,
                const std::function<void(const std::string&)>& fail);

}  // namespace verity::sim
