#include "engine/node/opening.h"

#include "engine/node/activation.h"
#include "engine/node/derived_checkpoint.h"
#include "engine/node/early_acks.h"
#include "engine/node/force_recover.h"
#include "engine/node/forgotten.h"
#include "engine/node/found_cluster.h"
#include "engine/node/members.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"
#include "io/random.h"
#include "io/world.h"

#include <algorithm>
#include <array>

namespace verity::node {
namespace {

constexpr std::string_view lock_name = "lock";
constexpr std::array<std::string_view, 7> known_names = {"index", "lock",        "log", "lost+found",
                                                         "meta",  "projections", "wal"};
// A node that was founded has the founding record.
constexpr Position founding_entries{1};

// Tree nodes gathered before they are written.
constexpr ByteCount tree_flush_bytes = 256 * KiB;

Status check_layout(io::Wait& wait, io::Directory& data) {
  VERITY_TRY_ASSIGN(const auto entries, data.list(wait));
  bool is_ours = entries.empty();
  std::string foreign;
  for (const io::DirectoryEntry& entry : entries) {
    if (entry.name == "meta" || entry.name == lock_name) is_ours = true;
    const bool known = std::find(known_names.begin(), known_names.end(), entry.name) != known_names.end();
    if (!known && foreign.empty()) foreign = entry.name;
  }
  if (!is_ours && !foreign.empty()) {
    return fail(ErrorCode::invalid_argument,
                data.path() + " is not empty and not a VerityDB data directory (there is '" + foreign +
                    "'); choose an empty one");
  }
  return {};
}

Status check_identity(const DurableState& state, const NodeOptions& options) {
  if (state.node_id != options.node_id) {
    return fail(ErrorCode::invalid_argument,
                "the data directory belongs to node " + state.node_id.describe() + ", this is node " +
                    options.node_id.describe() + "; set node_id to " + state.node_id.describe() +
                    " or choose another data directory");
  }
  if (state.cluster_name != options.cluster_name) {
    return fail(ErrorCode::invalid_argument, "the data directory belongs to cluster '" + state.cluster_name +
                                                 "', cluster_name is '" + options.cluster_name + "'");
  }
  return {};
}

DurableState new_state(const io::World& world, const NodeOptions& options, bool is_alone) {
  DurableState state;
  state.cluster_name = options.cluster_name;
  state.node_id = options.node_id;
  state.incarnation = world.random.id();
  if (!is_alone) return state;
  // A cluster of one is founded by its one node.
  state.cluster_id = world.random.id();
  state.epoch = world.random.id();
  state.is_member = true;
  state.founders.add({state.node_id, state.incarnation});
  state.founded_at = world.clock.realtime();
  return state;
}

// By an address that the log or an operator gave.
bool names_others(const DurableState& state) {
  const auto& seats = state.members.seats;
  return std::any_of(seats.begin(), seats.end(), [&](const MembersRecord::Seat& seat) {
    return seat.member.id != state.node_id && !seat.address.empty();
  });
}

Result<bool> has_segments(io::Wait& wait, io::Directory& log_directory) {
  VERITY_TRY_ASSIGN(const auto entries, log_directory.list(wait));
  return std::any_of(entries.begin(), entries.end(), [](const io::DirectoryEntry& entry) {
    return entry.name == log::current_segment_name || log::parse_sealed_segment_name(entry.name);
  });
}

// The state of a new directory is durable before anything else is made in it.
Result<bool> may_have_promised(io::Wait& wait, const Opened& opened) {
  VERITY_TRY_ASSIGN(const auto log_entries, opened.log_directory->list(wait));
  VERITY_TRY_ASSIGN(const auto index_entries, opened.index_directory->list(wait));
  return !log_entries.empty() || !index_entries.empty();
}

// Of one that has forgotten which it is of, the last that it founded.
Id128 own_epoch(const DurableState& state) {
  return state.epoch.is_zero() && state.refounding ? state.refounding->epoch : state.epoch;
}

// Not what an earlier start has carried out, unless its epoch is to be given up as well.
bool is_to_recover(const DurableState& state, const NodeOptions& options) {
  const std::string& named = options.force_recover_epoch;
  return options.force_recover && (named.empty() ? !state.refounding : named == own_epoch(state).describe());
}

// Of a member that does not know what it has promised; nothing: it does. --force-recover goes on with what it knows.
std::optional<std::string> why_forgotten(const DurableState& state, const NodeOptions& options) {
  if (options.read_only || is_to_recover(state, options)) return std::nullopt;
  if (state.outdated) return "this data directory is an older copy that was put back";
  if (!has_forgotten(state)) return std::nullopt;
  return "this node acknowledged writes before they were durable (sync_mode = \"async\") and did not stop "
         "cleanly: it may have lost some of them";
}

Status load_or_create_state(io::Wait& wait, const io::World& world, const NodeOptions& options,
                            Opened& opened, bool is_alone) {
  VERITY_TRY_ASSIGN(const bool promised, may_have_promised(wait, opened));
  Result<LoadedState> loaded = load_state(wait, *opened.meta, options.read_only);
  const bool is_lost = loaded ? !loaded->state : loaded.error().code == ErrorCode::corrupt;
  if (is_lost && promised && !is_alone && !options.read_only) {
    opened.notes.push_back(
        (loaded ? std::string("meta/state.json and its copy are missing") : loaded.error().message) +
        ". It goes on as another member under the same id, with what its log holds as committed");
    loaded = LoadedState{};
    loaded->state = new_state(world, options, false);
    loaded->state->head_start = true;
  }
  if (const auto why = loaded && loaded->state ? why_forgotten(*loaded->state, options) : std::nullopt) {
    if (is_alone && !names_others(*loaded->state)) {
      return fail(ErrorCode::corrupt, *why +
                                          ", and the other nodes refuse it; name them in cluster_peers, and "
                                          "this node comes back as another member");
    }
    opened.notes.push_back(
        *why + "; it goes on as another member under the same id, with what its log holds as committed");
    DurableState before = *std::move(loaded->state);
    loaded->state = new_state(world, options, false);
    loaded->state->head_start = promised;
    loaded->state->members = std::move(before.members);  // where they are reached
    loaded->state->refounding = before.refounding;
  }
  if (!loaded) {
    // The very first write of a new directory was cut short: nothing has been promised yet.
    const bool unfounded = loaded.error().code == ErrorCode::corrupt && !promised && !options.read_only;
    if (!unfounded) {
      return fail(loaded.error().code,
                  loaded.error().message +
                      ". Without its state a node cannot know what it has promised; restore this "
                      "node from a backup");
    }
    opened.notes.push_back("the founding of this data directory was interrupted; it is begun again");
    loaded = LoadedState{};
  }
  opened.notes.insert(opened.notes.end(), loaded->notes.begin(), loaded->notes.end());
  if (!loaded->state) {
    if (promised) {
      return fail(ErrorCode::corrupt,
                  "meta/state.json and meta/state.copy.json are missing, but log/ or index/ holds files: "
                  "this node has "
                  "forgotten its promises; restore the whole data directory from a backup");
    }
    if (options.read_only)
      return fail(ErrorCode::read_only, "there is nothing to read: the data directory is empty");
    if (options.force_recover) {
      return fail(ErrorCode::invalid_argument,
                  "--force-recover is refused: there is nothing to go on with, the data directory is empty");
    }
    loaded->state = new_state(world, options, is_alone);
  }
  *opened.state = *loaded->state;
  opened.clean_stop = opened.state->running == "stopped";
  VERITY_TRY(check_identity(*opened.state, options));
  VERITY_TRY(check_release(*opened.state, options.releases));
  if (options.read_only) return {};
  ++opened.state->boot_number;
  opened.state->boot_nonce = world.random.id();
  opened.state->running = "fsync";  // EarlyAcks says when it is not
  return save_state(wait, *opened.meta, *opened.state);
}

// Whose addresses are known from cluster_peers alone, all of them have to stand there.
Status check_peers(const DurableState& state, std::size_t size) {
  const std::size_t members = state.founders.size();
  const bool is_founder = state.founders.contains({state.node_id, state.incarnation});
  if (!state.is_member && size == 1 && !names_others(state)) {
    return fail(
        ErrorCode::invalid_argument,
        "the data directory was prepared for a cluster that is not founded yet; name the addresses of the "
        "other nodes in cluster_peers, or choose another directory");
  }
  if (!state.is_member || state.members.at.value != 0 || members == size || (!is_founder && size > 1))
    return {};
  return fail(ErrorCode::invalid_argument,
              "the data directory belongs to a cluster of " + std::to_string(members) +
                  ", cluster_peers makes it one of " + std::to_string(size) +
                  "; name the addresses of the other " + std::to_string(members - 1) +
                  " nodes. To let nodes in or out, use verity-admin cluster add and remove");
}

// The other nodes are reached from here on; a blank node becomes a member.
Status join_cluster(io::Wait& wait, const io::World& world, const NodeOptions& options, Opened& opened,
                    PeerTransport* transport) {
  DurableState& state = *opened.state;
  VERITY_TRY(check_not_removed(state));
  if (!options.read_only) VERITY_TRY(check_peers(state, transport == nullptr ? 1 : transport->others() + 1));
  const consensus::MemberSet members = members_of(state);
  opened.is_alone =
      state.is_member && members.size() == 1 && members.contains({state.node_id, state.incarnation});
  // One that is alone and names others in cluster_peers was left behind by them: they may come back.
  if (transport == nullptr || (opened.is_alone && transport->others() == 0)) return {};
  reach_members(state.members, state.node_id, *transport);
  VERITY_TRY(
      transport->start(wait, [&state, known = options.releases] { return identity_of(state, known); }));
  opened.in_network = true;
  if (state.is_member) return {};
  if (state.head_start) return find_own_cluster(wait, world, options, opened, *transport);
  return found_cluster(wait, world, *opened.meta, state, *transport);
}

// The log of whoever this node was is its own from here on.
Status take_over_log(io::Wait& wait, Opened& opened) {
  DurableState& state = *opened.state;
  VERITY_TRY_ASSIGN(LogSays says, members_in_log(wait, *opened.log_directory, opened.recovered.committed));
  if (says.damage) {
    return fail(ErrorCode::corrupt,
                "this node has forgotten its promises, and its log cannot be read as a whole (" +
                    says.damage->describe() + "): set the data directory aside and start with an empty one");
  }
  VERITY_TRY(check_epoch(says, state.epoch));
  state.members = std::move(says.members);
  state.release = says.release;
  state.founded = opened.recovered.last.value > 0;
  state.unknown_from.reset();
  state.head_start = false;
  return save_state(wait, *opened.meta, state);
}

// Without promises it has a log and nothing else to go by, and nobody else to ask.
Status recover_log(io::Wait& wait, const NodeOptions& options, Opened& opened,
                   bool goes_on_without_promises) {
  VERITY_TRY_ASSIGN(const bool log_exists, has_segments(wait, *opened.log_directory));
  if (!log_exists && !opened.state->founded && !options.read_only) {
    VERITY_TRY(log::create_first_segment(wait, *opened.log_directory, opened.state->cluster_id,
                                         options.segment_bytes));
  }
  log::RecoveryInput input;
  input.cluster_id = opened.state->cluster_id;
  input.checkpoint = opened.derived->position;
  input.checkpoint_hash = opened.derived->hash;
  input.known_durable =
      std::max(opened.state->durable_position, opened.state->founded ? founding_entries : Position{0});
  // Until the first checkpoint there is nothing but the log.
  input.derive_bytes_max = 2 * options.tuning.checkpoint_bytes;
  input.clean_stop = opened.clean_stop;
  input.read_only = options.read_only;
  input.checkpoint_timestamp = opened.derived->recorded_at;
  input.log_view = opened.state->log_view;
  input.segment_bytes = options.segment_bytes;
  input.only_committed = opened.state->head_start;
  if (!opened.is_alone && !goes_on_without_promises) {
    // Durable until the others have told what is missing: for a vote it makes all the difference whether this node never
    // held an entry, or may have lost it.
    input.mark_lost = [&](Position position) {
      DurableState& state = *opened.state;
      state.unknown_from = std::min(position, state.unknown_from.value_or(position));
      state.durable_position = std::min(state.durable_position, Position{position.value - 1});
      return save_state(wait, *opened.meta, state);
    };
  }
  input.apply = [&](const log::EntryPtr& entry) -> Status {
    VERITY_TRY(check_release(*entry, options.releases));
    return derive(wait, *entry, *opened.derived, opened.tree_nodes.get());
  };
  VERITY_TRY_ASSIGN(opened.recovered, log::recover(wait, *opened.log_directory, input));
  if (opened.state->head_start) VERITY_TRY(take_over_log(wait, opened));
  // From here on entries may be replaced by fewer: after a crash what was durable at the last stop says nothing.
  if (!opened.is_alone && !options.read_only && opened.state->durable_position.value > 0) {
    opened.state->durable_position = {};
    VERITY_TRY(save_state(wait, *opened.meta, *opened.state));
  }
  // Whether the tail is committed consensus will find; but nothing runs in a node that is only read, and in a cluster of one
  // what is durable is committed.
  if (options.read_only && opened.is_alone) {
    for (const log::EntryPtr& entry : opened.recovered.tail) {
      if (entry->position() == opened.derived->position.next()) VERITY_TRY(input.apply(entry));
    }
  }
  opened.committed = opened.recovered.committed;
  opened.committed_hash = opened.recovered.committed_head;
  opened.tail = opened.recovered.tail;
  for (const log::EntryPtr& entry : opened.tail) VERITY_TRY(check_release(*entry, options.releases));
  opened.notes.insert(opened.notes.end(), opened.recovered.notes.begin(), opened.recovered.notes.end());
  opened.damage = opened.recovered.damage;
  return {};
}

Status open_tree(io::Wait& wait, Opened& opened) {
  auto read = std::make_shared<log::MerkleSidecar::ReadChainHash>();
  opened.read_chain_hash = read;
  VERITY_TRY_ASSIGN(
      opened.tree_nodes,
      log::MerkleSidecar::open(wait, *opened.log_directory, opened.state->cluster_id, opened.derived->tree,
                               [read](io::Wait& waiting, Position position) -> Result<Sha256Digest> {
                                 if (!*read) return fail(ErrorCode::busy, "the log is being opened");
                                 return (*read)(waiting, position);
                               }));
  return {};
}

// Before anything is changed; nothing: this is to be an ordinary start.
Result<std::optional<Survey>> ask_if_forced(io::Wait& wait, const io::World& world,
                                            const NodeOptions& options, Opened& opened,
                                            PeerTransport* transport) {
  if (!options.force_recover) return std::nullopt;
  // Left in a command line it does nothing, however long the others take to come up after a power cut.
  const DurableState& state = *opened.state;
  if (!is_to_recover(state, options)) {
    const std::string& named = options.force_recover_epoch;
    opened.notes.push_back(
        "--force-recover is ignored: " +
        (named.empty() ? std::string("an earlier start carried it out; leave it out from now on")
                       : "this node is not of the epoch " + named) +
        ". Should a majority be destroyed again, --force-recover=" + own_epoch(state).describe() +
        " gives up the epoch that this node is of now");
    return std::nullopt;
  }
  std::optional<LogSays> remembered;
  if (opened.state->head_start) {
    VERITY_TRY_ASSIGN(remembered, go_by_log(wait, *opened.log_directory, *opened.state));
  }
  return ask_members(wait, world, options, *opened.meta, *opened.state, transport, remembered);
}

Status recover_by_force(io::Wait& wait, const io::World& world, const NodeOptions& options, Opened& opened,
                        PeerTransport* transport, const Survey& survey) {
  VERITY_TRY(
      found_anew(wait, world, *opened.meta, *opened.log_directory, *opened.state, opened.recovered, survey));
  for (const std::string& sentence : opened.state->refounding->sentences()) opened.notes.push_back(sentence);
  return join_cluster(wait, world, options, opened, transport);
}

}  // namespace

Status derive(io::Wait& wait, const log::Entry& entry, Derived& derived, log::MerkleSidecar* tree_nodes) {
  if (tree_nodes == nullptr) return derived.apply(entry);
  VERITY_TRY(derived.apply(entry, tree_nodes->on_node()));
  if (tree_nodes->pending_bytes() < tree_flush_bytes) return {};
  ignore(tree_nodes->flush(wait), "the nodes can be derived again; until then proofs are refused");
  return {};
}

Result<Opened> open_data_directory(io::Wait& wait, const io::World& world, io::Directory& data,
                                   const NodeOptions& options, PeerTransport* transport) {
  Opened opened;
  VERITY_TRY(check_layout(wait, data));
  if (!options.read_only) {
    VERITY_TRY_ASSIGN(opened.lock, data.lock(wait, lock_name, options.lock_holder));
  }
  const bool create = !options.read_only;
  VERITY_TRY_ASSIGN(opened.meta, data.open_directory(wait, "meta", create));
  VERITY_TRY_ASSIGN(opened.log_directory, data.open_directory(wait, "log", create));
  VERITY_TRY_ASSIGN(opened.index_directory, data.open_directory(wait, "index", create));
  if (create) VERITY_TRY(data.sync(wait));
  VERITY_TRY(
      load_or_create_state(wait, world, options, opened, transport == nullptr || transport->others() == 0));
  VERITY_TRY_ASSIGN(const std::optional<Survey> survey,
                    ask_if_forced(wait, world, options, opened, transport));
  if (!survey) VERITY_TRY(join_cluster(wait, world, options, opened, transport));
  const DerivedLimits limits{.keys = {options.tuning.idempotency_keys_kept, options.tuning.idempotency_window,
                                      options.tuning.idempotency_keys_max},
                             .sessions = {options.tuning.sessions_max, options.tuning.session_requests_kept}};
  const std::uint64_t hash_seed = world.random.next();
  VERITY_TRY_ASSIGN(LoadedDerived loaded,
                    load_derived(wait, *opened.index_directory, opened.state->cluster_id, limits, hash_seed));
  opened.notes.insert(opened.notes.end(), loaded.notes.begin(), loaded.notes.end());
  opened.derived = loaded.derived ? std::move(loaded.derived) : std::make_unique<Derived>(limits, hash_seed);
  if (!options.read_only) VERITY_TRY(open_tree(wait, opened));
  VERITY_TRY(recover_log(wait, options, opened, survey && survey->release));
  if (survey) VERITY_TRY(recover_by_force(wait, world, options, opened, transport, *survey));
  if (opened.state->refounding && !options.read_only)
    VERITY_TRY(write_recovery_report(wait, *opened.meta, *opened.state->refounding));
  return opened;
}

}  // namespace verity::node
