#include "tools/admin/output.h"

#include "io/base/assert.h"
#include "io/base/units.h"
#include "tools/server/json_logger.h"

#include <unistd.h>
#include <algorithm>
#include <cstdio>

namespace verity::tools {
namespace {

constexpr std::size_t bar_width = 20;

std::string amount(Progress::Unit unit, std::uint64_t count) {
  return unit == Progress::Unit::bytes ? describe_bytes(count) : std::to_string(count);
}

std::string padded(std::string_view text, std::size_t width, Table::Align align) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return align == Table::Align::left ? std::string(text) + space : space + std::string(text);
}

}  // namespace

std::size_t width_of(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) {
  VERITY_ASSERT(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i]));
    widths.push_back(width);
  }
  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line += "  ";
      line += padded(cell_of(i), widths[i], columns_[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) add_line([&](std::size_t i) -> const std::string& { return row[i]; });
  return out;
}

std::string progress_line(std::string_view label, Progress::Unit unit, std::uint64_t done,
                          std::uint64_t total) {
  if (total == 0) return std::string(label) + "  " + amount(unit, done);
  const auto fraction = static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(fraction * bar_width);
  return std::string(label) + "  [" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "] " +
         padded(std::to_string(static_cast<int>(fraction * 100)), 3, Table::Align::right) + " %  " +
         amount(unit, done) + " of " + amount(unit, total);
}

Progress::Progress(std::string label, Unit unit, bool quiet)
    : label_(std::move(label)),
      unit_(unit),
      quiet_(quiet),
      on_terminal_(::isatty(STDERR_FILENO) == 1),
      last_drawn_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (on_terminal_ && drawn_) std::fputs("\n", stderr);
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  done_ = done;
  total_ = total;
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  const auto pause = on_terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (now - last_drawn_ < pause) return;
  last_drawn_ = now;
  draw();
}

void Progress::finish() {
  if (quiet_ || !drawn_) return;  // short work needs no bar
  draw();
  if (on_terminal_) std::fputs("\n", stderr);
  drawn_ = false;
}

void Progress::draw() {
  const std::string line = progress_line(label_, unit_, done_, total_);
  if (on_terminal_) {
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    std::fflush(stderr);
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  drawn_ = true;
}

void print_error(bool json, std::string_view code, std::string_view message) {
  if (!json) {
    std::fflush(stdout);
    std::fprintf(stderr, "verity-admin: %.*s\n", static_cast<int>(message.size()), message.data());
    return;
  }
  std::string out = "{\"error\":{\"code\":";
  append_json_string(out, code);
  out += ",\"message\":";
  append_json_string(out, message);
  print(out + "}}\n");
}

void print_error(bool json, const Error& error) {
  print_error(json, describe(error.code), error.message);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace verity::tools
