// Proof files: JSON that a third party checks offline. Document and rules: docs/format/proof.md.
//
//   header ─► chain hash ─► leaf ─► path ─► root ◄─ path ◄─ leaf ◄─ chain hash ◄─ header of the last entry
//     └► body hash ◄─ body ◄─ event                                                └► position = size of the tree
//
// Everything in a proof that is read may be forged: every member is verified, and a member that nobody would verify makes
// the proof invalid. Writing and checking are pure.
#pragma once

#include "engine/crypto/sha256.h"
#include "engine/log/entry.h"
#include "engine/log/merkle.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::log {

// ---- writing

// The tree up to an entry, and what shows that this entry is its last.
struct HeadEvidence {
  EntryPtr entry;
  InclusionProof path;  // of this entry, in the tree of its position
  Sha256Digest root;
};

// Documents end with a line break. invalid_argument if the evidence does not hold (it is checked before it is returned) or
// an event's text is not UTF-8.
//
// `path` is of `entry`, in the head's tree. `event`: the index of an event to spell out; the body goes along.
Result<std::string> write_inclusion_proof(const Entry& entry, const InclusionProof& path,
                                          const HeadEvidence& head, bool with_body,
                                          std::optional<std::uint32_t> event);
Result<std::string> write_consistency_proof(const HeadEvidence& old_head, const HeadEvidence& new_head,
                                            const ConsistencyProof& path);

// ---- checking

// What the checker knows from elsewhere. What is not given is not compared.
struct TrustedHead {
  std::optional<Id128> cluster_id;
  std::optional<Position> position;
  std::optional<Sha256Digest> root;
};

struct ProofVerdict {
  bool holds = false;
  std::string reason;              // why not; empty if it holds
  std::vector<std::string> steps;  // what was verified, a line each, in order

  // Of a proof that holds.
  std::string kind;  // "inclusion" or "consistency"
  Id128 cluster_id;
  Position position;      // of the proven entry; consistency: of the old head
  Timestamp recorded_at;  // of that entry
  Position head_position;
  Sha256Digest head_root;
};

// Never fails otherwise: text that is not a proof is a proof that does not hold.
ProofVerdict check_proof(std::string_view text, const TrustedHead& trusted = {});

// No proof is larger: an entry of 64 MB in hexadecimal digits, one event of that size spelled out with every character
// escaped, and room for the rest. Whoever reads a text from elsewhere reads no more than that.
inline constexpr ByteCount proof_bytes_max = 320 * MiB;

}  // namespace verity::log
