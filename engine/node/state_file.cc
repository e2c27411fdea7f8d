#include "engine/node/state_file.h"

#include "engine/log/checksum.h"
#include "io/base/aligned_buffer.h"
#include "io/base/assert.h"
#include "io/base/probe.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <sstream>

namespace verity::node {
namespace {

constexpr std::size_t copy_bytes = 8192;
constexpr std::array<std::string_view, 2> copy_names = {"state.json", "state.copy.json"};
constexpr std::string_view checksum_member = "\"checksum\"";

using Json = nlohmann::ordered_json;

std::string checksum_text(std::string_view text) {
  const auto checksum = checksum128(as_bytes(text));
  std::array<char, 33> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx%016llx", static_cast<unsigned long long>(checksum[1]),
                static_cast<unsigned long long>(checksum[0]));
  return std::string(digits.data(), 32);
}

std::unexpected<Error> bad(std::string why) {
  return fail(ErrorCode::corrupt, std::move(why));
}

Id128 id_of(std::string_view text) {
  const std::optional<Bytes> bytes = from_hex(text);
  Id128 id;
  if (!bytes || bytes->size() != id.bytes.size())
    throw std::runtime_error("\"" + std::string(text) + "\" is not an id");
  std::memcpy(id.bytes.data(), bytes->data(), id.bytes.size());
  return id;
}

Id128 id_from(const Json& json, const char* member) {
  return id_of(json.at(member).get<std::string>());
}

Json member_to(const consensus::Member& member) {
  return {{"node_id", member.id.value}, {"incarnation", member.incarnation.describe()}};
}

consensus::Member member_from(const Json& json) {
  consensus::Member member{NodeId{json.at("node_id").get<std::uint64_t>()}, id_from(json, "incarnation")};
  if (member.id.value == 0 || member.id.value > consensus::node_ids_max)
    throw std::runtime_error("node id " + member.id.describe() + "; 1..7 are allowed");
  return member;
}

Json members_to(const consensus::MemberSet& members) {
  Json json = Json::array();
  for (const consensus::Member& member : members) json.push_back(member_to(member));
  return json;
}

consensus::MemberSet members_from(const Json& json) {
  consensus::MemberSet members;
  for (const Json& member : json) {
    if (!members.add(member_from(member))) throw std::runtime_error("there are too many members");
  }
  return members;
}

// "2 <incarnation> 17 <nonce>": there are many, and a copy of the state has its size.
std::string known_to(const KnownBoot& known) {
  return known.member.id.describe() + " " + known.member.incarnation.describe() + " " +
         std::to_string(known.boot.number) + " " + known.boot.nonce.describe();
}

KnownBoot known_from(const std::string& text) {
  std::istringstream words(text);
  KnownBoot known;
  std::string incarnation;
  std::string nonce;
  words >> known.member.id.value >> incarnation >> known.boot.number >> nonce;
  known.member.incarnation = id_of(incarnation);
  known.boot.nonce = id_of(nonce);
  return known;
}

Json refounding_to(const Refounding& refounding) {
  return {{"at", refounding.at.value},
          {"founded_at", refounding.founded_at.ns},
          {"epoch", refounding.epoch.describe()},
          {"epoch_before", refounding.epoch_before.describe()},
          {"members_before", members_to(refounding.members_before)},
          {"answered", members_to(refounding.answered)},
          {"committed", refounding.committed.value},
          {"confirmed", refounding.confirmed.value},
          {"contradicted", refounding.contradicted},
          {"unknown_from", refounding.unknown_from ? Json(refounding.unknown_from->value) : Json(nullptr)},
          {"heard", refounding.heard.value},
          {"heard_from", refounding.heard_from.value}};
}

Refounding refounding_from(const Json& json) {
  Refounding refounding{
      .at = Position{json.at("at").get<std::uint64_t>()},
      .founded_at = Timestamp{json.at("founded_at").get<std::int64_t>()},
      .epoch = id_from(json, "epoch"),
      .epoch_before = id_from(json, "epoch_before"),
      .members_before = members_from(json.at("members_before")),
      .answered = members_from(json.at("answered")),
      .committed = Position{json.at("committed").get<std::uint64_t>()},
      .confirmed = Position{json.value("confirmed", json.at("committed").get<std::uint64_t>())},
      .contradicted = json.value("contradicted", false),
      .unknown_from = {},
      .heard = Position{json.at("heard").get<std::uint64_t>()},
      .heard_from = NodeId{json.at("heard_from").get<std::uint64_t>()}};
  if (const Json& unknown = json.at("unknown_from"); !unknown.is_null())
    refounding.unknown_from = Position{unknown.get<std::uint64_t>()};
  return refounding;
}

Status write_copy(io::Wait& wait, io::Directory& meta, std::string_view name, std::string_view text) {
  VERITY_TRY_ASSIGN(const auto file, meta.open(wait, name, {.mode = io::OpenMode::create}));
  VERITY_TRY(file->write(wait, 0, as_bytes(text), io::Durability::durable));
  VERITY_TRY(file->sync(wait));  // the size of a new file
  return meta.sync(wait);
}

// Nothing if the file is not there.
Result<std::optional<std::string>> read_copy(io::Wait& wait, io::Directory& meta, std::string_view name) {
  const auto file = meta.open(wait, name, {.mode = io::OpenMode::read});
  if (!file && file.error().code == ErrorCode::not_found) return std::optional<std::string>();
  if (!file) return std::unexpected(file.error());
  std::string text(copy_bytes + 1, '\0');
  VERITY_TRY_ASSIGN(const ByteCount got, (*file)->read(wait, 0, std::as_writable_bytes(std::span(text))));
  text.resize(got);
  return std::optional(std::move(text));
}

}  // namespace

std::string encode_state(const DurableState& state) {
  Json json;
  json["format"] = 1;
  json["sequence"] = state.sequence;
  json["cluster_id"] = state.cluster_id.describe();
  json["epoch"] = state.epoch.describe();
  json["cluster_name"] = state.cluster_name;
  json["node_id"] = state.node_id.value;
  json["incarnation"] = state.incarnation.describe();
  json["boot_number"] = state.boot_number;
  json["boot_nonce"] = state.boot_nonce.describe();
  json["view"] = state.view.value;
  json["log_view"] = state.log_view.value;
  json["primary"] = state.primary ? member_to(*state.primary) : Json(nullptr);
  json["unknown_from"] = state.unknown_from ? Json(state.unknown_from->value) : Json(nullptr);
  json["founders"] = members_to(state.founders);
  json["founded_at"] = state.founded_at.ns;
  json["is_member"] = state.is_member;
  json["founding_round"] = state.founding_round.describe();
  json["head_start"] = state.head_start;
  json["phase"] = state.founded ? "member" : "founding";
  json["running"] = state.running;
  json["durable_position"] = state.durable_position.value;
  Json members = {{"at", state.members.at.value},
                  {"before_at", state.members.before_at.value},
                  {"settled_at", state.members.settled_at.value},
                  {"before", members_to(state.members.before)},
                  {"seats", Json::array()}};
  for (const MembersRecord::Seat& seat : state.members.seats) {
    Json seated = member_to(seat.member);
    seated["address"] = seat.address;
    members["seats"].push_back(std::move(seated));
  }
  json["members"] = std::move(members);
  json["known"] = Json::array();
  for (const KnownBoot& known : state.known) json["known"].push_back(known_to(known));
  json["outdated"] = state.outdated;
  json["refounding"] = state.refounding ? refounding_to(*state.refounding) : Json(nullptr);
  json["release"] = {{"active", state.release.number}, {"at", state.release.at.value}};
  std::string text = json.dump(2);
  text.resize(text.size() - 2);  // "\n}"
  text += ",\n  ";
  text += std::string(checksum_member) + ": \"" + checksum_text(text) + "\"\n}\n";
  VERITY_ASSERT_NOTE(text.size() < copy_bytes, "the cluster's name is too long for the node state");
  text.resize(copy_bytes - 1, ' ');
  return text + "\n";
}

Result<DurableState> decode_state(std::string_view text) {
  const auto member_at = text.rfind(checksum_member);
  if (member_at == std::string_view::npos) return bad("there is no checksum");
  const auto end = text.find('}', member_at);
  if (end == std::string_view::npos) return bad("it is cut off");
  try {
    const Json json = Json::parse(text.substr(0, end + 1));
    if (json.at("checksum").get<std::string>() != checksum_text(text.substr(0, member_at))) {
      return bad("the checksum does not match");
    }
    if (const auto format = json.at("format").get<std::uint64_t>(); format != 1) {
      return fail(ErrorCode::unsupported, "format " + std::to_string(format) + "; this release knows 1");
    }
    DurableState state;
    state.sequence = json.at("sequence").get<std::uint64_t>();
    state.cluster_id = id_from(json, "cluster_id");
    state.epoch = id_from(json, "epoch");
    state.cluster_name = json.at("cluster_name").get<std::string>();
    state.node_id = NodeId{json.at("node_id").get<std::uint64_t>()};
    state.incarnation = id_from(json, "incarnation");
    state.boot_number = json.at("boot_number").get<std::uint64_t>();
    state.boot_nonce = id_from(json, "boot_nonce");
    state.view = View{json.at("view").get<std::uint64_t>()};
    state.log_view = View{json.at("log_view").get<std::uint64_t>()};
    if (const Json& primary = json.at("primary"); !primary.is_null()) state.primary = member_from(primary);
    if (const Json& unknown = json.at("unknown_from"); !unknown.is_null())
      state.unknown_from = Position{unknown.get<std::uint64_t>()};
    state.founders = members_from(json.at("founders"));
    state.founded_at = Timestamp{json.at("founded_at").get<std::int64_t>()};
    state.is_member = json.at("is_member").get<bool>();
    state.founding_round = id_from(json, "founding_round");
    state.head_start = json.value("head_start", false);  // not written by releases before it
    state.founded = json.at("phase").get<std::string>() == "member";
    state.running = json.at("running").get<std::string>();
    state.durable_position = Position{json.at("durable_position").get<std::uint64_t>()};
    const Json& members = json.at("members");
    state.members.at = Position{members.at("at").get<std::uint64_t>()};
    state.members.before_at = Position{members.at("before_at").get<std::uint64_t>()};
    state.members.settled_at = Position{members.at("settled_at").get<std::uint64_t>()};
    state.members.before = members_from(members.at("before"));
    for (const Json& seat : members.at("seats"))
      state.members.seats.push_back({member_from(seat), seat.at("address").get<std::string>()});
    if (state.members.seats.size() > consensus::node_ids_max) return bad("there are too many members");
    // Not written by earlier releases, as what follows.
    for (const Json& known : json.value("known", Json::array()))
      state.known.push_back(known_from(known.get<std::string>()));
    state.outdated = json.value("outdated", false);
    if (const auto refounding = json.find("refounding"); refounding != json.end() && !refounding->is_null())
      state.refounding = refounding_from(*refounding);
    if (const auto release = json.find("release"); release != json.end()) {
      state.release = {release->at("active").get<std::uint32_t>(),
                       Position{release->at("at").get<std::uint64_t>()}};
    }
    return state;
  } catch (const std::exception& error) {
    return bad(error.what());
  }
}

Result<LoadedState> load_state(io::Wait& wait, io::Directory& meta, bool read_only) {
  LoadedState loaded;
  std::array<std::optional<DurableState>, 2> copies;
  std::string problems;
  bool any_there = false;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const std::string name = "meta/" + std::string(copy_names[i]);
    const auto text = read_copy(wait, meta, copy_names[i]);
    if (!text && text.error().code == ErrorCode::crashed) return std::unexpected(text.error());
    if (text && !*text) {
      problems += name + " is missing; ";
      continue;
    }
    any_there = true;
    const Result<DurableState> decoded =
        text ? decode_state(**text) : Result<DurableState>(std::unexpected(text.error()));
    if (!decoded && decoded.error().code == ErrorCode::unsupported) {
      return fail(ErrorCode::unsupported, name + ": " + decoded.error().message);
    }
    if (decoded) {
      copies[i] = *decoded;
    } else {
      problems += name + ": " + decoded.error().message + "; ";
    }
  }
  if (!any_there) return loaded;
  if (!copies[0] && !copies[1]) return bad(problems + "this node has forgotten its promises");
  const bool first_counts = copies[0] && (!copies[1] || copies[0]->sequence >= copies[1]->sequence);
  loaded.state = first_counts ? *copies[0] : *copies[1];
  if (!copies[0] || !copies[1]) {
    VERITY_PROBE("start: one copy of the node's state is bad");
    loaded.notes.push_back(problems + "the other copy is used" + (read_only ? "" : ", and copied over it"));
  }
  if (read_only) return loaded;
  // First the one that was believed, with the bytes it has: if it is durable nothing is at stake, and if it is not, the
  // other one is.
  const std::size_t believed = first_counts ? 0 : 1;
  for (const std::size_t i : {believed, 1 - believed}) {
    VERITY_TRY(write_copy(wait, meta, copy_names[i], encode_state(*loaded.state)));
  }
  return loaded;
}

Status save_state(io::Wait& wait, io::Directory& meta, DurableState& state) {
  ++state.sequence;
  const std::string text = encode_state(state);
  for (const std::string_view name : copy_names) VERITY_TRY(write_copy(wait, meta, name, text));
  return {};
}

}  // namespace verity::node
