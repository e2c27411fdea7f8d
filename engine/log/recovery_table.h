// What recovery concludes from a place where a flush was expected. A table, tested row by row; the words are
// those of docs/format/log.md.
//
// The one rule behind it: an entry that may have been acknowledged is never dropped. Torn is an honest "never
// acknowledged", because the next flush starts only after this one is durable; everything else that is not
// intact is damage.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace verity::log {

enum class FirstBlock : std::uint8_t { valid, zero, wrong, misplaced };
enum class OtherBlocks : std::uint8_t {
  all_there,
  some_missing,
  nothing
};  // nothing: zeros to the end of the file
enum class Checksum : std::uint8_t { good, bad };
enum class ProvenDurable : std::uint8_t { no, yes };

struct Evidence {
  FirstBlock first_block;
  OtherBlocks other_blocks;
  Checksum checksum;
  ProvenDurable proven_durable;

  auto operator<=>(const Evidence&) const = default;
};

enum class Verdict : std::uint8_t { intact, end_of_log, torn, damaged };

std::string_view describe(Verdict verdict);

// Every combination has exactly one row.
Verdict judge(const Evidence& evidence);

}  // namespace verity::log
