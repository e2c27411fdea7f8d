// What verity-admin prints: tables for people, progress of long work, errors. JSON where --json asks for it.
#pragma once

#include "io/base/result.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verity::tools {

enum ExitCode : int { exit_fine = 0, exit_failure = 1, exit_usage = 2 };

// Columns of text, as wide as they need to be; numbers to the right.
class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns);

  void add(std::vector<std::string> cells);  // one per column
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns a text takes on a terminal: characters of UTF-8, counted as one each.
std::size_t width_of(std::string_view utf8);

// How far long work has come, on standard error: a bar redrawn in place on a terminal, else a plain line now and then.
//
//   verifying  [##########..........]  50 %  512 MB of 1 GB
class Progress {
 public:
  enum class Unit : std::uint8_t { items, bytes };
  // `quiet`: nothing at all (--json for programs).
  Progress(std::string label, Unit unit, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `total` 0: not known.
  void update(std::uint64_t done, std::uint64_t total);
  // The last state, then the line is left.
  void finish();

 private:
  void draw();

  const std::string label_;
  const Unit unit_;
  const bool quiet_;
  const bool on_terminal_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_drawn_;
};

// One line, as draw() shows it.
std::string progress_line(std::string_view label, Progress::Unit unit, std::uint64_t done,
                          std::uint64_t total);

// "verity-admin: MESSAGE" on standard error, or {"error":{"code":…,"message":…}} on standard output with --json.
void print_error(bool json, std::string_view code, std::string_view message);
void print_error(bool json, const Error& error);

void print(std::string_view text);  // to standard output

}  // namespace verity::tools
