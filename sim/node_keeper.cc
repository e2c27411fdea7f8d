#include "sim/node_keeper.h"

#include "engine/log/flush.h"
#include "engine/log/segment.h"
#include "engine/node/node.h"
#include "sim/json_scan.h"
#include "sim/network.h"

#include <algorithm>
#include <array>

namespace verity::sim {

NodeKeeper::NodeKeeper(World& world, History& history, const Scenario& scenario, Prng& prng,
                       std::uint64_t node)
    : world_(world),
      history_(history),
      scenario_(scenario),
      prng_(prng),
      host_(world, scenario.setup_of(node)) {
  host_.on_recovered = [this](std::uint64_t position, const std::string& hash) { recovered(position, hash); };
}

// ---- what may be, and why

bool NodeKeeper::damage_was_done() const {
  const auto& all = host_.disk().damages();
  return std::any_of(all.begin(), all.end(), [](const Damage& d) {
    return d.kind != DamageKind::failed_sync && d.kind != DamageKind::failed_name;
  });
}

bool NodeKeeper::may_stay_damaged() const {
  const DamageClass kind = scenario_.faults.damage_class;
  return damage_was_done() && kind != DamageClass::derived_rot && kind != DamageClass::state_rot;
}

std::uint64_t NodeKeeper::scrub_rounds() const {
  return host_.node()->metrics().scrub_rounds_total;
}

void NodeKeeper::note_rot() {
  scrubbed_in_vain_ = false;
  rounds_at_rot_.reset();
  if (!host_.is_serving() || host_.node() == nullptr || scenario_.nodes > 1) return;
  rounds_at_rot_ = scrub_rounds();
  rot_boot_ = host_.boots();
}

// The round under way may have passed the place.
void NodeKeeper::look_at_scrubber() {
  if (!rounds_at_rot_ || rot_boot_ != host_.boots() || !host_.is_serving() || host_.node() == nullptr) return;
  if (scrub_rounds() >= *rounds_at_rot_ + 2 && host_.node()->status().damage.empty())
    scrubbed_in_vain_ = true;
}

bool NodeKeeper::is_read_only() const {
  return host_.is_serving() && host_.node()->status().state == "read_only";
}

bool NodeKeeper::allows(std::string_view code) const {
  // Without a spare segment there is no room.
  if (code == "out_of_space") return disk_was_full_;
  if (code == "io_error") return sync_was_failing_;
  const bool damaged = damage_was_done();
  if (code == "damaged") return damaged;
  if (code == "read_only") return (damaged && scenario_.nodes == 1) || sync_failed_;
  return false;
}

bool NodeKeeper::has_forgotten() const {
  if (!is_async() || scenario_.nodes == 1 || is_alive()) return false;
  // As the next process will find it: after a kill that is more than what is durable.
  std::uint64_t newest = 0;
  bool is_marked = false;
  for (const std::string_view name : {"meta/state.json", "meta/state.copy.json"}) {
    const Bytes bytes = host_.disk().current_content(name);
    const auto json = scan_json(as_text(bytes));
    const std::uint64_t sequence = json ? (*json)["sequence"].number().value_or(0) : 0;
    if (sequence <= newest) continue;
    newest = sequence;
    is_marked = (*json)["running"].string().value_or("") == "async";
  }
  return is_marked;
}

void NodeKeeper::note_forgotten() {
  if (!has_forgotten()) return;
  forget_what_it_was();
  const Bytes bytes = host_.disk().current_content("meta/state.json");
  const auto json = scan_json(as_text(bytes));
  if (json) lost_incarnation_ = (*json)["incarnation"].string().value_or("");
}

bool NodeKeeper::may_forget() const {
  if (!is_async() || scenario_.nodes == 1 || !is_alive()) return false;
  // While the members change it acknowledges like any other, once the state says so.
  const bool is_settled =
      host_.is_serving() && host_.node() != nullptr && host_.node()->status().members_change.empty();
  return is_settled || as_text(host_.disk().durable_content("meta/state.json")).contains("\"async\"") ||
         as_text(host_.disk().durable_content("meta/state.copy.json")).contains("\"async\"");
}

Instant NodeKeeper::may_lose_since() const {
  if (is_async() && ended_hard_) return recovered_at_;
  // The last flush before a crash, if the disk lost it or hides it (docs/faults.md).
  Instant first = Instant::never();
  for (const Damage& damage : host_.disk().damages()) {
    if (damage.kind == DamageKind::lost_write) first = std::min(first, damage.at);
    if (damage.kind == DamageKind::stale_read) first = std::min(first, recovered_at_);
  }
  return first;
}

// ---- starts and ends

void NodeKeeper::recovered(std::uint64_t position, const std::string& hash) {
  if (held_) recovered_by_force();
  const node::NodeStatus status = host_.node()->status();
  const bool is_only_member = status.voters.size() == 1 && status.members_change.empty();
  if (scenario_.nodes == 1 || (is_async() && is_only_member && !status.refounding)) {
    history_.recovered(position, hash, may_lose_since(), world_.now());
  } else if (position > 0 && !hash.empty() && !is_relic_) {
    // It may be behind, but what it takes for committed is what everybody has.
    history_.observed_hash(position, hash, "", world_.now());
  }
  ended_hard_ = false;
  check_state_goes_on();
  recovered_at_ = world_.now();
}

void NodeKeeper::check_state_goes_on() {
  std::uint64_t boot = 0;
  std::uint64_t view = 0;
  std::uint64_t log_view = 0;
  std::uint64_t release = 0;
  for (const std::string_view name : {"meta/state.json", "meta/state.copy.json"}) {
    const Bytes bytes = host_.disk().durable_content(name);
    const auto json = scan_json(as_text(bytes));
    if (!json) continue;  // rot, while the other copy is good
    boot = std::max(boot, (*json)["boot_number"].number().value_or(0));
    view = std::max(view, (*json)["view"].number().value_or(0));
    log_view = std::max(log_view, (*json)["log_view"].number().value_or(0));
    release = std::max(release, (*json)["release"]["active"].number().value_or(0));
  }
  if (view < last_view_ || log_view < last_log_view_) {
    world_.fail("the node's promises went back: view " + std::to_string(view) + " after " +
                std::to_string(last_view_) + ", log view " + std::to_string(log_view) + " after " +
                std::to_string(last_log_view_));
  }
  if (release < last_release_) world_.fail("the node's release went back to " + std::to_string(release));
  last_release_ = release;
  last_view_ = view;
  last_log_view_ = log_view;
  if (boot <= last_boot_) {
    world_.fail("the node's state went back: boot number " + std::to_string(boot) + " after " +
                std::to_string(last_boot_));
  }
  last_boot_ = boot;
}

void NodeKeeper::judge_refusal(const Error& error) {
  if (too_early_ == TooEarly::asked && error.code == ErrorCode::unsupported) {
    too_early_ = TooEarly::refused;
    host_.setup().node.force_recover = false;
    return;
  }
  if (is_outdated(error) || found_out(error)) return;
  // It has forgotten that it was a member of what is over.
  if (is_relic_ && is_async() && error.message.contains("its log is of epoch")) return;
  const bool is_damage = error.code == ErrorCode::corrupt || error.code == ErrorCode::io_error;
  if (error.code == ErrorCode::out_of_space && disk_was_full_ && !healed_) return;
  if (error.code == ErrorCode::io_error && sync_may_fail_ && !healed_) return;
  const bool must_survive = scenario_.faults.damage_class == DamageClass::derived_rot || scenario_.nodes > 1;
  if (is_damage && scrubbed_in_vain_) {
    world_.fail("the scrubber has been through the log without finding what refuses the start: " +
                error.describe());
    return;
  }
  if (is_damage && damage_was_done() && !must_survive) {
    // A refusal is for ever: the next start says the same.
    refusal_ = error.describe();
    ++refusals_;
    return;
  }
  world_.fail("the node refused to start without a reason: " + error.describe());
}

void NodeKeeper::judge_failure(const Error& error) {
  if (is_outdated(error) || found_out(error)) return;
  if (error.code == ErrorCode::io_error && sync_may_fail_) {
    sync_failed_ = true;
    sync_may_fail_ = false;  // the device works again after the restart
    FaultOptions& faults = host_.disk().options().faults;
    // A file system that could not write its names may have to be mounted again, and shows what it has written.
    if (faults.failed_name_ppm != 0 && prng_.chance(1, 2)) host_.disk().crash();
    faults.failed_sync_ppm = faults.failed_name_ppm = 0;
  } else if (!(error.code == ErrorCode::out_of_space && disk_was_full_) && !damage_was_done()) {
    world_.fail("the node failed without a reason: " + error.describe());
  }
}

bool NodeKeeper::found_out(const Error& error) {
  if (!is_old_copy_ || error.code != ErrorCode::unsupported) return false;
  is_old_copy_ = false;
  host_.setup().node.force_recover = false;
  forget_what_it_was();
  return true;
}

Ending NodeKeeper::take_ending() {
  const Ending ending = host_.take_ending();
  if (ending == Ending::crashed || ending == Ending::failed) ended_hard_ = true;
  return ending;
}

void NodeKeeper::look_after() {
  if (host_.process() == nullptr) {
    if (world_.now() >= start_at_) start();
    return;
  }
  if (host_.is_running()) return;
  switch (take_ending()) {
    case Ending::none:
      world_.fail("the node's fibers ended by themselves");
      break;
    case Ending::refused:
      judge_refusal(host_.error());
      break;
    case Ending::failed:
      judge_failure(host_.error());
      break;
    case Ending::stopped:
      if (!restart_asked_) world_.fail("the node stopped by itself");
      break;
    case Ending::crashed:
      break;
  }
  restart_asked_ = false;
  note_forgotten();
  start_at_ = world_.now() + (prng_.chance(1, 2) ? Duration(1ms) : prng_.exponential(200ms));
}

void NodeKeeper::start() {
  // Now and then somebody makes a copy first.
  if (scenario_.copies_disks && has_been_up() && !is_old_copy_ && prng_.chance(1, 2)) {
    old_copy_ = host_.disk().copy();
    copied_before_boot_ = host_.boots() + 1;
  }
  running_ = host_.setup().node.releases;
  if (on_started) on_started(running_);
  host_.start();
  if (held_ && crashes_left_ > 0) {
    --crashes_left_;
    const CrashKind kind = prng_.chance(1, 2) ? CrashKind::power : CrashKind::kill;
    host_.process()->crash_at_call(prng_.between(1, 150), kind);
  }
  if (crash_early_) {
    // Somewhere in recovery, or soon after it.
    const bool is_soon = prng_.chance(1, 2) || (is_async() && scenario_.nodes > 1);
    host_.process()->crash_at_call(prng_.between(1, is_soon ? 40 : 400), *crash_early_);
    crash_early_.reset();
  }
}

bool NodeKeeper::is_outdated(const Error& error) {
  const bool is_it = error.code == ErrorCode::unsupported && error.message.contains("activated release");
  if (!is_it || runs_next_release() || !on_outdated) return false;
  on_outdated(error.message);
  host_.setup().node.releases = node::next_releases;
  return true;
}

void NodeKeeper::change_release() {
  node::Releases& releases = host_.setup().node.releases;
  // Forward rather than back.
  releases = gets_next_release() && prng_.chance(1, 3) ? node::current_releases : node::next_releases;
  world_.trace().line(
      world_.now(), "world",
      host_.address().host + " gets the program of release " + std::to_string(releases.newest));
  constexpr std::array ways{Disturbance::clean_restart, Disturbance::kill, Disturbance::power_cut};
  disturb(ways[prng_.below(ways.size())]);
}

void NodeKeeper::go_back_soon() {
  if (!is_up() || healed_) return;
  host_.setup().node.releases = node::current_releases;
  world_.trace().line(world_.now(), "world", host_.address().host + " will go back to release 1");
  const CrashKind kind = prng_.chance(1, 2) ? CrashKind::power : CrashKind::kill;
  host_.process()->crash_at_call(host_.process()->call_count() + prng_.between(1, 25), kind);
}

void NodeKeeper::stay_down() {
  if (is_up()) host_.crash(prng_.chance(1, 2) ? CrashKind::power : CrashKind::kill, "for good");
  if (host_.process() != nullptr) {
    host_.process()->drain();
    take_ending();
  }
  restart_asked_ = false;
  note_forgotten();
  start_at_ = Instant::never();
}

void NodeKeeper::lose_disk() {
  stay_down();
  host_.disk().replace();
  old_copy_ = nullptr;
  is_old_copy_ = false;
  is_relic_ = false;
  forget_what_it_was();
}

void NodeKeeper::lose_state() {
  stay_down();
  old_copy_ = nullptr;
  is_old_copy_ = false;
  Disk& disk = host_.disk();
  if (prng_.chance(1, 2)) {
    disk.lose_directory("meta");
  } else {
    const Bytes garbage(4096, std::byte{0x5a});
    for (const std::string_view name : {"meta/state.json", "meta/state.copy.json"}) {
      if (disk.durable_content(name).size() >= garbage.size()) disk.overwrite(name, 0, garbage);
    }
  }
  forget_what_it_was();
}

void NodeKeeper::put_old_copy_back(bool forced) {
  stay_down();
  host_.setup().node.force_recover = forced;
  host_.disk().put_back(*old_copy_);
  lost_incarnation_ = incarnation();
  old_copy_ = nullptr;
  is_old_copy_ = true;
  forget_what_it_was();
}

// What comes back is another member.
void NodeKeeper::forget_what_it_was() {
  last_boot_ = 0;
  last_view_ = 0;
  last_log_view_ = 0;
  last_release_ = 0;
  start_at_ = world_.now() + prng_.exponential(200ms);
}

std::uint64_t NodeKeeper::recover_by_force(std::uint64_t crashes) {
  if (host_.disk().has_unsynced()) host_.disk().crash();
  std::vector<std::pair<std::string, std::string>> held;
  for (NodeHost::HeldEntry& entry : host_.read_log())
    held.emplace_back(std::move(entry.hash), std::move(entry.data));
  held_ = held.size();
  crashes_left_ = crashes;
  host_.setup().node.force_recover = true;
  start_now();
  held_of_all_ = history_.survived(held, world_.now());
  return held_of_all_;
}

void NodeKeeper::start_as_relic() {
  is_relic_ = true;
  start_now();
}

void NodeKeeper::recover_too_early() {
  too_early_ = TooEarly::asked;
  host_.setup().node.force_recover = true;
  start_now();
}

void NodeKeeper::recovered_by_force() {
  const auto refounding = host_.node()->status().refounding;
  if (!refounding || refounding->kept().value != *held_) {
    world_.fail("--force-recover kept positions up to " +
                (refounding ? refounding->kept().describe() : std::string("none")) + " of " +
                std::to_string(*held_));
  } else if (refounding->confirmed.value > held_of_all_) {
    world_.fail("--force-recover says that positions up to " + refounding->confirmed.describe() +
                " are what was committed; up to " + std::to_string(held_of_all_) + " they are");
  }
  held_.reset();
  host_.setup().node.force_recover = false;
  host_.process()->crash_at_call(0);
}

std::string NodeKeeper::incarnation() const {
  const Bytes bytes = host_.disk().durable_content("meta/state.json");
  const auto json = scan_json(as_text(bytes));
  const std::string there = json ? std::string((*json)["incarnation"].string().value_or("")) : "";
  return there == lost_incarnation_ || has_forgotten() ? std::string() : there;
}

std::string NodeKeeper::describe() const {
  if (!host_.is_running()) return host_.address().host + " is not running";
  if (!host_.is_serving() || host_.node() == nullptr) return host_.address().host + " is starting";
  const node::NodeStatus status = host_.node()->status();
  return host_.address().host + " is " + status.state + " in view " + status.view.describe() +
         ", committed " + status.commit_index.describe() + ", applied " + status.applied_index.describe() +
         ", durable " + status.durable_position.describe() +
         (status.members_change.empty() ? "" : ", " + status.members_change) +
         (status.damage.empty() ? "" : ", damaged") + (status.reason.empty() ? "" : ": " + status.reason);
}

void NodeKeeper::end() {
  if (is_old_copy_ && !world_.failure())
    world_.fail(host_.address().host + " goes on with an old copy of its disk");
  if (host_.process() == nullptr) return;
  look_at_scrubber();
  was_read_only_ = is_read_only();
  if (host_.is_running()) {
    host_.ask_to_stop();
    const bool ended = world_.run_until([&] { return !host_.is_running(); }, world_.now() + 60s);
    if (!ended) {
      if (!world_.failure()) world_.fail("the node does not end within a minute of being asked to");
      host_.crash(CrashKind::power, "the run is over");
      host_.process()->drain();
    }
  }
  if (take_ending() == Ending::failed && !damage_was_done() && !world_.failure()) {
    world_.fail("the node failed while it stopped: " + host_.error().describe());
  }
}

bool NodeKeeper::log_may_be_damaged() const {
  const DamageClass kind = scenario_.faults.damage_class;
  return may_stay_damaged() && kind != DamageClass::stale_read;
}

void NodeKeeper::verify_directory() {
  host_.disk().options().faults = {};  // a refusal ends the run before it heals
  if (host_.disk().has_unsynced()) host_.disk().crash();
  const bool was_read_only = was_read_only_ || has_refused_rightly();
  const auto report = host_.verify_directory();
  if (world_.failure()) return;
  const bool is_whole = report && report->is_whole();
  const std::string what = !report                       ? report.error().describe()
                           : !report->log.damage.empty() ? report->log.damage.front().describe()
                           : !report->damage.empty()     ? report->damage.front()
                                                         : "whole";
  world_.trace().line(world_.now(), "world", "the directory is verified: " + what);
  if (!is_whole && !damage_was_done()) {
    world_.fail("the directory is damaged without a reason: " + what);
  } else if (!log_may_be_damaged() && (!report || !report->log.damage.empty())) {
    world_.fail("the log is damaged without a reason: " + what);
  } else if (scrubbed_in_vain_ && (!report || !report->log.damage.empty())) {
    world_.fail("the scrubber has been through the log without finding what is damaged: " + what);
  } else if (is_whole && was_read_only && log_may_be_damaged()) {
    world_.fail("the node found damage in a directory that is said to be whole");
  } else if (is_whole) {
    const log::VerifyReport& log = report->log;
    history_.observed_hash(log.last.value, log.head.describe(), log.tree_root.describe(), world_.now());
    if (log.last.value < history_.last_position()) {
      world_.fail("the directory ends at position " + log.last.describe() + " although position " +
                  std::to_string(history_.last_position()) + " was known");
    }
  }
}

// ---- faults

void NodeKeeper::do_damage() {
  Disk& disk = host_.disk();
  FaultOptions& faults = disk.options().faults;
  // The others rely on what it has acknowledged (docs/faults.md).
  faults.spares_the_last = scenario_.nodes > 1;
  switch (scenario_.faults.damage_class) {
    case DamageClass::none:
      return;
    case DamageClass::log_rot:
      disk.rot_somewhere(".segment");
      note_rot();
      return;
    case DamageClass::derived_rot: {
      constexpr std::array<std::string_view, 3> places{"index/", ".offsets", "merkle.nodes"};
      disk.rot_somewhere(places[prng_.below(places.size())]);
      return;
    }
    case DamageClass::state_rot:
      // Always the same copy: one good one is kept.
      disk.rot_somewhere(scenario_.seed % 2 == 0 ? "meta/state.json" : "meta/state.copy.json");
      return;
    case DamageClass::log_unreadable:
      faults.only_path = ".segment";
      faults.read_error_ppm = 20'000;
      return;
    case DamageClass::lost_write:
      faults.only_path = "current.segment";
      faults.lost_write_ppm = 30'000;
      return;
    case DamageClass::misdirected_write:
      faults.only_path = "current.segment";
      faults.misdirected_write_ppm = 30'000;
      return;
    case DamageClass::stale_read:
      faults.only_path = ".segment";
      faults.stale_read_ppm = scenario_.faults.stale_read_ppm;
      return;
  }
}

std::vector<NodeKeeper::Place> NodeKeeper::flushes_in(const std::string& path) {
  std::vector<Place> places;
  const Bytes bytes = host_.disk().durable_content(path);
  for (ByteCount at = log::segment_header_bytes; at + 512 <= bytes.size(); at += 512) {
    const auto flush = log::decode_flush_header(ByteView(bytes).subspan(at, 512));
    if (flush && flush->entry_count > 0 && flush->offset == at && at + flush->length <= bytes.size())
      places.push_back({path, at, flush->length, flush->first_position, flush->end_position()});
  }
  return places;
}

void NodeKeeper::rot(const Place& place) {
  const auto bit = static_cast<unsigned>(prng_.below(8));
  host_.disk().flip_bit(place.path, place.at + prng_.below(place.bytes), bit);
  note_rot();
}

void NodeKeeper::rot_end() {
  const std::vector<Place> places = flushes_in("log/current.segment");
  if (!places.empty()) rot(places.back());
}

bool NodeKeeper::rot_share(std::uint64_t share, std::uint64_t shares, Position last) {
  constexpr std::uint64_t positions_in_a_row = 4;
  const auto is_mine = [&](const Place& place) {
    for (Position p = place.first; p < place.end; p = p.next()) {
      if (p.value / positions_in_a_row % shares != share) return false;
    }
    return place.end.value <= last.value + 1;
  };
  std::vector<Place> mine;
  for (const std::string& path : host_.disk().files()) {
    if (!path.starts_with("log/") || !log::parse_sealed_segment_name(path.substr(4))) continue;
    const std::vector<Place> all = flushes_in(path);
    std::copy_if(all.begin(), all.end(), std::back_inserter(mine), is_mine);
  }
  if (!mine.empty()) rot(mine[prng_.below(mine.size())]);
  return !mine.empty();
}

// Mostly short: shorter and longer than an election timeout, than what clients wait, than links stay silent.
void NodeKeeper::pause() {
  const std::uint64_t least_ms = std::uint64_t{10} << prng_.below(9);
  const std::uint64_t lasts_ms = std::min<std::uint64_t>(prng_.between(least_ms, 2 * least_ms), 5000);
  host_.process()->pause(std::chrono::milliseconds(lasts_ms), prng_.chance(1, 2));
  ++pauses_;
}

void NodeKeeper::disturb(Disturbance what) {
  // Started again and again, and heard by nobody, it would count further than the others remember (docs/faults.md).
  if (is_old_copy_) return;
  look_at_scrubber();
  Disk& disk = host_.disk();
  switch (what) {
    case Disturbance::power_cut:
      if (is_up()) host_.crash(CrashKind::power, "a disturbance");
      return;
    case Disturbance::kill:
      if (is_up()) host_.crash(CrashKind::kill, "a disturbance");
      return;
    case Disturbance::crash_at_call:
      crash_early_ = prng_.chance(2, 3) ? CrashKind::power : CrashKind::kill;
      if (is_up()) host_.crash(prng_.chance(1, 2) ? CrashKind::power : CrashKind::kill, "a disturbance");
      return;
    case Disturbance::clean_restart:
      if (!is_up()) return;
      restart_asked_ = true;
      host_.ask_to_stop();
      return;
    case Disturbance::full_disk:
      disk_is_full_ ? free_disk() : fill_disk();
      return;
    case Disturbance::slow_disk:
      disk.options().slowness = prng_.chance(1, 2) ? 1 : prng_.between(2, 200);
      return;
    case Disturbance::clock_jump:
      if (is_up()) {
        const auto by = static_cast<std::int64_t>(prng_.below(7'200'000)) - 3'600'000;
        world_.trace().line(world_.now(), "world", "the time of day jumps by " + std::to_string(by) + " ms");
        host_.process()->clock().jump_realtime(std::chrono::milliseconds(by));
      }
      return;
    case Disturbance::failed_sync:
      sync_may_fail_ = true;
      sync_was_failing_ = true;
      disk.options().faults.failed_sync_ppm = prng_.between(20'000, 300'000);
      return;
    case Disturbance::failed_names:
      sync_may_fail_ = true;
      sync_was_failing_ = true;
      disk.options().faults.failed_name_ppm = prng_.between(10'000, 200'000);
      return;
    case Disturbance::damage:
      do_damage();
      return;
    case Disturbance::other_release:
      change_release();
      return;
    case Disturbance::pause:
      if (is_up()) pause();
      return;
    case Disturbance::slow_peer:
      world_.network().slow_down(host_.address().host, prng_.chance(1, 3) ? 1 : prng_.between(2, 100));
      return;
    case Disturbance::network_trouble:
    case Disturbance::partition:
    case Disturbance::lost_disk:
      return;  // not of a node alone
  }
}

void NodeKeeper::fill_disk() {
  Disk& disk = host_.disk();
  disk.options().capacity = disk.used() + prng_.below(64 * KiB);
  disk_is_full_ = disk_was_full_ = true;
  world_.trace().line(world_.now(), "world", "the disk of " + host_.address().host + " is full");
}

void NodeKeeper::free_disk() {
  if (disk_is_full_)
    world_.trace().line(world_.now(), "world", "the disk of " + host_.address().host + " has room again");
  host_.disk().options().capacity = UINT64_MAX;
  disk_is_full_ = false;
}

void NodeKeeper::heal() {
  healed_ = true;
  free_disk();
  DiskOptions& disk = host_.disk().options();
  disk.faults = {};
  disk.slowness = 1;
  world_.network().slow_down(host_.address().host, 1);
  crash_early_.reset();
  // A failed sync leaves a node that must be started anew; one that is crashing at a call still may.
  if (is_up()) {
    host_.process()->crash_at_call(0);
    host_.process()->resume();
  }
}

}  // namespace verity::sim
