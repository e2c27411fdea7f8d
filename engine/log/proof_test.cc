#include "engine/log/proof.h"

#include "engine/log/body.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace verity::log {
namespace {

using Json = nlohmann::ordered_json;

Id128 id_of(std::uint8_t byte) {
  Id128 id;
  id.bytes.fill(byte);
  return id;
}

// Seven entries: the founding, a tenant, five appends.
class SmallLog {
 public:
  explicit SmallLog(std::string_view last_data = "{\"amount\": 7}") {
    Bytes body;
    encode(FoundingBody{.cluster_id = id_of(0x11),
                        .epoch = id_of(0x22),
                        .cluster_name = "verity",
                        .members = {{{1}, id_of(0x33)}}},
           body);
    add(EntryKind::founding, {0}, body);
    body.clear();
    encode(TenantBody{.action = TenantBody::Action::create, .id = {1}, .name = "acme"}, body);
    add(EntryKind::tenant, {1}, body);
    for (std::uint64_t i = 0; i < 5; ++i) {
      const auto data = "{\"amount\": " + std::to_string(i + 3) + "}";
      EventsBody events;
      events.add_stream("orders", {2 * i});
      events.add_event({.type = "placed", .data = i == 4 ? last_data : std::string_view(data)});
      events.add_event({.subject_revision = {i},
                        .type = "noted",
                        .id = "n-17",
                        .subject = "customer/9",
                        .metadata = "{\"by\":\"é\"}",
                        .data = "\"two\\nlines\""});
      body.clear();
      encode(events, body);
      add(EntryKind::events, {1}, body);
    }
  }

  const Entry& at(std::uint64_t position) const { return *entries_.at(position - 1); }

  MerkleNodeSource nodes() const {
    return [this](unsigned level, std::uint64_t index) -> Result<Sha256Digest> {
      MerkleFrontier tree;
      const auto count = std::uint64_t{1} << level;
      for (std::uint64_t i = 0; i < count; ++i) tree.append(merkle_leaf(at(index * count + i + 1).hash()));
      return tree.root();
    };
  }
  InclusionProof path(std::uint64_t position, std::uint64_t size) const {
    return *log::prove_inclusion(position - 1, size, nodes());
  }
  HeadEvidence head(std::uint64_t size) const {
    return {.entry = entries_.at(size - 1), .path = path(size, size), .root = *merkle_root(size, nodes())};
  }

  std::string inclusion(std::uint64_t position, std::uint64_t size, bool with_body = false,
                        std::optional<std::uint32_t> event = {}) const {
    return *write_inclusion_proof(at(position), path(position, size), head(size), with_body, event);
  }
  std::string consistency(std::uint64_t old_size, std::uint64_t new_size) const {
    return *write_consistency_proof(head(old_size), head(new_size),
                                    *log::prove_consistency(old_size, new_size, nodes()));
  }

 private:
  void add(EntryKind kind, TenantId tenant, ByteView body) {
    EntryHeader header;
    header.kind = kind;
    header.cluster_id = id_of(0x11);
    header.epoch = id_of(0x22);
    header.position = {entries_.size() + 1};
    header.timestamp = {1'704'067'200'000'000'000 + static_cast<std::int64_t>(entries_.size()) * 1'000'000};
    header.tenant = tenant;
    header.release = 1;
    if (!entries_.empty()) header.parent = entries_.back()->hash();
    entries_.push_back(Entry::make(header, body));
  }

  std::vector<EntryPtr> entries_;
};

std::string reason(const Json& document, const TrustedHead& trusted = {}) {
  const auto verdict = check_proof(document.dump(), trusted);
  EXPECT_EQ(verdict.holds, verdict.reason.empty());
  return verdict.reason;
}

TEST(Proof, EveryEntryOfEveryTreeIsProven) {
  const SmallLog log;
  for (std::uint64_t size = 1; size <= 7; ++size) {
    for (std::uint64_t position = 1; position <= size; ++position) {
      const auto verdict = check_proof(log.inclusion(position, size, position % 2 == 0));
      EXPECT_TRUE(verdict.holds) << verdict.reason;
      EXPECT_EQ(verdict.kind, "inclusion");
      EXPECT_EQ(verdict.position, Position{position});
      EXPECT_EQ(verdict.head_position, Position{size});
      EXPECT_EQ(verdict.head_root, log.head(size).root);
      EXPECT_EQ(verdict.recorded_at, log.at(position).header().timestamp);
      EXPECT_EQ(verdict.cluster_id, id_of(0x11));
    }
    for (std::uint64_t old_size = 1; old_size <= size; ++old_size) {
      const auto verdict = check_proof(log.consistency(old_size, size));
      EXPECT_TRUE(verdict.holds) << verdict.reason;
      EXPECT_EQ(verdict.position, Position{old_size});
    }
  }
}

TEST(Proof, SaysWhatItVerified) {
  const SmallLog log;
  const auto verdict =
      check_proof(log.inclusion(3, 5, true, 1),
                  {.cluster_id = id_of(0x11), .position = Position{5}, .root = log.head(5).root});
  ASSERT_TRUE(verdict.holds);
  const auto has = [&](const std::string& step) {
    return std::ranges::any_of(verdict.steps,
                               [&](const auto& one) { return one.find(step) != std::string::npos; });
  };
  EXPECT_TRUE(has("entry: chain hash " + log.at(3).hash().describe()));
  EXPECT_TRUE(has("entry: leaf 2 of the tree of 5 with root " + log.head(5).root.describe()));
  EXPECT_TRUE(has("body: hash " + log.at(3).header().body_hash.describe()));
  EXPECT_TRUE(has("event: data"));
  EXPECT_TRUE(has("trusted: root of the head"));
}

TEST(Proof, WhoeverWritesOneCannotWriteAWrongOne) {
  const SmallLog log;
  EXPECT_FALSE(write_inclusion_proof(log.at(3), log.path(4, 7), log.head(7), false, {}));
  EXPECT_FALSE(write_consistency_proof(log.head(3), log.head(7), *prove_consistency(4, 7, log.nodes())));
  EXPECT_EQ(write_inclusion_proof(log.at(3), log.path(3, 7), log.head(7), false, 2).error().message,
            "entry 3 has 2 events, there is no index 2");
  EXPECT_EQ(write_inclusion_proof(log.at(2), log.path(2, 7), log.head(7), false, 0).error().message,
            "entry 2 holds no events in plain");
}

TEST(Proof, ARewrittenHistoryHasAnotherRoot) {
  const SmallLog log;
  const SmallLog rewritten("{\"amount\": 8}");
  const auto forged = rewritten.inclusion(7, 7, true, 0);
  // It follows from its own head, as any log's would ...
  EXPECT_TRUE(check_proof(forged).holds);
  // ... but not from the one that is known.
  const auto verdict = check_proof(forged, {.cluster_id = {}, .position = {}, .root = log.head(7).root});
  EXPECT_FALSE(verdict.holds);
  EXPECT_EQ(verdict.reason.find("trusted: the head has root "), 0u);
  EXPECT_FALSE(check_proof(log.inclusion(1, 7), {.cluster_id = id_of(9), .position = {}, .root = {}}).holds);
  EXPECT_FALSE(
      check_proof(log.inclusion(1, 7), {.cluster_id = {}, .position = Position{6}, .root = {}}).holds);
  // Nor can a proof of growth be made from an honest old head to a dishonest new one: entry 7 is another.
  auto spliced = Json::parse(log.consistency(5, 7));
  spliced["new"] = Json::parse(rewritten.consistency(5, 7))["new"];
  EXPECT_EQ(reason(spliced).find("path: the path leads to new root "), 0u);
}

TEST(Proof, EveryStepIsVerifiedNotOnlyTheLast) {
  const SmallLog log;
  const auto proof = Json::parse(log.inclusion(4, 7, true, 0));
  auto with = [&](const std::function<void(Json&)>& change) {
    auto forged = proof;
    change(forged);
    return reason(forged);
  };
  const auto other = Json::parse(log.inclusion(5, 7, true, 0));
  // Another entry's true parts in place of this one's.
  EXPECT_EQ(with([&](Json& p) { p["entry"] = other["entry"]; }),
            "entry: the header is at position 5, the proof says 4");
  EXPECT_EQ(with([&](Json& p) { p["body"] = other["body"]; }).find("body: its hash is "), 0u);
  EXPECT_EQ(with([&](Json& p) { p["path"] = other["path"]; }).find("entry: the path leads to root "), 0u);
  EXPECT_EQ(with([&](Json& p) { p["event"] = other["event"]; }), "event: revision is not what the body says");
  EXPECT_EQ(with([&](Json& p) {
              p["entry"] = other["entry"];
              p["position"] = 5;
              p["body"] = other["body"];
              p["event"] = other["event"];
            }).find("entry: the path leads to root "),
            0u);
  // A tree said to be of another size: a root alone would not show it.
  EXPECT_EQ(with([&](Json& p) { p["head"]["position"] = 8; }),
            "head: the header is at position 7, the proof says 8");
  EXPECT_FALSE(with([&](Json& p) { p["head"] = Json::parse(log.inclusion(4, 6))["head"]; }).empty());
  // Claims that nothing verifies are not let through.
  EXPECT_EQ(with([&](Json& p) { p["note"] = "checked by the auditor"; }),
            "/note is not a member that is known here");
  EXPECT_EQ(with([&](Json& p) { p.erase("body"); }), "event: without a body it cannot be verified");
  EXPECT_EQ(with([&](Json& p) { p["event"]["id"] = "x"; }), "event: id is not in the body");
}

TEST(Proof, RefusesWhatIsNotAProof) {
  const SmallLog log;
  EXPECT_EQ(check_proof("").reason, "not JSON: it ends too early, after 0 bytes");
  EXPECT_EQ(check_proof("hello").reason, "not JSON: what stands at byte 1 cannot stand there");
  EXPECT_EQ(check_proof(R"({"verity_proof":1e400})").reason,
            "not a proof: it has a number that is too large");
  EXPECT_EQ(check_proof("[]").reason, "the document is not an object");
  EXPECT_EQ(check_proof("{}").reason, "/verity_proof is missing");
  EXPECT_EQ(check_proof(R"({"verity_proof":2,"kind":"inclusion"})").reason,
            "/verity_proof is 2, this release knows 1");
  EXPECT_EQ(check_proof(R"({"verity_proof":1,"kind":"hearsay"})").reason,
            "/kind is neither inclusion nor consistency");
  EXPECT_EQ(check_proof(R"({"verity_proof":1,"kind":"inclusion","kind":"consistency"})").reason,
            "member kind is there twice");
  EXPECT_EQ(check_proof(std::string(100'000, '[')).reason.find("not JSON"), 0u);
  EXPECT_EQ(check_proof(std::string(100'000, '[') + std::string(100'000, ']')).reason,
            "the document is nested more than 4 deep");
  auto proof = Json::parse(log.inclusion(4, 7));
  proof["head"]["root"] = "ABCD";
  EXPECT_EQ(reason(proof), "/head/root is not an even number of lower-case hexadecimal digits");
  proof["head"]["root"] = "abcd";
  EXPECT_EQ(reason(proof), "/head/root has 2 bytes, allowed are 32");
  proof["position"] = -4;
  EXPECT_EQ(reason(proof), "/position is not a whole number from 0 to 2^64 - 1");
}

// As large as entries are allowed to be, in sixteenths: half of the data is escaped once more where the event is spelled out.
TEST(Proof, OfTheLargestEntryIsNotTooLarge) {
  std::string data = "\"";
  while (data.size() < 64 * MiB / 16) data += "\\\"";
  const SmallLog log(data + "\"");
  const std::string proof = log.inclusion(7, 7, true, 0);
  EXPECT_GT(proof.size(), proof_bytes_max / 16 / 2);
  EXPECT_LT(proof.size(), proof_bytes_max / 16);
  EXPECT_TRUE(check_proof(proof).holds);
}

// ---- published vectors

std::string vector_path(const std::string& name) {
  return std::string(VERITY_SOURCE_ROOT) + "/docs/format/vectors/" + name;
}

std::string read_vector(const std::string& name) {
  std::ifstream file(vector_path(name));
  return {std::istreambuf_iterator<char>(file), {}};
}

// One change for every member: a number one off, a digit or a letter another, a step of a path less.
void forge_all(const Json& value, const std::string& pointer, const std::string& of, Json& changes) {
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) forge_all(member, pointer + "/" + name, of, changes);
    return;
  }
  Json forged = value;
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      forge_all(value[i], pointer + "/" + std::to_string(i), of, changes);
    }
    if (!value.empty()) {
      forged.erase(forged.size() - 1);
    } else {
      forged.push_back(std::string(64, '0'));
    }
  } else if (value.is_number()) {
    forged = value.get<std::uint64_t>() + 1;
  } else {
    auto text = value.get<std::string>();
    auto& middle = text[text.size() / 2];
    middle = middle == '0' ? '1' : '0';
    forged = text;
  }
  changes.push_back({{"of", of}, {"at", pointer}, {"value", forged}});
}

TEST(ProofVectors, ArePublishedAndHold) {
  const SmallLog log;
  const std::vector<std::pair<std::string, std::string>> documents = {
      {"inclusion.json", log.inclusion(2, 7)},
      {"inclusion-event.json", log.inclusion(5, 7, true, 1)},
      {"consistency.json", log.consistency(3, 7)},
  };
  auto changes = Json::array();
  for (const auto& [name, text] : documents) forge_all(Json::parse(text), "", name, changes);
  if (std::getenv("VERITY_BLESS") != nullptr) {
    for (const auto& [name, text] : documents) std::ofstream(vector_path(name)) << text;
    std::ofstream(vector_path("forged.json")) << changes.dump(1) << "\n";
  }
  for (const auto& [name, text] : documents) {
    EXPECT_EQ(read_vector(name), text) << name;
    const auto verdict = check_proof(read_vector(name));
    EXPECT_TRUE(verdict.holds) << name << ": " << verdict.reason;
  }
  EXPECT_EQ(Json::parse(read_vector("forged.json")), changes);
}

TEST(ProofVectors, NoForgedVariantHolds) {
  const auto changes = Json::parse(read_vector("forged.json"));
  ASSERT_GT(changes.size(), 40u);
  for (const auto& change : changes) {
    const auto proof = Json::parse(read_vector(change["of"].get<std::string>()));
    const Json::json_pointer at(change["at"].get<std::string>());
    ASSERT_NE(proof.at(at), change["value"]);
    auto forged = proof;
    forged[at] = change["value"];
    EXPECT_FALSE(reason(forged).empty()) << change.dump();
    // Nor does one without the member, unless what is left says less, not something else.
    auto shorter = proof;
    auto& parent = shorter[at.parent_pointer()];
    if (!parent.is_object()) continue;
    parent.erase(at.back());
    EXPECT_FALSE(reason(shorter).empty()) << change["of"] << " without " << change["at"];
  }
}

TEST(ProofVectors, EveryBitOfAHeaderCounts) {
  const auto proof = Json::parse(read_vector("inclusion.json"));
  const auto header = *from_hex(proof["entry"].get<std::string>());
  for (std::size_t bit = 0; bit < header.size() * 8; ++bit) {
    auto flipped = header;
    flipped[bit / 8] ^= std::byte(1 << (bit % 8));
    auto forged = proof;
    forged["entry"] = to_hex(flipped);
    EXPECT_FALSE(reason(forged).empty()) << bit;
  }
}

}  // namespace
}  // namespace verity::log
