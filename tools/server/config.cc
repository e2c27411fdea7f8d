#include "tools/server/config.h"

#include "engine/log/log.h"
#include "io/base/assert.h"
#include "tools/server/nearest.h"
#include "tools/server/toml_file.h"

#include <algorithm>

namespace verity::tools {
namespace {

// Of the environment's VERITY_ names, those that are not keys.
constexpr std::string_view other_variables[] = {
    "VERITY_CONFIG",  // the same as --config
    "VERITY_SERVER",  // read by verity-admin
};

// Names come from the file, where a quoted key may be anything.
std::string bracketed(std::string_view section) {
  const std::string safe = quoted(section);
  return "[" + safe.substr(1, safe.size() - 2) + "]";
}

// The parser quotes what it found, line breaks included.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

std::string join(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const KeyRow& row : key_table()) {
    if (names.empty() || names.back() != row.section) names.push_back(row.section);
  }
  return names;
}

std::vector<std::string_view> names_in(std::string_view section) {
  std::vector<std::string_view> names;
  for (const KeyRow& row : key_table()) {
    if (row.section == section) names.push_back(row.name);
  }
  return names;
}

// A key that exists, but in another section.
const KeyRow* find_elsewhere(std::string_view name) {
  for (const KeyRow& row : key_table()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string unknown_section(std::string_view section) {
  const auto known = section_names();
  std::string message = "unknown section " + bracketed(section);
  if (const auto near = nearest(section, known)) message += "; did you mean " + bracketed(*near) + "?";
  return message + (message.ends_with('?') ? " Known sections: " : "; known sections: ") + join(known);
}

std::string unknown_key(std::string_view section, std::string_view name) {
  std::string message = "unknown key " + quoted(name) + " in " + bracketed(section);
  const auto known = names_in(section);
  if (const KeyRow* elsewhere = find_elsewhere(name))
    return message + "; it belongs to " + bracketed(elsewhere->section);
  if (const auto near = nearest(name, known))
    return message + "; did you mean \"" + std::string(*near) + "\"?";
  return message + "; known keys there: " + join(known);
}

std::string unplaced_key(const FileSetting& setting) {
  const std::string message = "key " + quoted(setting.name) + " stands outside any section";
  if (const KeyRow* row = find_elsewhere(setting.name))
    return message + "; it belongs to " + bracketed(row->section);
  return message + "; known sections: " + join(section_names());
}

class Loader {
 public:
  LoadedConfig load(const std::optional<ConfigFile>& file, const Environment& environment,
                    const std::map<Key, std::string>& flags) {
    take_defaults();
    if (file) take_file(*file);
    take_environment(environment);
    take_flags(flags);
    check_addresses();
    check_advertised();
    check_peers();
    check_consensus();
    check_limits();
    fill();
    return std::move(loaded_);
  }

 private:
  void complain(std::string_view place, std::string_view message) {
    loaded_.problems.push_back(std::string(place) + ": " + std::string(message));
  }

  // `value` takes effect over whatever came before, or its problem is noted and the old one stays.
  void take(const KeyRow& row, const RawValue& value, RawSource source, const std::string& place) {
    auto checked = check_value(row, value, source);
    if (!checked) return complain(place, row.describe() + ": " + checked.error());
    loaded_.config.settings[row.key] = {*std::move(checked), place, true};
  }

  void take_defaults() {
    for (const KeyRow& row : key_table()) {
      auto value = check_value(row, std::string(row.default_text), RawSource::environment);
      VERITY_ASSERT_NOTE(value.has_value(), "every default passes its own check");
      loaded_.config.settings[row.key] = {*std::move(value), "default", false};
    }
  }

  void take_file(const ConfigFile& file) {
    const TomlFile parsed = parse_toml(file.text);
    if (!parsed.syntax_error.empty()) {
      return complain(file.path + ":" + std::to_string(parsed.error_line),
                      "not TOML: " + one_line(parsed.syntax_error));
    }
    for (const FileSetting& setting : parsed.settings) {
      const std::string place = file.path + ":" + std::to_string(setting.line);
      if (setting.section.empty()) {
        const auto* other = std::get_if<RawOther>(&setting.value);
        const bool empty_table = other != nullptr && other->kind == "a table";
        if (!empty_table) complain(place, unplaced_key(setting));
        if (empty_table && !is_section(setting.name)) complain(place, unknown_section(setting.name));
      } else if (!is_section(setting.section)) {
        complain(place, unknown_section(setting.section));
      } else if (const KeyRow* row = find_key(setting.section, setting.name)) {
        take(*row, setting.value, RawSource::file, place);
      } else {
        complain(place, unknown_key(setting.section, setting.name));
      }
    }
  }

  void take_environment(const Environment& environment) {
    std::vector<std::string_view> known(std::begin(other_variables), std::end(other_variables));
    for (const KeyRow& row : key_table()) known.push_back(row.environment);
    for (const auto& [name, value] : environment) {
      if (!name.starts_with("VERITY_")) continue;
      const std::string place = "environment " + name;
      if (const KeyRow* row = find_environment(name)) {
        take(*row, value, RawSource::environment, place);
      } else if (std::ranges::find(known, name) == known.end()) {
        take_unknown_variable(name, place, known);
      }
    }
  }

  // Others put names of their own there (a service called "verity" makes VERITY_PORT appear in containers),
  // so only what looks like a misspelt key is refused. The common beginning does not count as likeness.
  void take_unknown_variable(std::string_view name, const std::string& place,
                             const std::vector<std::string_view>& known) {
    constexpr std::size_t prefix = std::string_view("VERITY_").size();
    std::vector<std::string_view> known_tails;
    known_tails.reserve(known.size());
    for (const std::string_view variable : known) known_tails.push_back(variable.substr(prefix));
    if (const auto near = nearest(name.substr(prefix), known_tails)) {
      complain(place, "no such key; did you mean VERITY_" + std::string(*near) + "?");
    } else {
      loaded_.notes.push_back(place + ": no such key, it has no effect");
    }
  }

  void take_flags(const std::map<Key, std::string>& flags) {
    for (const auto& [key, text] : flags) {
      const KeyRow& row = row_of(key);
      take(row, text, RawSource::flag, "flag " + std::string(row.flag.name));
    }
  }

  const Setting& setting(Key key) const { return loaded_.config.settings.at(key); }
  std::uint64_t number(Key key) const { return std::get<std::uint64_t>(setting(key).value); }
  Duration duration(Key key) const { return Duration(static_cast<std::int64_t>(number(key))); }
  bool flag(Key key) const { return std::get<bool>(setting(key).value); }
  const std::string& text(Key key) const { return std::get<std::string>(setting(key).value); }
  const io::Address& address(Key key) const { return std::get<io::Address>(setting(key).value); }
  const std::vector<io::Address>& peers() const {
    return std::get<std::vector<io::Address>>(setting(Key::cluster_peers).value);
  }
  std::string shown(Key key) const {
    return row_of(key).describe() + " = " + describe_value(row_of(key), setting(key).value);
  }
  // Where to look when two keys do not go together: at the one somebody set.
  const std::string& place_of(Key first, Key second) const {
    return setting(first).given ? setting(first).origin : setting(second).origin;
  }

  void check_addresses() {
    for (const Key key : {Key::bind_address, Key::metrics_address, Key::cluster_address}) {
      const bool listens = key != Key::cluster_address || !peers().empty();
      if (!listens || address(key).is_loopback() || flag(Key::allow_insecure)) continue;
      complain(setting(key).origin,
               shown(key) +
                   ": this version does not speak TLS, so everybody who reaches this address could read and "
                   "write everything; use a loopback address such as 127.0.0.1:" +
                   std::to_string(address(key).port) +
                   ", or allow it with --allow-insecure ([server] allow_insecure = true, "
                   "VERITY_ALLOW_INSECURE=true)");
    }
    constexpr std::pair<Key, Key> pairs[] = {{Key::bind_address, Key::metrics_address},
                                             {Key::bind_address, Key::cluster_address},
                                             {Key::metrics_address, Key::cluster_address}};
    for (const auto& [first, second] : pairs) {
      if (address(first).port == 0 || address(first) != address(second)) continue;
      complain(place_of(first, second), row_of(first).describe() + " and " + row_of(second).describe() +
                                            " are both " + address(first).describe() +
                                            "; each needs a port of its own");
    }
  }

  std::optional<io::Address> advertised() const {
    if (text(Key::advertise_address).empty()) return std::nullopt;
    return *io::Address::parse(text(Key::advertise_address));  // it was checked
  }

  void check_advertised() {
    const std::optional<io::Address> told = advertised();
    if (told && (told->port == 0 || told->is_every_address())) {
      complain(setting(Key::advertise_address).origin,
               shown(Key::advertise_address) + ": nobody can connect there; name a host and a port");
    }
    if (!told && !peers().empty() && address(Key::bind_address).is_every_address()) {
      loaded_.notes.push_back(
          setting(Key::bind_address).origin + ": " + shown(Key::bind_address) +
          " says nothing of where this node is: clients of other nodes are not told when it "
          "leads; set " +
          row_of(Key::advertise_address).describe());
    }
  }

  // Whether somebody who listens at `own` would reach itself at `peer`, as far as the texts tell. The rest is noticed
  // in the handshake.
  static bool reaches(const io::Address& own, const io::Address& peer) {
    return peer.port == own.port && (peer.host == own.host || (own.is_every_address() && peer.is_loopback()));
  }

  void check_peers() {
    const std::string& place = setting(Key::cluster_peers).origin;
    const std::string listed = row_of(Key::cluster_peers).describe() + " lists ";
    const io::Address& own = address(Key::cluster_address);
    for (std::size_t i = 0; i < peers().size(); ++i) {
      const io::Address& peer = peers()[i];
      if (peer.port == 0) complain(place, listed + peer.describe() + ": nobody can be reached at port 0");
      if (reaches(own, peer)) {
        complain(place, listed + peer.describe() + ", which is this node itself (" +
                            shown(Key::cluster_address) + "); name the other nodes only");
      }
      if (std::find(peers().begin(), peers().begin() + static_cast<std::ptrdiff_t>(i), peer) !=
          peers().begin() + static_cast<std::ptrdiff_t>(i))
        complain(place, listed + peer.describe() + " twice");
    }
    if (peers().empty()) {
      if (!own.is_loopback() && !flag(Key::allow_insecure)) {
        loaded_.notes.push_back(setting(Key::cluster_address).origin + ": " + shown(Key::cluster_address) +
                                " has no effect: the node is alone, and can let nobody in there without "
                                "allow_insecure = true");
      }
      return;
    }
    const auto far =
        std::ranges::find_if(peers(), [](const io::Address& peer) { return !peer.is_loopback(); });
    if (own.is_loopback() && far != peers().end()) {
      loaded_.notes.push_back(place_of(Key::cluster_address, Key::cluster_peers) + ": " +
                              shown(Key::cluster_address) + " is reached from this machine only, and " +
                              listed + far->describe() + ": nodes elsewhere cannot connect to this one");
    }
    if (peers().size() % 2 == 1 || peers().size() > 6) {
      complain(place, listed + std::to_string(peers().size()) + (peers().size() == 1 ? " node" : " nodes") +
                          ", which with this one makes a cluster of " + std::to_string(peers().size() + 1) +
                          "; allowed are 1, 3, 5 and 7: name 2, 4 or 6 others, or none");
    }
    if (!setting(Key::node_id).given) {
      complain(place,
               listed +
                   "other nodes, but nothing says which number this one has; give each node of the cluster a "
                   "number of its own with --node-id ([server] node_id, VERITY_NODE_ID)");
    }
    if (own.port == 0) {
      complain(place_of(Key::cluster_address, Key::cluster_peers),
               shown(Key::cluster_address) + ": the other nodes have to know the port");
    }
  }

  void check_consensus() {
    if (number(Key::heartbeat_interval) >= number(Key::election_timeout_min)) {
      complain(place_of(Key::heartbeat_interval, Key::election_timeout_min),
               shown(Key::heartbeat_interval) + " is not shorter than " + shown(Key::election_timeout_min));
    }
    if (number(Key::election_timeout_min) > number(Key::election_timeout_max)) {
      complain(place_of(Key::election_timeout_min, Key::election_timeout_max),
               shown(Key::election_timeout_min) + " is longer than " + shown(Key::election_timeout_max));
    }
  }

  void check_limits() {
    if (number(Key::max_record_size) > number(Key::max_batch_size)) {
      complain(place_of(Key::max_record_size, Key::max_batch_size),
               shown(Key::max_record_size) + " is larger than " + shown(Key::max_batch_size) +
                   ": such a record would never fit into a request");
    }
    const std::string& place = place_of(Key::segment_size, Key::max_batch_size);
    const ByteCount segment = number(Key::segment_size);
    if (number(Key::max_batch_size) > log::body_bytes_max(segment)) {
      complain(place, shown(Key::max_batch_size) + " does not fit into " + shown(Key::segment_size) +
                          ": the events of a request lie in one segment; at most " +
                          std::to_string(log::body_bytes_max(segment)) + " bytes do");
    } else if (number(Key::max_batch_size) > segment / 2) {
      loaded_.notes.push_back(
          place + ": " + shown(Key::max_batch_size) + " is more than half of " + shown(Key::segment_size) +
          ": an entry lies in one segment, so the largest requests may be refused for its size");
    }
  }

  void fill() {
    ServerConfig& config = loaded_.config;
    config.bind_address = address(Key::bind_address);
    config.metrics_address = address(Key::metrics_address);
    config.cluster_address = address(Key::cluster_address);
    config.advertise_address = advertised();
    config.cluster_peers = peers();
    config.allow_insecure = flag(Key::allow_insecure);
    config.data_dir = text(Key::data_dir);
    config.log_level = *io::parse_log_level(text(Key::log_level));
    const std::string& backend = text(Key::io_backend);
    config.io_backend = backend == "io_uring"   ? IoBackend::io_uring
                        : backend == "fallback" ? IoBackend::fallback
                                                : IoBackend::automatic;
    config.node.node_id = {number(Key::node_id)};
    config.node.cluster_name = text(Key::cluster_name);
    config.node.sync_mode = text(Key::sync_mode) == "async" ? node::SyncMode::async : node::SyncMode::fsync;
    config.node.read_only = flag(Key::read_only);
    config.node.segment_bytes = number(Key::segment_size);
    config.node.consensus = {.heartbeat_interval = duration(Key::heartbeat_interval),
                             .election_timeout_min = duration(Key::election_timeout_min),
                             .election_timeout_max = duration(Key::election_timeout_max),
                             .entries_per_message_max = number(Key::max_entries_per_rpc)};
    const Duration patience = duration(Key::activate_release_after);
    config.node.activate_after = patience == Duration::zero() ? std::nullopt : std::optional(patience);
    config.node.limits = {.tenants_max = number(Key::max_tenants),
                          .streams_per_tenant_max = number(Key::max_streams_per_tenant),
                          .record_bytes_max = number(Key::max_record_size),
                          .batch_bytes_max = number(Key::max_batch_size)};
  }

  LoadedConfig loaded_;
};

}  // namespace

LoadedConfig load_config(const std::optional<ConfigFile>& file, const Environment& environment,
                         const std::map<Key, std::string>& flags) {
  return Loader().load(file, environment, flags);
}

std::vector<std::string> keys_acting_later(const ServerConfig& config) {
  std::vector<std::string> names;
  for (const KeyRow& row : key_table()) {
    if (row.effect == Effect::later && config.settings.at(row.key).given) names.push_back(row.describe());
  }
  return names;
}

std::string describe_config(const ServerConfig& config) {
  std::string out;
  for (const KeyRow& row : key_table()) {
    if (row.effect != Effect::now) continue;
    const Setting& setting = config.settings.at(row.key);
    out += row.describe() + " = " + describe_value(row, setting.value) + "  (" + setting.origin + ")\n";
  }
  for (const std::string& key : keys_acting_later(config))
    out += key + ": accepted, has no effect in this version\n";
  return out;
}

}  // namespace verity::tools
