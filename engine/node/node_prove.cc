// Proofs of what is in the log.
#include "engine/log/proof.h"
#include "engine/node/node_impl.h"
#include "io/directory.h"
#include "io/file.h"

namespace verity::node {
namespace {

Refusal refusal_of(const Error& error) {
  Refusal refusal{.code = RefusalCode::invalid_request, .detail = error.message};
  if (error.code == ErrorCode::busy || error.code == ErrorCode::crashed) {
    refusal.code = RefusalCode::not_ready;
    refusal.retry_after = 5s;
  }
  if (error.code == ErrorCode::corrupt) refusal.code = RefusalCode::damaged;
  if (error.code == ErrorCode::io_error) refusal.code = RefusalCode::io_error;
  return refusal;
}

}  // namespace

std::optional<Refusal> NodeImpl::refuse_proofs(Position position) const {
  if (auto refusal = refuse_reads()) return refusal;
  if (opened_.tree_nodes == nullptr) {
    return Refusal{
        .code = RefusalCode::read_only,
        .detail = "a node that was started read-only keeps no tree; make the proof from its data directory"};
  }
  if (position.value == 0 || position > derived_.position) {
    return Refusal{.code = RefusalCode::invalid_request,
                   .detail = "position " + position.describe() + ": 1 to " + derived_.position.describe() +
                             " are there"};
  }
  return std::nullopt;
}

Result<log::HeadEvidence> NodeImpl::head_evidence(io::Wait& wait, Position position) {
  log::HeadEvidence head;
  VERITY_TRY_ASSIGN(head.entry, log_.reader().read(wait, position));
  VERITY_TRY_ASSIGN(head.path, opened_.tree_nodes->prove_inclusion(wait, position, position.value));
  VERITY_TRY_ASSIGN(head.root, opened_.tree_nodes->root(wait, position.value));
  return head;
}

Outcome<std::string> NodeImpl::prove_inclusion(io::Wait& wait, Position position,
                                               std::optional<std::uint32_t> event) {
  if (auto refusal = refuse_proofs(position)) return std::unexpected(std::move(*refusal));
  const Position head = derived_.position;
  const auto prove = [&]() -> Result<std::string> {
    VERITY_TRY_ASSIGN(const log::EntryPtr entry, log_.reader().read(wait, position));
    VERITY_TRY_ASSIGN(const log::InclusionProof path,
                      opened_.tree_nodes->prove_inclusion(wait, position, head.value));
    VERITY_TRY_ASSIGN(const log::HeadEvidence evidence, head_evidence(wait, head));
    return log::write_inclusion_proof(*entry, path, evidence, true, event);
  };
  Result<std::string> proof = prove();
  if (!proof) {
    mend_tree();
    return std::unexpected(refusal_of(proof.error()));
  }
  return std::move(*proof);
}

Outcome<std::string> NodeImpl::prove_consistency(io::Wait& wait, Position from, Position to) {
  if (auto refusal = refuse_proofs(to)) return std::unexpected(std::move(*refusal));
  if (from.value == 0 || from > to) {
    return std::unexpected(
        Refusal{.code = RefusalCode::invalid_request,
                .detail = "from " + from.describe() + ": 1 to " + to.describe() + " are allowed"});
  }
  const auto prove = [&]() -> Result<std::string> {
    VERITY_TRY_ASSIGN(const log::HeadEvidence old_head, head_evidence(wait, from));
    VERITY_TRY_ASSIGN(const log::HeadEvidence new_head, head_evidence(wait, to));
    VERITY_TRY_ASSIGN(const log::ConsistencyProof path,
                      opened_.tree_nodes->prove_consistency(wait, from.value, to.value));
    return log::write_consistency_proof(old_head, new_head, path);
  };
  Result<std::string> proof = prove();
  if (!proof) {
    mend_tree();
    return std::unexpected(refusal_of(proof.error()));
  }
  return std::move(*proof);
}

}  // namespace verity::node
