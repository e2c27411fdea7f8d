// What verity-admin can be told to do. Each command prints its result and returns the exit code: exit_fine,
// exit_failure (damage was found, or it could not be done) or exit_usage.
#pragma once

#include "tools/admin/output.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace verity::tools {

struct Context {
  std::string server;    // "127.0.0.1:7000"
  std::string data_dir;  // for what reads files
  bool json = false;
};

// ---- of a running server

int show_status(const Context& context);
int show_metrics(const Context& context);
int show_head(const Context& context);

// ---- of its cluster, as the server sees it

// The line of the server alone in the table of show_cluster().
int show_node(const Context& context);
int show_cluster(const Context& context);
// Fine when the server leads or follows and all other nodes do and are not far behind; a failure, saying what is missing,
// when that has not come about in time.
int wait_until_healthy(const Context& context, std::uint64_t timeout_seconds);
// Gives the lead to that node, or to whoever can take it best; fine when another node leads, or it did already.
int activate_release(const Context& context);
int transfer_leader(const Context& context, std::optional<std::uint64_t> to);
// Waits until the cluster has these members more ("ID=HOST:PORT") and those (ids) less, and says meanwhile what it waits for.
int change_members(const Context& context, const std::vector<std::string>& add,
                   const std::vector<std::string>& remove, std::uint64_t timeout_seconds);
// Says hello at each address of the list ("host:port,…"; empty: those the server knows). A failure if one is not the cluster
// port of a node of the server's cluster; of any cluster, if there is no server to ask for its own.
int ping_peers(const Context& context, const std::string& list);

int create_tenant(const Context& context, const std::string& name);
int delete_tenant(const Context& context, const std::string& name);
int list_tenants(const Context& context);

struct StreamName {
  std::string tenant;
  std::string stream;
};

struct AppendCommand {
  StreamName name;
  // One event with this type and the data; without it, lines of events are read.
  std::optional<std::string> type;
  std::optional<std::string> data;
  std::optional<std::string> file;  // "-": standard input
  std::optional<std::string> metadata;
  std::optional<std::string> id;
  std::optional<std::string> subject;
  std::optional<std::string> expected_revision;
  std::optional<std::string> idempotency_key;
  std::uint64_t batch_events = 1000;  // of lines, in one request
};
int append_events(const Context& context, const AppendCommand& command);

struct ReadCommand {
  StreamName name;
  std::optional<std::string> from;  // a revision, a token, or "end"
  std::optional<std::string> subject;
  bool backward = false;
  bool follow = false;
  std::optional<std::uint64_t> limit;
};
int read_events(const Context& context, const ReadCommand& command);

// Prints events as they are appended, over a subscription that is taken up again when it breaks.
int tail_events(const Context& context, const ReadCommand& command);

// ---- of files, beside a running server or without one

// Every entry, hash and link of the chain.
int verify_log_files(const Context& context);
// That, and the node's state, checkpoints and sidecars.
int verify_data_directory(const Context& context);

// ---- proofs, made by the server; `offline`: from the files, in one pass that verifies everything on its way

struct InclusionCommand {
  std::uint64_t position = 0;
  std::optional<std::uint64_t> head;   // offline: the tree to prove it in; without it the last entry's
  std::optional<std::uint32_t> event;  // its index, to be spelled out
  bool body = false;                   // offline; the server's proof always has it
  bool offline = false;
  std::string output = "-";
};
int prove_entry(const Context& context, const InclusionCommand& command);

struct ConsistencyCommand {
  std::uint64_t from = 0;
  std::optional<std::uint64_t> to;  // without it the last entry
  bool offline = false;
  std::string output = "-";
};
int prove_growth(const Context& context, const ConsistencyCommand& command);

struct CheckCommand {
  std::string file;
  // What the checker knows from elsewhere.
  std::optional<std::string> root;
  std::optional<std::uint64_t> position;
  std::optional<std::string> cluster_id;
};
int check_proof_file(const Context& context, const CheckCommand& command);

}  // namespace verity::tools
