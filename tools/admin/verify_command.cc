// `verity-admin log verify` and `verity-admin verify`: is what is on disk what was written?
#include "engine/log/verify.h"
#include "engine/node/state_file.h"
#include "engine/node/verify_directory.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "tools/admin/commands.h"
#include "tools/admin/offline.h"
#include "tools/server/json_logger.h"

#include <optional>
#include <string>
#include <vector>

namespace verity::tools {
namespace {

// Findings are damage (exit 1) or notes: harmless, but worth a line.
struct Findings {
  log::VerifyReport log;
  // Counted only when the whole directory is verified.
  std::optional<std::uint64_t> tenants{};
  std::optional<std::uint64_t> events{};
  std::vector<std::string> damage{};  // outside the log
  std::vector<std::string> notes{};
  std::optional<View> log_view{};  // of the node whose directory it is, if its state can be read

  std::vector<std::string> all_damage() const {
    std::vector<std::string> lines;
    lines.reserve(log.damage.size());
    for (const log::Damage& place : log.damage) lines.push_back(place.describe());
    lines.insert(lines.end(), damage.begin(), damage.end());
    return lines;
  }
  std::vector<std::string> all_notes() const {
    std::vector<std::string> lines = log.notes;
    lines.insert(lines.end(), notes.begin(), notes.end());
    return lines;
  }
};

std::optional<View> read_log_view(io::Wait& wait, io::Directory& data) {
  const auto meta = data.open_directory(wait, "meta", false);
  if (!meta) return std::nullopt;
  const auto loaded = node::load_state(wait, **meta, true);
  return loaded && loaded->state ? std::optional(loaded->state->log_view) : std::nullopt;
}

void add_list(std::string& out, std::string_view key, const std::vector<std::string>& lines) {
  out += ",\"" + std::string(key) + "\":[";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, lines[i]);
  }
  out += ']';
}

void report_json(const Findings& findings) {
  const log::VerifyReport& report = findings.log;
  const auto damage = findings.all_damage();
  std::string out = std::string("{\"fine\":") + (damage.empty() ? "true" : "false");
  out += ",\"cluster_id\":\"" + report.cluster_id.describe() + "\"";
  out += ",\"segments\":" + std::to_string(report.segments);
  out += ",\"entries\":" + std::to_string(report.entries);
  out += ",\"bytes\":" + std::to_string(report.bytes);
  if (findings.log_view) out += ",\"log_view\":" + findings.log_view->describe();
  out += ",\"last_position\":" + report.last.describe();
  if (report.last.value > 0) out += ",\"recorded_at\":\"" + report.last_timestamp.describe() + "\"";
  out += ",\"head\":\"" + report.head.describe() + "\"";
  out += ",\"tree_root\":\"" + report.tree_root.describe() + "\"";
  if (findings.tenants) out += ",\"tenants\":" + std::to_string(*findings.tenants);
  if (findings.events) out += ",\"events\":" + std::to_string(*findings.events);
  add_list(out, "damage", damage);
  add_list(out, "notes", findings.all_notes());
  print(out + "}\n");
}

void report_text(const Findings& findings) {
  const log::VerifyReport& report = findings.log;
  std::string out = "cluster_id: " + report.cluster_id.describe() + "\n";
  out += "segments: " + std::to_string(report.segments) + "\n";
  out += "entries: " + std::to_string(report.entries) + "\n";
  if (findings.tenants) out += "tenants: " + std::to_string(*findings.tenants) + "\n";
  if (findings.events) out += "events: " + std::to_string(*findings.events) + "\n";
  out += "bytes: " + std::to_string(report.bytes) + "\n";
  if (findings.log_view) out += "log_view: " + findings.log_view->describe() + "\n";
  out += "last_position: " + report.last.describe() + "\n";
  if (report.last.value > 0) {
    out += "recorded_at: " + report.last_timestamp.describe() + "\n";
    out += "head: " + report.head.describe() + "\n";
    out += "tree_root: " + report.tree_root.describe() + "\n";
  }
  for (const std::string& line : findings.all_notes()) out += "note: " + line + "\n";
  const auto damage = findings.all_damage();
  for (const std::string& line : damage) out += "DAMAGE: " + line + "\n";
  if (damage.empty()) {
    out += "Every entry is what was written, and the chain is whole.\n";
  } else {
    out += std::to_string(damage.size()) + (damage.size() == 1 ? " damaged place\n" : " damaged places\n");
  }
  print(out);
}

int report(const Context& context, const Status& status, const Findings& findings) {
  if (!status) {
    print_error(context.json, status.error());
    return exit_failure;
  }
  if (context.json) {
    report_json(findings);
  } else {
    report_text(findings);
  }
  return findings.all_damage().empty() ? exit_fine : exit_failure;
}

}  // namespace

int verify_log_files(const Context& context) {
  Findings findings;
  const Status status = with_directory(context.data_dir, [&](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log_directory, data.open_directory(wait, "log", false));
    Progress progress("verifying", Progress::Unit::bytes, context.json);
    log::VerifyOptions options;
    options.on_progress = [&](ByteCount done, ByteCount total) { progress.update(done, total); };
    VERITY_TRY_ASSIGN(findings.log, log::verify_log(wait, *log_directory, options));
    progress.finish();
    findings.log_view = read_log_view(wait, data);
    return {};
  });
  return report(context, status, findings);
}

int verify_data_directory(const Context& context) {
  Findings findings;
  const Status status = with_directory(context.data_dir, [&](io::Wait& wait, io::Directory& data) -> Status {
    Progress progress("verifying", Progress::Unit::bytes, context.json);
    const auto on_progress = [&](ByteCount done, ByteCount total) { progress.update(done, total); };
    VERITY_TRY_ASSIGN(node::DirectoryReport whole, node::verify_directory(wait, data, on_progress));
    progress.finish();
    findings = {.log = std::move(whole.log),
                .tenants = whole.tenants,
                .events = whole.events,
                .damage = std::move(whole.damage),
                .notes = std::move(whole.notes),
                .log_view = read_log_view(wait, data)};
    return {};
  });
  return report(context, status, findings);
}

}  // namespace verity::tools
