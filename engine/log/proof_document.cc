#include "engine/log/proof_document.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <functional>
#include <limits>
#include <set>
#include <utility>

namespace verity::log {
namespace {

using Json = nlohmann::ordered_json;  // printing: members in the order of the document
using ParsedJson = nlohmann::json;

constexpr std::uint64_t document_version = 1;
constexpr std::size_t path_steps_max = 64;
constexpr int depth_max = 4;

// ---- printing

Json json_of(const std::vector<Sha256Digest>& path) {
  auto steps = Json::array();
  for (const auto& step : path) steps.push_back(step.describe());
  return steps;
}

Json json_of(const HeadDocument& head) {
  return {{"position", head.position.value},
          {"entry", to_hex(head.entry)},
          {"path", json_of(head.path)},
          {"root", head.root.describe()}};
}

Json json_of(const EventDocument& event) {
  Json json = {{"index", event.index}, {"stream", event.stream}, {"revision", event.revision.value}};
  if (event.id) json["id"] = *event.id;
  if (event.subject) json["subject"] = *event.subject;
  if (event.subject_revision) json["subject_revision"] = event.subject_revision->value;
  json["type"] = event.type;
  json["data"] = event.data;
  if (event.metadata) json["metadata"] = *event.metadata;
  return json;
}

Json json_of(const InclusionDocument& document) {
  Json json = {{"verity_proof", document_version},
               {"kind", "inclusion"},
               {"cluster_id", document.cluster_id.describe()},
               {"position", document.position.value}};
  if (document.event) json["event"] = json_of(*document.event);
  json["entry"] = to_hex(document.entry);
  if (document.body) json["body"] = to_hex(*document.body);
  json["path"] = json_of(document.path);
  json["head"] = json_of(document.head);
  return json;
}

Json json_of(const ConsistencyDocument& document) {
  return {{"verity_proof", document_version},
          {"kind", "consistency"},
          {"cluster_id", document.cluster_id.describe()},
          {"old", json_of(document.old_head)},
          {"new", json_of(document.new_head)},
          {"path", json_of(document.path)}};
}

// ---- parsing

// One object of the document. The first thing wrong is remembered; everything asked for later is empty.
class Members {
 public:
  Members(const ParsedJson& object, std::string place, std::optional<std::string>& error)
      : object_(object), place_(std::move(place)), error_(error) {
    if (!object.is_object()) say("", "is not an object");
  }

  std::uint64_t number(const char* name, std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) {
    const auto* member = find(name);
    if (member == nullptr) return 0;
    if (!member->is_number_unsigned()) {
      say(name, "is not a whole number from 0 to 2^64 - 1");
      return 0;
    }
    const auto value = member->get<std::uint64_t>();
    if (value > max) {
      say(name, "is " + std::to_string(value) + ", allowed is at most " + std::to_string(max));
      return 0;
    }
    return value;
  }

  std::string text(const char* name) {
    const auto* member = find(name);
    if (member == nullptr) return {};
    if (!member->is_string()) {
      say(name, "is not a string");
      return {};
    }
    return member->get<std::string>();
  }

  Bytes bytes(const char* name) {
    const auto* member = find(name);
    return member == nullptr ? Bytes() : bytes_of(*member, name);
  }

  template <class Fixed>
  Fixed fixed(const char* name) {
    const auto* member = find(name);
    return member == nullptr ? Fixed() : fixed_of<Fixed>(*member, name);
  }

  std::vector<Sha256Digest> path(const char* name) {
    std::vector<Sha256Digest> steps;
    const auto* member = find(name);
    if (member == nullptr) return steps;
    if (!member->is_array() || member->size() > path_steps_max) {
      say(name, "is not an array of at most " + std::to_string(path_steps_max) + " digests");
      return steps;
    }
    for (const auto& step : *member) steps.push_back(fixed_of<Sha256Digest>(step, name));
    return steps;
  }

  Members object(const char* name) {
    static const ParsedJson nothing = ParsedJson::object();
    const auto* member = find(name);
    return Members(member == nullptr ? nothing : *member, place_ + "/" + name, error_);
  }

  bool has(const char* name) const { return object_.is_object() && object_.contains(name); }

  // Whoever asked for all members asks this last: nothing may be left over.
  void finish() {
    if (!object_.is_object()) return;
    for (const auto& [name, value] : object_.items()) {
      if (!known_.contains(name)) say(name, "is not a member that is known here");
    }
  }

 private:
  const ParsedJson* find(const char* name) {
    known_.insert(name);
    if (error_) return nullptr;
    const auto found = object_.find(name);
    if (found == object_.end()) {
      say(name, "is missing");
      return nullptr;
    }
    return &*found;
  }

  Bytes bytes_of(const ParsedJson& member, const char* name) {
    if (!member.is_string()) {
      say(name, "is not a string of hexadecimal digits");
      return {};
    }
    const auto& text = member.get_ref<const std::string&>();
    auto bytes = from_hex(text);
    // Upper-case digits would be a second way to write the same.
    if (!bytes || to_hex(*bytes) != text) {
      say(name, "is not an even number of lower-case hexadecimal digits");
      return {};
    }
    return std::move(*bytes);
  }

  template <class Fixed>
  Fixed fixed_of(const ParsedJson& member, const char* name) {
    static_assert(std::is_trivially_copyable_v<Fixed>);
    Fixed value{};
    const auto bytes = bytes_of(member, name);
    if (error_) return value;
    if (bytes.size() != sizeof(Fixed)) {
      say(name,
          "has " + std::to_string(bytes.size()) + " bytes, allowed are " + std::to_string(sizeof(Fixed)));
      return value;
    }
    std::memcpy(&value, bytes.data(), sizeof(Fixed));
    return value;
  }

  void say(std::string_view name, std::string_view what) {
    if (error_) return;
    error_ = place_ + (name.empty() ? "" : "/") + std::string(name) + " " + std::string(what);
    if (error_->front() != '/') error_ = "the document " + std::string(what);
  }

  const ParsedJson& object_;
  const std::string place_;
  std::optional<std::string>& error_;
  std::set<std::string, std::less<>> known_;
};

HeadDocument head_from(Members members) {
  HeadDocument head;
  head.position = {members.number("position")};
  head.entry = members.fixed<BoundHeader>("entry");
  head.path = members.path("path");
  head.root = members.fixed<Sha256Digest>("root");
  members.finish();
  return head;
}

EventDocument event_from(Members members) {
  EventDocument event;
  event.index =
      static_cast<std::uint32_t>(members.number("index", std::numeric_limits<std::uint32_t>::max()));
  event.stream = members.text("stream");
  event.revision = {members.number("revision")};
  event.type = members.text("type");
  event.data = members.text("data");
  if (members.has("id")) event.id = members.text("id");
  if (members.has("subject")) event.subject = members.text("subject");
  if (members.has("subject_revision")) event.subject_revision = Revision{members.number("subject_revision")};
  if (members.has("metadata")) event.metadata = members.text("metadata");
  members.finish();
  return event;
}

ProofDocument inclusion_from(Members& members) {
  InclusionDocument document;
  document.cluster_id = members.fixed<Id128>("cluster_id");
  document.position = {members.number("position")};
  document.entry = members.fixed<BoundHeader>("entry");
  document.path = members.path("path");
  document.head = head_from(members.object("head"));
  if (members.has("body")) document.body = members.bytes("body");
  if (members.has("event")) document.event = event_from(members.object("event"));
  return document;
}

ProofDocument consistency_from(Members& members) {
  ConsistencyDocument document;
  document.cluster_id = members.fixed<Id128>("cluster_id");
  document.old_head = head_from(members.object("old"));
  document.new_head = head_from(members.object("new"));
  document.path = members.path("path");
  return document;
}

// The library keeps the last of two members with one name, a reader may see the first: neither is allowed.
class NoDoubles {
 public:
  bool operator()(int depth, ParsedJson::parse_event_t event, const ParsedJson& parsed) {
    if (depth > depth_max)
      problem = "the document is nested more than " + std::to_string(depth_max) + " deep";
    if (event == ParsedJson::parse_event_t::object_start) names_.emplace_back();
    if (event == ParsedJson::parse_event_t::object_end && !names_.empty()) names_.pop_back();
    if (event == ParsedJson::parse_event_t::key && !names_.empty()) {
      if (!names_.back().insert(parsed.get<std::string>()).second) {
        problem = "member " + parsed.get<std::string>() + " is there twice";
      }
    }
    return true;
  }

  std::optional<std::string> problem;

 private:
  std::vector<std::set<std::string>> names_;
};

}  // namespace

Result<std::string> print(const ProofDocument& document) {
  try {
    return std::visit([](const auto& one) { return json_of(one).dump(2) + "\n"; }, document);
  } catch (const Json::exception&) {
    return fail(ErrorCode::invalid_argument, "an event's text is not UTF-8, so that JSON cannot hold it");
  }
}

Result<ProofDocument> parse_proof_document(std::string_view text) {
  std::optional<std::string> error;
  try {
    NoDoubles doubles;
    const auto json = ParsedJson::parse(text, std::ref(doubles));
    if (doubles.problem) return fail(ErrorCode::invalid_argument, *doubles.problem);
    Members members(json, "", error);
    const auto version = members.number("verity_proof");
    if (!error && version != document_version) {
      return fail(ErrorCode::unsupported, "/verity_proof is " + std::to_string(version) +
                                              ", this release knows " + std::to_string(document_version));
    }
    const auto kind = members.text("kind");
    std::optional<ProofDocument> document;
    if (kind == "inclusion") {
      document = inclusion_from(members);
    } else if (kind == "consistency") {
      document = consistency_from(members);
    } else if (!error) {
      error = "/kind is neither inclusion nor consistency";
    }
    members.finish();
    if (error) return fail(ErrorCode::invalid_argument, *error);
    return std::move(*document);
  } catch (const ParsedJson::parse_error& unexpected) {
    return fail(
        ErrorCode::invalid_argument,
        unexpected.byte > text.size()
            ? "not JSON: it ends too early, after " + std::to_string(text.size()) + " bytes"
            : "not JSON: what stands at byte " + std::to_string(unexpected.byte) + " cannot stand there");
  } catch (const ParsedJson::exception&) {
    return fail(ErrorCode::invalid_argument, "not a proof: it has a number that is too large");
  }
}

}  // namespace verity::log
