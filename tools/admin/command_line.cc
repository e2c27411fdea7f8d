#include "tools/admin/command_line.h"

#include "io/network.h"
#include "tools/admin/commands.h"
#include "tools/admin/defaults.h"
#include "tools/server/nearest.h"
#include "tools/server/process_input.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>

namespace verity::tools {
namespace {

constexpr const char* config_path_default = "/etc/verity/config.toml";

constexpr std::uint64_t node_id_max = 7;

// Why `text` names no node that could come in; empty if it does.
std::string check_new_node(std::string& text) {
  const std::size_t equals = text.find('=');
  const bool has_id = equals == 1 && text[0] >= '1' && text[0] <= '0' + static_cast<int>(node_id_max);
  const auto address = io::Address::parse(has_id ? std::string_view(text).substr(2) : std::string_view());
  if (has_id && address && address->port != 0) return {};
  return "'" + text + "' is not ID=HOST:PORT, an id of 1 to 7 and a cluster port, such as 2=node2:7001";
}

// Everything the options write into; outlives the parsing.
struct Arguments {
  Context context;
  std::string config_path;
  std::string tenant;
  bool yes = false;
  std::string peers;
  std::uint64_t timeout_seconds = 60;
  std::optional<std::uint64_t> to_node;
  std::vector<std::string> nodes;
  AppendCommand append;
  ReadCommand read;
  InclusionCommand inclusion;
  ConsistencyCommand consistency;
  CheckCommand check;
};

class CommandLineBuilder {
 public:
  explicit CommandLineBuilder(Arguments& arguments) : arguments_(arguments) {
    app_.require_subcommand(1);
    app_.set_version_flag("-V,--version", "verity-admin " VERITY_VERSION);
    app_.add_option("--server", arguments_.context.server,
                    "Client address of the server (VERITY_SERVER; default 127.0.0.1:7000)");
    app_.add_option(
        "--config", arguments_.config_path,
        "The server's configuration, for defaults (default /etc/verity/config.toml where present)");
    app_.add_flag("--json", arguments_.context.json, "Print JSON");
    app_.footer("Exit codes: 0 fine, 1 damage or failure, 2 wrong use.");
    add_server_commands();
    add_tenant_commands();
    add_stream_commands();
    add_verify_commands();
    add_proof_commands();
  }

  CLI::App& app() { return app_; }
  int run() const { return command_(); }

 private:
  // A command that does something; `parent` only groups.
  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help,
                std::function<int()> command) {
    CLI::App* added = parent.add_subcommand(name, help);
    added->fallthrough();
    added->callback([this, command = std::move(command)] { command_ = command; });
    return added;
  }

  CLI::App& add_group(const std::string& name, const std::string& help) {
    CLI::App* group = app_.add_subcommand(name, help);
    group->require_subcommand(1);
    group->fallthrough();
    return *group;
  }

  void add_server_commands() {
    const Context& context = arguments_.context;
    add(app_, "status", "State of the server, one `key: value` a line", [&] { return show_status(context); });
    CLI::App& node = add_group("node", "One node of the cluster");
    add(node, "status", "The server that is asked, as a line of `cluster status`",
        [&] { return show_node(context); });
    CLI::App& cluster = add_group("cluster", "The cluster, as one of its nodes sees it");
    add(cluster, "status", "A table of its nodes", [&] { return show_cluster(context); });
    CLI::App* ping = add(cluster, "ping", "Whether the cluster ports of nodes can be reached from here",
                         [this] { return ping_peers(arguments_.context, arguments_.peers); });
    ping->add_option("--peers", arguments_.peers,
                     "Their addresses, separated by commas (default: those the server knows)");
    CLI::App* healthy =
        add(cluster, "wait-healthy", "Wait until every node leads or follows and is not far behind",
            [this] { return wait_until_healthy(arguments_.context, arguments_.timeout_seconds); });
    healthy->add_option("--timeout", arguments_.timeout_seconds, "Seconds to wait (default 60)")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{86'400}));
    CLI::App* transfer = add(cluster, "transfer-leader", "Give the lead to another node",
                             [this] { return transfer_leader(arguments_.context, arguments_.to_node); });
    transfer->add_option("--to", arguments_.to_node, "Its id (default: whoever can take it best)")
        ->check(CLI::Range(std::uint64_t{1}, node_id_max));
    add(cluster, "activate-release", "Use the newest release that all nodes know; there is no way back",
        [this] { return activate_release(arguments_.context); });
    const auto take_nodes = [&](CLI::App* command, const std::string& help, const CLI::Validator& check) {
      command->add_option("NODE", arguments_.nodes, help)->required()->delimiter(',')->check(check);
      command->add_option("--timeout", arguments_.timeout_seconds, "Seconds to wait (default 60)")
          ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{86'400}));
    };
    take_nodes(
        add(cluster, "add", "Let nodes in: they are running, with empty data directories",
            [this] {
              return change_members(arguments_.context, arguments_.nodes, {}, arguments_.timeout_seconds);
            }),
        "ID=HOST:PORT, the address of its cluster port", CLI::Validator(check_new_node, "ID=HOST:PORT"));
    take_nodes(add(cluster, "remove", "Take nodes out of the cluster; they stop",
                   [this] {
                     return change_members(arguments_.context, {}, arguments_.nodes,
                                           arguments_.timeout_seconds);
                   }),
               "The id of a node", CLI::Range(std::uint64_t{1}, node_id_max));
    add(app_, "metrics", "Metrics of the server, as Prometheus reads them",
        [&] { return show_metrics(context); });
    add(app_, "head", "The last committed entry: position, hash and root of the tree",
        [&] { return show_head(context); });
  }

  void add_tenant_commands() {
    CLI::App& group = add_group("tenant", "Create, list and delete tenants");
    Arguments& arguments = arguments_;
    const auto take_name = [&](CLI::App* command) {
      command->add_option("NAME", arguments.tenant, "Name of the tenant")->required();
    };
    take_name(add(group, "create", "Create a tenant",
                  [&] { return create_tenant(arguments.context, arguments.tenant); }));
    add(group, "list", "List the tenants", [&] { return list_tenants(arguments.context); });
    CLI::App* removal = add(group, "delete", "Delete a tenant: its events can no longer be read", [&] {
      if (arguments.yes) return delete_tenant(arguments.context, arguments.tenant);
      print_error(arguments.context.json, "not_confirmed",
                  "deleting tenant " + arguments.tenant + " cannot be undone; repeat with --yes");
      return int{exit_usage};
    });
    take_name(removal);
    removal->add_flag("--yes", arguments.yes, "Yes, delete it");
  }

  void add_stream_commands() {
    CLI::App& group = add_group("stream", "Append to streams and read them");
    Arguments& arguments = arguments_;
    add_append(add(group, "append", "Append one event (--type), or one event per line of JSON",
                   [&] { return append_events(arguments.context, arguments.append); }),
               arguments.append);
    CLI::App* read = add(group, "read", "Print events of a stream", [&] {
      if (arguments.read.backward && arguments.read.follow) {
        print_error(arguments.context.json, "usage",
                    "--follow waits for new events; it does not go with --backward");
        return int{exit_usage};
      }
      return read_events(arguments.context, arguments.read);
    });
    add_read(read, arguments.read);
    read->add_flag("--backward", arguments.read.backward, "From the end, or from --from, to the beginning");
    read->add_flag("--follow", arguments.read.follow, "At the end, wait for more");
    add_read(add(group, "tail", "Print events as they are appended (a subscription)",
                 [&] { return tail_events(arguments.context, arguments.read); }),
             arguments.read);
  }

  // Commands that read files beside a running server, or without one.
  void add_data_dir(CLI::App* command) {
    command->add_option("--data-dir", arguments_.context.data_dir,
                        "The data directory (default: that of the configuration, /var/lib/verity)");
  }

  void add_offline(CLI::App* command) {
    command->add_option("--data-dir", arguments_.context.data_dir,
                        "Make it from the files of this directory; without, the server makes it");
  }

  void add_verify_commands() {
    const Context& context = arguments_.context;
    CLI::App& group = add_group("log", "Check the files of the log");
    add_data_dir(add(group, "verify", "Read the whole log: every entry, hash and link of the chain",
                     [&] { return verify_log_files(context); }));
    add_data_dir(add(app_, "verify",
                     "The whole data directory: the log, the node's state, checkpoints, sidecars",
                     [&] { return verify_data_directory(context); }));
  }

  void add_proof_commands() {
    CLI::App& group = add_group("proof", "Prove that entries are in the log, and check such proofs offline");
    Arguments& arguments = arguments_;
    const CLI::Range positions(std::uint64_t{1}, UINT64_MAX);

    CLI::App* inclusion = add(group, "inclusion", "Prove that an entry is in the log",
                              [&] { return prove_entry(arguments.context, arguments.inclusion); });
    add_offline(inclusion);
    inclusion->add_option("--position", arguments.inclusion.position, "The entry")
        ->required()
        ->check(positions);
    inclusion
        ->add_option("--head", arguments.inclusion.head,
                     "In the log up to this position (default: the last); needs --data-dir")
        ->check(positions);
    inclusion->add_option("--event", arguments.inclusion.event,
                          "Spell out this event of the entry, by its index");
    inclusion->add_flag("--body", arguments.inclusion.body,
                        "With the entry's body; the server's proofs always have it");
    inclusion->add_option("-o,--output", arguments.inclusion.output,
                          "File to write (default: standard output)");

    CLI::App* consistency =
        add(group, "consistency", "Prove that the log only grew since an earlier position",
            [&] { return prove_growth(arguments.context, arguments.consistency); });
    add_offline(consistency);
    consistency->add_option("--from", arguments.consistency.from, "The earlier position")
        ->required()
        ->check(positions);
    consistency->add_option("--to", arguments.consistency.to, "The later one (default: the last)")
        ->check(positions);
    consistency->add_option("-o,--output", arguments.consistency.output,
                            "File to write (default: standard output)");

    CLI::App* check = add(group, "check", "Check a proof; needs neither server nor data",
                          [&] { return check_proof_file(arguments.context, arguments.check); });
    check->add_option("FILE", arguments.check.file, "The proof; - is standard input")->required();
    check->add_option("--root", arguments.check.root, "The root you trust, from `head` at that time");
    check->add_option("--position", arguments.check.position, "The position of the head you trust");
    check->add_option("--cluster-id", arguments.check.cluster_id, "The cluster you trust");
  }

  static void add_stream_name(CLI::App* command, StreamName& name) {
    command->add_option("TENANT", name.tenant, "Name of the tenant")->required();
    command->add_option("STREAM", name.stream, "Name of the stream")->required();
  }

  static void add_append(CLI::App* command, AppendCommand& append) {
    add_stream_name(command, append.name);
    CLI::Option* type = command->add_option("--type", append.type, "Type of a single event");
    CLI::Option* data =
        command->add_option("--data", append.data, "Its data, JSON, kept as written; null without");
    CLI::Option* file = command->add_option("--file", append.file,
                                            "With --type: the data. Without: one event per line, "
                                            "{\"type\":…,\"data\":…}. - is standard input (default)");
    data->needs(type)->excludes(file);
    command->add_option("--metadata", append.metadata, "Its metadata, JSON")->needs(type);
    command->add_option("--id", append.id, "Its id")->needs(type);
    command->add_option("--subject", append.subject, "Its subject")->needs(type);
    command->add_option("--expected-revision", append.expected_revision,
                        "Append only if the stream's last revision is this: a number, none, exists or any");
    command->add_option("--idempotency-key", append.idempotency_key,
                        "Makes repeating this command safe; request N of many lines carries KEY.N");
    command
        ->add_option("--batch", append.batch_events, "Lines in one request, which is atomic (default 1000)")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000}));
  }

  static void add_read(CLI::App* command, ReadCommand& read) {
    add_stream_name(command, read.name);
    command->add_option("--from", read.from, "First event: a revision, a token such as 42.2, start or end");
    command->add_option("--subject", read.subject, "Only events of this subject");
    command->add_option("--limit", read.limit, "How many events (read: 100 unless --follow)")
        ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX));
  }

  Arguments& arguments_;
  CLI::App app_{"Looks after a VerityDB server and its data.", "verity-admin"};
  std::function<int()> command_;
};

// The deepest command that was understood: whose help a mistake deserves. `path` becomes " stream append".
const CLI::App& deepest(const CLI::App& app, std::string& path) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return app;
  path += " " + chosen.front()->get_name();
  return deepest(*chosen.front(), path);
}

// What the guide has, and this version has not.
constexpr std::array<std::string_view, 4> later_commands{"diagnostics", "migrate", "projection", "schema"};

std::vector<std::string> commands_of(const CLI::App& place) {
  std::vector<std::string> names;
  for (const CLI::App* command : place.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string describe_unknown(const std::string& word, const std::vector<std::string>& names, bool is_first) {
  if (is_first && std::ranges::find(later_commands, word) != later_commands.end())
    return "\"" + word + "\" comes with a later version. Known: " + list_of(names);
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto near = nearest(word, known);
  return "unknown command \"" + word + "\"" +
         (near ? "; did you mean \"" + std::string(*near) + "\"?" : std::string(".")) +
         " Known: " + list_of(names);
}

// Looked for before anything is parsed: the parser would pass over a word it does not know and take a later one for the
// command. Nothing: the words lead to a command, or there are none. `path` becomes " stream".
std::optional<std::string> unknown_command(const CLI::App& app, std::span<const char* const> words,
                                           std::string& path) {
  const CLI::App* place = &app;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = words[i];
    if (word == "--server" || word == "--config") ++i;  // and its value
    if (word.starts_with('-')) continue;
    const auto names = commands_of(*place);
    if (names.empty()) return std::nullopt;
    if (std::ranges::find(names, word) == names.end()) return describe_unknown(word, names, place == &app);
    place = place->get_subcommand(word);
    path += " " + word;
  }
  return std::nullopt;
}

// What is wrong where a command of `place` was expected; empty: something else is wrong.
std::string why_no_command(const CLI::App& place) {
  const auto names = commands_of(place);
  return names.empty() ? std::string() : "a command is missing. Known: " + list_of(names);
}

int wrong_use(const std::string& why, const std::string& path) {
  std::fprintf(stderr, "verity-admin: %s\nFor help: verity-admin%s --help\n", why.c_str(), path.c_str());
  return exit_usage;
}

}  // namespace

int run_admin(int count, const char* const* arguments, const Environment& environment) {
  Arguments parsed;
  CommandLineBuilder builder(parsed);
  CLI::App& app = builder.app();
  std::string found;
  if (const auto unknown = unknown_command(
          app, std::span(arguments, static_cast<std::size_t>(count)).subspan(count > 0 ? 1 : 0), found))
    return wrong_use(*unknown, found);
  try {
    app.parse(count, arguments);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done) == 0 ? exit_fine : exit_failure;
  } catch (const CLI::Error& error) {
    std::string path;
    const CLI::App& place = deepest(app, path);
    const bool is_about_words = error.get_name() == "RequiredError" || error.get_name() == "ExtrasError";
    const std::string why = is_about_words ? why_no_command(place) : std::string();
    return wrong_use(why.empty() ? error.what() : why, path);
  }

  const bool config_named = !parsed.config_path.empty();
  std::optional<ConfigFile> config;
  if (auto file = read_config_file(config_named ? parsed.config_path : config_path_default)) {
    config = *std::move(file);
  } else if (config_named) {
    print_error(parsed.context.json, describe(file.error().code), "--config: " + file.error().message);
    return exit_usage;
  }
  const AdminDefaults defaults = find_defaults(config, environment);
  // The server would not start with it; for finding the server it may still do.
  if (config) {
    for (const std::string& problem : defaults.problems)
      std::fprintf(stderr, "verity-admin: note: %s\n", problem.c_str());
  }
  if (parsed.context.server.empty()) parsed.context.server = defaults.server;
  parsed.inclusion.offline = parsed.consistency.offline = !parsed.context.data_dir.empty();
  if (parsed.context.data_dir.empty()) parsed.context.data_dir = defaults.data_dir;
  const auto address = io::Address::parse(parsed.context.server);
  if (!address) {
    print_error(parsed.context.json, "invalid_argument", "--server: " + address.error().message);
    return exit_usage;
  }
  return builder.run();
}

}  // namespace verity::tools
