#include "sim/prover.h"

#include "engine/log/proof.h"
#include "engine/log/proof_document.h"
#include "sim/answers.h"

namespace verity::sim {
namespace {

void observe(Client& client, const log::HeadDocument& head) {
  client.history.observed_hash(head.position.value, log::chain_hash(head.entry).describe(),
                               head.root.describe(), client.now());
}

// The document, if one came and is to be believed; a proof that does not hold fails the run.
std::optional<log::ProofDocument> ask(io::Wait& wait, Client& client, const std::string& target) {
  const std::uint64_t epoch = client.history.epoch();
  const auto response = client.get(wait, target);
  if (!response || client.history.epoch() != epoch) return std::nullopt;
  if (response->status != 200) {
    if (!client.is_excused(code_of(*response))) client.fail(target, *response);
    return std::nullopt;
  }
  const log::ProofVerdict verdict = log::check_proof(response->body);
  auto document = log::parse_proof_document(response->body);
  if (verdict.holds && document) return std::move(*document);
  client.fail(target + " is no proof: " + (verdict.holds ? document.error().describe() : verdict.reason));
  return std::nullopt;
}

}  // namespace

void ask_inclusion(io::Wait& wait, Client& client) {
  const std::uint64_t known = client.history.last_position();
  if (known == 0) return;
  const std::uint64_t position = client.prng.between(1, known);
  // The history knows of one event at least where it knows of a request.
  const bool with_event = client.history.holds_request(position) && client.prng.chance(1, 2);
  const auto document = ask(
      wait, client, "/v1/proofs/inclusion?position=" + std::to_string(position) + (with_event ? ".0" : ""));
  if (!document) return;
  const auto* const proof = std::get_if<log::InclusionDocument>(&*document);
  if (proof == nullptr || proof->position.value != position || proof->head.position.value < known ||
      proof->event.has_value() != with_event) {
    client.fail("a proof of something else than position " + std::to_string(position));
    return;
  }
  observe(client, proof->head);
  client.history.observed_hash(position, log::chain_hash(proof->entry).describe(), "", client.now());
  if (with_event) client.history.check_bytes({position, 0}, proof->event->stream, proof->event->data);
}

void ask_consistency(io::Wait& wait, Client& client) {
  const std::uint64_t known = client.history.last_position();
  if (known == 0) return;
  const std::uint64_t to = client.prng.between(1, known);
  const std::uint64_t from = client.prng.between(1, to);
  const bool to_now = client.prng.chance(1, 3);
  const auto document = ask(
      wait, client,
      "/v1/proofs/consistency?from=" + std::to_string(from) + (to_now ? "" : "&to=" + std::to_string(to)));
  if (!document) return;
  const auto* const proof = std::get_if<log::ConsistencyDocument>(&*document);
  const bool fits = proof != nullptr && proof->old_head.position.value == from &&
                    (to_now ? proof->new_head.position.value >= known : proof->new_head.position.value == to);
  if (!fits) {
    client.fail("a proof of something else than " + std::to_string(from) + " to " + std::to_string(to));
    return;
  }
  observe(client, proof->old_head);
  observe(client, proof->new_head);
}

}  // namespace verity::sim
