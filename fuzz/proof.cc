// Proof files.
//
// A text either holds or says why not. One that holds still holds against its own head, and does not against another.
#include "engine/log/proof.h"

#include "fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace verity;
  const fuzz::Input input(data, size);
  const log::ProofVerdict verdict = log::check_proof(input.rest());
  FUZZ_CHECK(verdict.holds == verdict.reason.empty());
  if (!verdict.holds) return 0;
  FUZZ_CHECK(verdict.position.value > 0 && verdict.position <= verdict.head_position);
  log::TrustedHead head{
      .cluster_id = verdict.cluster_id, .position = verdict.head_position, .root = verdict.head_root};
  FUZZ_CHECK(log::check_proof(input.rest(), head).holds);
  head.root->bytes[0] ^= 1;
  FUZZ_CHECK(!log::check_proof(input.rest(), head).holds);
  return 0;
}
