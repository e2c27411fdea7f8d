// A trace as one self-contained HTML page: a lane per node, and in it who leads which view, what is committed, messages as
// arrows from lane to lane, writes, crashes and disturbances; the lines themselves below. What sockets carried byte by byte is
// left to the text.
#pragma once

#include <string>
#include <string_view>

namespace verity::sim {

class TracePage {
 public:
  // `title`: the line that replays the run.
  explicit TracePage(std::string title) : title_(std::move(title)) {}

  // A line as Trace gives it to its sink.
  void add(std::string_view line);

  std::string html(std::string_view verdict) const;

 private:
  std::string title_;
  std::string lines_;  // escaped
};

}  // namespace verity::sim
