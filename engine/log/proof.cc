#include "engine/log/proof.h"

#include "engine/log/body.h"
#include "engine/log/proof_document.h"

#include <cstring>
#include <type_traits>
#include <utility>

namespace verity::log {
namespace {

// The bound part of a header; the checksums after it stay zero.
EntryHeader header_from(const BoundHeader& bound) {
  EntryHeader header;
  std::memcpy(static_cast<void*>(&header), bound.data(), bound.size());
  return header;
}

BoundHeader bound_of(const Entry& entry) {
  BoundHeader bound;
  std::memcpy(bound.data(), entry.header_bytes().data(), bound.size());
  return bound;
}

// Goes through a proof step by step; after the first that does not hold, nothing more is looked at.
class Checker {
 public:
  explicit Checker(const TrustedHead& trusted) : trusted_(trusted) {}

  ProofVerdict check(const InclusionDocument& proof) {
    verdict_.kind = "inclusion";
    verdict_.cluster_id = proof.cluster_id;
    verdict_.position = proof.position;
    check_head("head", proof.cluster_id, proof.head);
    const auto leaf = check_header("entry", proof.cluster_id, proof.position, proof.entry);
    expect_path("entry", leaf, proof.position, proof.head, proof.path);
    check_body(proof);
    check_event(proof);
    verdict_.recorded_at = header_from(proof.entry).timestamp;
    return finish(proof.cluster_id, proof.head);
  }

  ProofVerdict check(const ConsistencyDocument& proof) {
    verdict_.kind = "consistency";
    verdict_.cluster_id = proof.cluster_id;
    verdict_.position = proof.old_head.position;
    check_head("old head", proof.cluster_id, proof.old_head);
    check_head("new head", proof.cluster_id, proof.new_head);
    expect(verify_consistency(proof.old_head.root, proof.new_head.root,
                              {.old_size = proof.old_head.position.value,
                               .new_size = proof.new_head.position.value,
                               .path = proof.path}),
           "path: the log up to " + proof.new_head.position.describe() + " begins with the log up to " +
               proof.old_head.position.describe());
    verdict_.recorded_at = header_from(proof.old_head.entry).timestamp;
    return finish(proof.cluster_id, proof.new_head);
  }

 private:
  bool ok() const { return verdict_.reason.empty(); }

  // A step that holds becomes a line; the first that does not becomes the reason.
  void expect(bool holds, const std::string& step, const std::string& otherwise) {
    if (!ok()) return;
    if (holds) {
      verdict_.steps.push_back(step);
    } else {
      verdict_.reason = otherwise;
    }
  }
  void expect(const Status& status, const std::string& step) {
    expect(status.has_value(), step,
           status ? "" : step.substr(0, step.find(':')) + ": " + status.error().message);
  }

  // The header speaks of this cluster and position; gives its leaf.
  Sha256Digest check_header(const std::string& name, Id128 cluster_id, Position position,
                            const BoundHeader& bound) {
    const auto header = header_from(bound);
    const auto hash = chain_hash(bound);
    const bool is_entry = header.magic == EntryHeader::magic_value && header.format == 1;
    expect(is_entry && (header.proposer == 0 || header.release >= named_since),
           name + ": the header is an entry's", name + ": the header is not that of an entry of format 1");
    expect(header.cluster_id == cluster_id, name + ": of cluster " + cluster_id.describe(),
           name + ": the header is of cluster " + header.cluster_id.describe() + ", the proof of " +
               cluster_id.describe());
    expect(header.position == position && position.value > 0, name + ": at position " + position.describe(),
           name + ": the header is at position " + header.position.describe() + ", the proof says " +
               position.describe());
    expect(true, name + ": chain hash " + hash.describe(), "");
    return merkle_leaf(hash);
  }

  void expect_path(const std::string& name, const Sha256Digest& leaf, Position position,
                   const HeadDocument& head, const std::vector<Sha256Digest>& path) {
    expect(verify_inclusion(
               leaf, {.leaf_index = position.value - 1, .tree_size = head.position.value, .path = path},
               head.root),
           name + ": leaf " + std::to_string(position.value - 1) + " of the tree of " +
               head.position.describe() + " with root " + head.root.describe());
  }

  // Its entry is the last one of its tree, which binds the size of the tree.
  void check_head(const std::string& name, Id128 cluster_id, const HeadDocument& head) {
    const auto leaf = check_header(name, cluster_id, head.position, head.entry);
    expect_path(name, leaf, head.position, head, head.path);
  }

  void check_body(const InclusionDocument& proof) {
    if (!proof.body) return;
    const auto header = header_from(proof.entry);
    expect(proof.body->size() == header.body_bytes, "body: " + std::to_string(header.body_bytes) + " bytes",
           "body: it has " + std::to_string(proof.body->size()) + " bytes, the header says " +
               std::to_string(header.body_bytes));
    const auto hash = sha256({*proof.body});
    expect(hash == header.body_hash, "body: hash " + hash.describe(),
           "body: its hash is " + hash.describe() + ", the header says " + header.body_hash.describe());
  }

  void check_event(const InclusionDocument& proof) {
    if (!proof.event || !ok()) return;
    const auto header = header_from(proof.entry);
    expect(proof.body.has_value(), "event: there is a body", "event: without a body it cannot be verified");
    expect(header.kind == EntryKind::events && header.encoding == EntryEncoding::plain,
           "event: the entry holds events", "event: the entry holds no events in plain");
    if (!ok()) return;
    EventsBody body;
    expect(decode(*proof.body, body), "event: the body is well formed");
    const auto index = proof.event->index;
    if (ok()) {
      expect(index < body.events.size(), "event: index " + std::to_string(index),
             "event: index " + std::to_string(index) + " is not below " + std::to_string(body.events.size()));
    }
    if (ok()) check_event_members(*proof.event, body, body.events[index]);
  }

  void check_event_members(const EventDocument& claim, const EventsBody& body, const BodyEvent& event) {
    auto same = [&](const char* name, std::string_view claimed, std::string_view found) {
      expect(claimed == found, std::string("event: ") + name,
             std::string("event: ") + name + " is not what the body says");
    };
    // Absent in the claim is empty in the body, which nothing that is there can be.
    auto same_optional = [&](const char* name, const std::optional<std::string>& claimed,
                             std::string_view found) {
      expect(claimed.has_value() != found.empty(), std::string("event: ") + name + (claimed ? "" : " (none)"),
             std::string("event: ") + name + (claimed ? " is not in the body" : " is missing"));
      if (claimed) same(name, *claimed, found);
    };
    same("stream", claim.stream, body.streams[event.stream].name);
    same("revision", claim.revision.describe(), event.revision.describe());
    same("type", claim.type, event.type);
    same("data", claim.data, event.data);
    same_optional("id", claim.id, event.id);
    same_optional("subject", claim.subject, event.subject);
    same_optional("metadata", claim.metadata, event.metadata);
    expect(claim.subject_revision.has_value() == claim.subject.has_value(), "event: subject_revision",
           "event: subject and subject_revision come together");
    if (claim.subject_revision) {
      same("subject_revision", claim.subject_revision->describe(), event.subject_revision.describe());
    }
  }

  ProofVerdict finish(Id128 cluster_id, const HeadDocument& head) {
    if (trusted_.cluster_id) {
      expect(cluster_id == *trusted_.cluster_id, "trusted: cluster id",
             "trusted: the proof is of cluster " + cluster_id.describe() + ", not of " +
                 trusted_.cluster_id->describe());
    }
    if (trusted_.position) {
      expect(head.position == *trusted_.position, "trusted: position of the head",
             "trusted: the head is at position " + head.position.describe() + ", not at " +
                 trusted_.position->describe());
    }
    if (trusted_.root) {
      expect(head.root == *trusted_.root, "trusted: root of the head",
             "trusted: the head has root " + head.root.describe() + ", not " + trusted_.root->describe());
    }
    verdict_.head_position = head.position;
    verdict_.head_root = head.root;
    verdict_.holds = ok();
    return std::move(verdict_);
  }

  const TrustedHead& trusted_;
  ProofVerdict verdict_;
};

ProofVerdict check(const ProofDocument& document, const TrustedHead& trusted) {
  return std::visit([&](const auto& proof) { return Checker(trusted).check(proof); }, document);
}

HeadDocument document_of(const HeadEvidence& head) {
  return {.position = head.entry->position(),
          .entry = bound_of(*head.entry),
          .path = head.path.path,
          .root = head.root};
}

// Nothing that does not hold leaves this house.
Result<std::string> checked(const ProofDocument& document) {
  const auto verdict = check(document, {});
  if (!verdict.holds)
    return fail(ErrorCode::invalid_argument, "the evidence does not hold: " + verdict.reason);
  return print(document);
}

Result<EventDocument> spell_out(const Entry& entry, std::uint32_t index) {
  EventsBody body;
  if (entry.header().kind != EntryKind::events || entry.header().encoding != EntryEncoding::plain) {
    return fail(ErrorCode::invalid_argument,
                "entry " + entry.position().describe() + " holds no events in plain");
  }
  VERITY_TRY(decode(entry.body(), body));
  if (index >= body.events.size()) {
    return fail(ErrorCode::invalid_argument, "entry " + entry.position().describe() + " has " +
                                                 std::to_string(body.events.size()) +
                                                 " events, there is no index " + std::to_string(index));
  }
  const auto& event = body.events[index];
  auto if_any = [](std::string_view text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
  };
  EventDocument document{.index = index,
                         .stream = std::string(body.streams[event.stream].name),
                         .revision = event.revision,
                         .type = std::string(event.type),
                         .data = std::string(event.data),
                         .id = if_any(event.id),
                         .subject = if_any(event.subject),
                         .subject_revision = {},
                         .metadata = if_any(event.metadata)};
  if (document.subject) document.subject_revision = event.subject_revision;
  return document;
}

}  // namespace

Result<std::string> write_inclusion_proof(const Entry& entry, const InclusionProof& path,
                                          const HeadEvidence& head, bool with_body,
                                          std::optional<std::uint32_t> event) {
  InclusionDocument document{.cluster_id = entry.header().cluster_id,
                             .position = entry.position(),
                             .entry = bound_of(entry),
                             .path = path.path,
                             .head = document_of(head),
                             .body = {},
                             .event = {}};
  if (with_body || event) document.body = Bytes(entry.body().begin(), entry.body().end());
  if (event) {
    VERITY_TRY_ASSIGN(document.event, spell_out(entry, *event));
  }
  return checked(document);
}

Result<std::string> write_consistency_proof(const HeadEvidence& old_head, const HeadEvidence& new_head,
                                            const ConsistencyProof& path) {
  return checked(ConsistencyDocument{.cluster_id = new_head.entry->header().cluster_id,
                                     .old_head = document_of(old_head),
                                     .new_head = document_of(new_head),
                                     .path = path.path});
}

ProofVerdict check_proof(std::string_view text, const TrustedHead& trusted) {
  ProofVerdict verdict;
  const auto document = parse_proof_document(text);
  if (!document) {
    verdict.reason = document.error().message;
    return verdict;
  }
  return check(*document, trusted);
}

}  // namespace verity::log
