#include "engine/index/position_list.h"

#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <algorithm>

namespace verity::index {
namespace {

using log::put_varint;
using log::take_varint;

// Leaves room for the flag that shares a varint with the gap.
constexpr std::uint64_t position_max = UINT64_MAX >> 2;

}  // namespace

// Yields runs in order, the open one last.
class PositionList::Walker {
 public:
  Walker(const PositionList& list, const Skip& from)
      : list_(list),
        rest_(ByteView(list.tokens_).subspan(from.offset)),
        last_(from.last_before),
        rank_(from.rank) {}

  // The last position before the next run, and how many there are.
  std::uint64_t last_before() const { return last_; }
  std::uint64_t rank() const { return rank_; }

  std::optional<Run> next() {
    Run run{};
    if (!rest_.empty()) {
      const auto gap = *take_varint(rest_);
      run.first = last_ + 1 + (gap >> 1);
      run.last = run.first + ((gap & 1) != 0 ? *take_varint(rest_) + 1 : 0);
    } else if (rank_ < list_.count_) {
      run.first = list_.tail_first_;
      run.last = list_.last_;
    } else {
      return std::nullopt;
    }
    run.rank = rank_;
    rank_ += run.last - run.first + 1;
    last_ = run.last;
    return run;
  }

 private:
  const PositionList& list_;
  ByteView rest_;
  std::uint64_t last_;
  std::uint64_t rank_;
};

void PositionList::add(Position position) {
  VERITY_ASSERT(position.value > 0 && position.value <= position_max);
  if (count_ > 0 && position.value == last_) return;
  VERITY_ASSERT(position.value > last_);
  if (count_ == 0) {
    tail_first_ = position.value;
  } else if (position.value != last_ + 1) {
    add_token(tokens_last_, count_ - (last_ - tail_first_ + 1), tail_first_, last_);
    tokens_last_ = last_;
    tail_first_ = position.value;
  }
  last_ = position.value;
  ++count_;
}

void PositionList::add_token(std::uint64_t last_before, std::uint64_t rank, std::uint64_t first,
                             std::uint64_t last) {
  if (runs_in_block_ == runs_per_block) {
    if (!skips_) skips_ = std::make_unique<std::vector<Skip>>();
    skips_->push_back({.last_before = last_before, .rank = rank, .offset = tokens_.size()});
    runs_in_block_ = 0;
  }
  ++runs_in_block_;
  if (tokens_.capacity() == 0) tokens_.reserve(16);
  const bool many = last > first;
  put_varint(tokens_, (first - last_before - 1) << 1 | (many ? 1 : 0));
  if (many) put_varint(tokens_, last - first - 1);
}

PositionList::Walker PositionList::walk_from_position(std::uint64_t position) const {
  Skip from{};
  if (skips_) {
    const auto after = std::ranges::lower_bound(*skips_, position, {}, &Skip::last_before);
    if (after != skips_->begin()) from = *std::prev(after);
  }
  return Walker(*this, from);
}

PositionList::Walker PositionList::walk_from_rank(std::uint64_t rank) const {
  Skip from{};
  if (skips_) {
    const auto after = std::ranges::upper_bound(*skips_, rank, {}, &Skip::rank);
    if (after != skips_->begin()) from = *std::prev(after);
  }
  return Walker(*this, from);
}

std::optional<Position> PositionList::next(Position position) const {
  if (count_ == 0 || position.value > last_) return std::nullopt;
  if (position.value >= tail_first_) return position;
  auto walker = walk_from_position(position.value);
  while (const auto run = walker.next()) {
    if (run->last >= position.value) return Position{std::max(run->first, position.value)};
  }
  return std::nullopt;
}

std::optional<Position> PositionList::previous(Position position) const {
  if (count_ == 0) return std::nullopt;
  if (position.value >= tail_first_) return Position{std::min(position.value, last_)};
  auto walker = walk_from_position(position.value);
  auto found = walker.last_before();
  while (const auto run = walker.next()) {
    if (run->first > position.value) break;
    found = std::min(run->last, position.value);
  }
  if (found == 0) return std::nullopt;
  return Position{found};
}

std::uint64_t PositionList::rank(Position position) const {
  if (position.value > last_) return count_;
  auto walker = walk_from_position(position.value);
  while (const auto run = walker.next()) {
    if (run->first >= position.value) return run->rank;
    if (run->last >= position.value) return run->rank + (position.value - run->first);
  }
  return count_;
}

Position PositionList::select(std::uint64_t rank) const {
  VERITY_ASSERT(rank < count_);
  auto walker = walk_from_rank(rank);
  while (const auto run = walker.next()) {
    if (rank - run->rank <= run->last - run->first) return {run->first + (rank - run->rank)};
  }
  VERITY_ASSERT_NOTE(false, "a rank below the count has a position");
  return {};
}

std::size_t PositionList::heap_bytes() const {
  return tokens_.capacity() + (skips_ ? sizeof(*skips_) + skips_->capacity() * sizeof(Skip) : 0);
}

void PositionList::encode(Bytes& out) const {
  put_varint(out, count_);
  if (count_ == 0) return;
  put_varint(out, tokens_.size());
  put_bytes(out, tokens_);
  put_varint(out, tail_first_ - tokens_last_ - 1);
  put_varint(out, last_ - tail_first_);
}

PositionList PositionList::decode(log::FieldReader& reader, Position max) {
  PositionList list;
  const auto limit = std::min(max.value, position_max);
  const auto count = reader.number("position count", 0, limit);
  if (!reader.ok() || count == 0) return list;

  const auto tokens_at = reader.offset();
  const auto tokens = reader.text("runs", 0, UINT64_MAX);
  if (!reader.ok()) return list;
  log::FieldReader runs(as_bytes(tokens), "runs", tokens_at);
  std::uint64_t last = 0;
  std::uint64_t counted = 0;
  // A run that could have been joined to the one before it is refused; only the first may begin without a
  // gap.
  auto run_from = [&](std::uint64_t gap, std::uint64_t longer_by, bool is_first) {
    if (gap > limit || longer_by > limit || last + 1 + gap + longer_by > limit || (gap == 0 && !is_first))
      return false;
    last = last + 1 + gap + longer_by;
    counted += longer_by + 1;
    return true;
  };
  list.tokens_.reserve(tokens.size());
  bool is_first = true;
  while (runs.ok() && runs.rest_bytes() > 0) {
    const auto at = runs.offset();
    const auto gap = runs.number("gap");
    const auto longer_by = (gap & 1) != 0 ? runs.number("run length", 0, limit) + 1 : 0;
    const auto before = last;
    const auto rank = counted;
    if (!runs.ok()) break;
    if (!run_from(gap >> 1, longer_by, is_first)) {
      runs.fail_at(at,
                   "a run overlaps, touches its neighbour or leads past position " + std::to_string(limit));
      break;
    }
    list.add_token(before, rank, last - longer_by, last);
    is_first = false;
  }
  if (auto status = runs.check(); !status) {
    reader.fail_at(tokens_at, status.error().message);
    return {};
  }
  list.tokens_last_ = last;
  const auto at = reader.offset();
  const auto gap = reader.number("gap before the last run", 0, limit);
  const auto longer_by = reader.number("length of the last run", 0, limit);
  if (reader.ok() && !run_from(gap, longer_by, is_first)) {
    reader.fail_at(
        at, "the last run overlaps, touches its neighbour or leads past position " + std::to_string(limit));
  }
  if (reader.ok() && counted != count) {
    reader.fail_at(at, "the runs hold " + std::to_string(counted) + " positions, the count says " +
                           std::to_string(count));
  }
  if (!reader.ok()) return {};
  list.count_ = count;
  list.tail_first_ = last - longer_by;
  list.last_ = last;
  return list;
}

}  // namespace verity::index
