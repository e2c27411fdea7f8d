#include "engine/log/behind_damage.h"

#include "io/base/probe.h"

#include <algorithm>

namespace verity::log {
namespace {

// Behind a hole there is an entry that says what the last one of the hole was, and when.
bool is_acceptable(const Hole& hole, Position committed) {
  return hole.end().value <= committed.value + 1 && hole.next_entry();
}

}  // namespace

EntryPtr Hole::next_entry() const {
  const auto holder = std::find_if(flushes.begin(), flushes.end(),
                                   [](const ScannedFlush& flush) { return !flush.entries.empty(); });
  return holder == flushes.end() ? nullptr : holder->entries.front();
}

Result<BehindDamage> look_behind(io::Wait& wait, SegmentScanner& scanner, ScanStop stop,
                                 Position checkpoint) {
  BehindDamage behind{.holes = {}, .end = std::move(stop), .known = scanner.committed()};
  while (behind.end.verdict == Verdict::damaged) {
    VERITY_TRY_ASSIGN(const std::optional<Sha256Digest> parent, scanner.skip_damage(wait));
    if (!parent) break;
    Hole hole{std::move(behind.end), behind.known, *parent, {}};
    while (true) {
      VERITY_TRY_ASSIGN(ScanStep step, scanner.next(wait));
      if (auto* const flush = std::get_if<ScannedFlush>(&step)) {
        hole.flushes.push_back(std::move(*flush));
        continue;
      }
      behind.end = std::move(std::get<ScanStop>(step));
      break;
    }
    behind.known = std::max(behind.known, scanner.committed());
    if (!hole.flushes.empty()) {
      VERITY_PROBE("damage: something intact stands behind it");
      behind.holes.push_back(std::move(hole));
    }
  }
  const Position committed = std::max(checkpoint, scanner.committed());
  const auto lost = std::find_if(behind.holes.begin(), behind.holes.end(),
                                 [&](const Hole& hole) { return !is_acceptable(hole, committed); });
  if (lost == behind.holes.end()) return behind;
  VERITY_PROBE("damage: what it hides may have been replaced by what follows");
  behind.end = std::move(lost->stop);
  behind.known = lost->known;
  behind.holes.erase(lost, behind.holes.end());
  return behind;
}

}  // namespace verity::log
