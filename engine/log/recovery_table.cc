#include "engine/log/recovery_table.h"

#include "io/base/assert.h"

#include <array>
#include <optional>

namespace verity::log {
namespace {

// Empty means "whatever".
struct Row {
  FirstBlock first_block;
  std::optional<OtherBlocks> other_blocks;
  std::optional<Checksum> checksum;
  std::optional<ProvenDurable> proven_durable;
  Verdict verdict;

  bool matches(const Evidence& evidence) const {
    return first_block == evidence.first_block && (!other_blocks || *other_blocks == evidence.other_blocks) &&
           (!checksum || *checksum == evidence.checksum) &&
           (!proven_durable || *proven_durable == evidence.proven_durable);
  }
};

using enum OtherBlocks;
constexpr auto good = Checksum::good;
constexpr auto bad = Checksum::bad;
constexpr auto no = ProvenDurable::no;
constexpr auto yes = ProvenDurable::yes;
constexpr std::nullopt_t any = std::nullopt;

// First match counts; the order only keeps the rows short.
constexpr std::array<Row, 10> rows = {{
    {FirstBlock::valid, all_there, good, any, Verdict::intact},
    {FirstBlock::valid, all_there, bad, any, Verdict::damaged},
    {FirstBlock::valid, some_missing, any, no, Verdict::torn},
    {FirstBlock::valid, some_missing, any, yes, Verdict::damaged},
    {FirstBlock::zero, nothing, any, no, Verdict::end_of_log},
    {FirstBlock::zero, any, any, no, Verdict::torn},
    {FirstBlock::zero, any, any, yes, Verdict::damaged},
    {FirstBlock::wrong, any, any, any, Verdict::damaged},
    {FirstBlock::misplaced, any, any, any, Verdict::damaged},
    // A valid header always has at least one block: "nothing" cannot come with it.
    {FirstBlock::valid, nothing, any, any, Verdict::damaged},
}};

}  // namespace

std::string_view describe(Verdict verdict) {
  switch (verdict) {
    case Verdict::intact:
      return "intact";
    case Verdict::end_of_log:
      return "end of log";
    case Verdict::torn:
      return "torn";
    case Verdict::damaged:
      return "damaged";
  }
  return "unknown";
}

Verdict judge(const Evidence& evidence) {
  for (const Row& row : rows) {
    if (row.matches(evidence)) return row.verdict;
  }
  VERITY_ASSERT_NOTE(false, "the recovery table has a hole");
  return Verdict::damaged;
}

}  // namespace verity::log
