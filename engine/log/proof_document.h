// The members of a proof file as values, and the JSON they stand in. Says nothing about whether a proof holds:
// engine/log/proof.h does. Document: docs/format/proof.md.
#pragma once

#include "engine/crypto/sha256.h"
#include "engine/log/entry.h"
#include "io/base/ids.h"
#include "io/base/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace verity::log {

using BoundHeader = std::array<std::byte, EntryHeader::bound_bytes>;

struct HeadDocument {
  Position position;
  BoundHeader entry{};
  std::vector<Sha256Digest> path;
  Sha256Digest root;
};

struct EventDocument {
  std::uint32_t index = 0;
  std::string stream;
  Revision revision;
  std::string type;
  std::string data;
  std::optional<std::string> id;
  std::optional<std::string> subject;
  std::optional<Revision> subject_revision;
  std::optional<std::string> metadata;
};

struct InclusionDocument {
  Id128 cluster_id;
  Position position;
  BoundHeader entry{};
  std::vector<Sha256Digest> path;
  HeadDocument head;
  std::optional<Bytes> body;
  std::optional<EventDocument> event;
};

struct ConsistencyDocument {
  Id128 cluster_id;
  HeadDocument old_head;
  HeadDocument new_head;
  std::vector<Sha256Digest> path;
};

using ProofDocument = std::variant<InclusionDocument, ConsistencyDocument>;

// invalid_argument if a text is not UTF-8.
Result<std::string> print(const ProofDocument& document);

// Exactly the members of the document's grammar, each once. invalid_argument with the member's place (a JSON pointer),
// what is wrong and what is allowed.
Result<ProofDocument> parse_proof_document(std::string_view text);

}  // namespace verity::log
