// `verity-admin proof`: made by the server, or from the files in one pass that verifies everything on its way; checked
// without either.
#include "engine/log/proof.h"
#include "engine/log/verify.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "tools/admin/api.h"
#include "tools/admin/commands.h"
#include "tools/admin/line_source.h"
#include "tools/admin/offline.h"
#include "tools/admin/proof_nodes.h"
#include "tools/server/json_logger.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

namespace verity::tools {
namespace {

std::optional<Position> position_of(std::optional<std::uint64_t> number) {
  if (!number) return std::nullopt;
  return Position{*number};
}

// What one pass over the log keeps: the nodes, and the entries and roots that the proof shows.
class Collector {
 public:
  // `positions` are proven or are heads; `head` empty: the last entry of the log.
  Collector(std::vector<Position> positions, std::optional<Position> head)
      : positions_(positions), head_(head), nodes_(std::move(positions)) {}

  Status read(const Context& context) {
    return with_directory(context.data_dir, [&](io::Wait& wait, io::Directory& data) -> Status {
      VERITY_TRY_ASSIGN(auto log_directory, data.open_directory(wait, "log", false));
      Progress progress("reading the log", Progress::Unit::bytes, context.json);
      log::VerifyOptions options;
      options.on_progress = [&](ByteCount done, ByteCount total) { progress.update(done, total); };
      options.on_entry = [&](const log::EntryPtr& entry, std::uint64_t, std::uint32_t) {
        return take(entry);
      };
      auto report = log::verify_log(wait, *log_directory, options);
      progress.finish();
      if (!report && !is_complete()) return std::unexpected(std::move(report).error());
      return finish(report ? &*report : nullptr);
    });
  }

  // Of a position of interest or of the head.
  Result<log::HeadEvidence> head_at(Position position) const {
    VERITY_TRY_ASSIGN(auto path, log::prove_inclusion(position.value - 1, position.value, nodes_.source()));
    return log::HeadEvidence{entries_.at(position), std::move(path), roots_.at(position)};
  }
  const log::EntryPtr& entry(Position position) const { return entries_.at(position); }
  Position head() const { return *head_; }
  log::MerkleNodeSource nodes() const { return nodes_.source(); }

 private:
  bool is_complete() const { return head_ && roots_.contains(*head_); }

  Status take(const log::EntryPtr& entry) {
    // Beyond the head nothing is needed; this error ends the pass.
    if (is_complete()) return fail(ErrorCode::cancelled, "everything needed was read");
    nodes_.append(entry->hash());
    last_ = entry;
    const Position position = entry->position();
    const bool of_interest = head_ == position || std::ranges::find(positions_, position) != positions_.end();
    if (of_interest) keep_head(entry);
    return {};
  }

  void keep_head(const log::EntryPtr& entry) {
    nodes_.mark_head();
    entries_[entry->position()] = entry;
    roots_[entry->position()] = nodes_.tree().root();
  }

  Status finish(const log::VerifyReport* report) {
    if (!head_ && last_) {
      head_ = last_->position();
      keep_head(last_);
    }
    const Position last = last_ ? last_->position() : Position{};
    std::vector<Position> needed = positions_;
    if (head_) needed.push_back(*head_);
    for (const Position position : needed) {
      if (roots_.contains(position)) continue;
      if (report != nullptr && !report->damage.empty()) {
        return fail(ErrorCode::corrupt, "the log is damaged before position " + position.describe() + ": " +
                                            report->damage.front().describe());
      }
      return fail(ErrorCode::not_found, "there is no position " + position.describe() +
                                            "; the log has positions 1.." + last.describe());
    }
    return {};
  }

  const std::vector<Position> positions_;
  std::optional<Position> head_;
  ProofNodes nodes_;
  log::EntryPtr last_;
  std::map<Position, log::EntryPtr> entries_;
  std::map<Position, Sha256Digest> roots_;
};

int fail_with(const Context& context, const Error& error) {
  print_error(context.json, error);
  return exit_failure;
}

int finish_proof(const Context& context, const Result<std::string>& document, const std::string& output,
                 const std::string& summary) {
  if (!document) return fail_with(context, document.error());
  if (auto written = write_result(output, *document); !written) return fail_with(context, written.error());
  if (output != "-" && context.json) {
    std::string text = "{\"file\":";
    append_json_string(text, output);
    print(text + "}\n");
  } else if (output != "-") {
    print(summary + ", in " + output + "\n");
  }
  return exit_fine;
}

int wrong_order(const Context& context, const std::string& message) {
  print_error(context.json, "usage", message);
  return exit_usage;
}

// The server's proof is checked before it is handed on. `summary` takes the position of its head.
int fetch_proof(const Context& context, const std::string& path, const std::string& output,
                const std::function<std::string(Position)>& summary) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.path = path});
  if (!response) return exit_failure;
  const log::ProofVerdict verdict = log::check_proof(response->body, {});
  if (!verdict.holds) {
    print_error(context.json, "invalid_answer",
                context.server + " answered with a proof that does not hold: " + verdict.reason);
    return exit_failure;
  }
  return finish_proof(context, response->body, output, summary(verdict.head_position));
}

std::string describe_entry(Position position, Position head) {
  return "entry " + position.describe() + " is in the log of " + head.describe() + " entries";
}
std::string describe_growth(Position from, Position head) {
  return "the log of " + head.describe() + " entries continues that of " + from.describe();
}

std::string json_steps(const log::ProofVerdict& verdict) {
  std::string out = "[";
  for (const std::string& step : verdict.steps) {
    if (out.size() > 1) out += ',';
    append_json_string(out, step);
  }
  return out + "]";
}

void print_verdict_json(const log::ProofVerdict& verdict) {
  std::string out = std::string("{\"holds\":") + (verdict.holds ? "true" : "false");
  const auto add = [&](std::string_view key, std::string_view text) {
    out += ",\"" + std::string(key) + "\":";
    append_json_string(out, text);
  };
  if (verdict.holds) {
    add("kind", verdict.kind);
    add("cluster_id", verdict.cluster_id.describe());
    out += ",\"position\":" + verdict.position.describe();
    add("recorded_at", verdict.recorded_at.describe());
    out += ",\"head_position\":" + verdict.head_position.describe();
    add("head_root", verdict.head_root.describe());
  } else {
    add("reason", verdict.reason);
  }
  print(out + ",\"steps\":" + json_steps(verdict) + "}\n");
}

void print_verdict(const log::ProofVerdict& verdict, bool trusts_root) {
  for (const std::string& step : verdict.steps) print("  " + step + "\n");
  if (!verdict.holds) {
    print("DOES NOT HOLD: " + verdict.reason + "\n");
    return;
  }
  const std::string head =
      "head " + verdict.head_position.describe() + ", root " + verdict.head_root.describe();
  if (verdict.kind == "inclusion") {
    print("holds: entry " + verdict.position.describe() + ", recorded " + verdict.recorded_at.describe() +
          ", is in the log of cluster " + verdict.cluster_id.describe() + " with " + head + "\n");
  } else {
    print("holds: the log of cluster " + verdict.cluster_id.describe() + " grew from position " +
          verdict.position.describe() + " to " + head + ", and nothing before was changed\n");
  }
  if (!trusts_root) {
    print("This is worth as much as that root: compare it with one you noted or were given (--root).\n");
  }
}

}  // namespace

int prove_entry(const Context& context, const InclusionCommand& command) {
  if (command.head && *command.head < command.position) {
    return wrong_order(context, "--head " + std::to_string(*command.head) + " is before --position " +
                                    std::to_string(command.position));
  }
  const Position position{command.position};
  if (!command.offline) {
    if (command.head) {
      return wrong_order(context, "--head needs --data-dir: the server proves in the log as it is now");
    }
    const std::string event = command.event ? "." + std::to_string(*command.event) : "";
    return fetch_proof(context, "/v1/proofs/inclusion?position=" + position.describe() + event,
                       command.output, [&](Position head) { return describe_entry(position, head); });
  }
  Collector collector({position}, position_of(command.head));
  if (auto read = collector.read(context); !read) return fail_with(context, read.error());
  const auto document = [&]() -> Result<std::string> {
    VERITY_TRY_ASSIGN(const auto path,
                      log::prove_inclusion(position.value - 1, collector.head().value, collector.nodes()));
    VERITY_TRY_ASSIGN(const auto head, collector.head_at(collector.head()));
    return log::write_inclusion_proof(*collector.entry(position), path, head,
                                      command.body || command.event.has_value(), command.event);
  }();
  return finish_proof(context, document, command.output, describe_entry(position, collector.head()));
}

int prove_growth(const Context& context, const ConsistencyCommand& command) {
  if (command.to && *command.to < command.from) {
    return wrong_order(
        context, "--to " + std::to_string(*command.to) + " is before --from " + std::to_string(command.from));
  }
  const Position from{command.from};
  if (!command.offline) {
    const std::string to = command.to ? "&to=" + std::to_string(*command.to) : "";
    return fetch_proof(context, "/v1/proofs/consistency?from=" + from.describe() + to, command.output,
                       [&](Position head) { return describe_growth(from, head); });
  }
  Collector collector({from}, position_of(command.to));
  if (auto read = collector.read(context); !read) return fail_with(context, read.error());
  const auto document = [&]() -> Result<std::string> {
    VERITY_TRY_ASSIGN(const auto path,
                      log::prove_consistency(from.value, collector.head().value, collector.nodes()));
    VERITY_TRY_ASSIGN(const auto old_head, collector.head_at(from));
    VERITY_TRY_ASSIGN(const auto new_head, collector.head_at(collector.head()));
    return log::write_consistency_proof(old_head, new_head, path);
  }();
  return finish_proof(context, document, command.output, describe_growth(from, collector.head()));
}

int check_proof_file(const Context& context, const CheckCommand& command) {
  log::TrustedHead trusted{.cluster_id = {}, .position = position_of(command.position), .root = {}};
  if (command.root) {
    trusted.root = Sha256Digest::parse(*command.root);
    if (!trusted.root) return wrong_order(context, "--root " + *command.root + ": not 64 hexadecimal digits");
  }
  if (command.cluster_id) {
    const auto bytes = from_hex(*command.cluster_id);
    if (!bytes || bytes->size() != sizeof(Id128)) {
      return wrong_order(context, "--cluster-id " + *command.cluster_id + ": not 32 hexadecimal digits");
    }
    Id128 id;
    std::memcpy(id.bytes.data(), bytes->data(), bytes->size());
    trusted.cluster_id = id;
  }
  const auto text = read_whole(command.file, log::proof_bytes_max);
  if (!text) return fail_with(context, text.error());
  const log::ProofVerdict verdict = log::check_proof(*text, trusted);
  if (context.json) {
    print_verdict_json(verdict);
  } else {
    print_verdict(verdict, trusted.root.has_value());
  }
  return verdict.holds ? exit_fine : exit_failure;
}

}  // namespace verity::tools
