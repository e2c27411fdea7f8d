// The service manager of one node, and its judge: starts the node again after every end, does to it what a
// disturbance says, and fails the run when an end, a refusal, or what the node came back with has no reason among
// the faults of its disk.
//
//   down ──start_at──► running ──► stopped, crashed, failed, refused ──(is there a reason?)──► down
#pragma once

#include "io/base/prng.h"
#include "sim/history.h"
#include "sim/node_host.h"
#include "sim/scenario.h"
#include "sim/world.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

class NodeKeeper {
 public:
  // `node`: from 1.
  NodeKeeper(World& world, History& history, const Scenario& scenario, Prng& prng, std::uint64_t node = 1);

  NodeHost& host() { return host_; }
  const NodeHost& host() const { return host_; }
  // Judges the node if it has come to its end, and starts it when it is time.
  void look_after();
  bool is_up() const { return host_.is_running(); }
  // And has not been crashed at this very moment.
  bool is_alive() const { return is_up() && !host_.process()->is_crashed(); }
  bool is_paused() const { return is_alive() && host_.process()->is_paused(); }
  std::uint64_t pauses() const { return pauses_; }
  bool has_ended() const { return host_.process() != nullptr && !host_.is_running(); }
  // When look_after() starts it.
  Instant next_start() const { return host_.process() == nullptr ? start_at_ : Instant::never(); }

  // Everything but network trouble.
  void disturb(Disturbance what);
  // Flips a bit in the last flush of the current segment that holds entries.
  void rot_end();
  // Flips a bit in a flush of a sealed segment that holds such positions alone, up to `last`; false: there is none.
  bool rot_share(std::uint64_t share, std::uint64_t shares, Position last);
  // No fault happens from here on; those that did remain reasons.
  void heal();
  // Stops the node as an operator would: it has a minute.
  void end();
  void start_now() { start_at_ = world_.now(); }
  // Its disk has next to no room | has room again.
  void fill_disk();
  bool has_full_disk() const { return disk_is_full_; }
  void free_disk();
  // Both copies of its state are gone, or unreadable; its log is there.
  void lose_state();
  // It has been copied, and was started since: the others have heard of that.
  bool has_old_copy() const { return old_copy_ != nullptr && host_.boots() >= copied_before_boot_; }
  // Its disk is put back as it was then. `forced`: it is started with --force-recover, which is refused.
  void put_old_copy_back(bool forced);
  // The program of the other release is started next, and now if it runs.
  void change_release();
  // The program of the release before is started, after a crash at a call soon.
  void go_back_soon();
  bool runs_next_release() const { return running_.newest == node::next_releases.newest; }
  bool gets_next_release() const { return host_.setup().node.releases.newest == node::next_releases.newest; }
  // Its program is started.
  std::function<void(const node::Releases&)> on_started;
  // It has stopped, or refuses to start, because of the release that is active; the next one is started.
  std::function<void(std::string_view why)> on_outdated;
  bool is_healed() const { return healed_; }
  // Until start_now().
  void stay_down();
  // It comes back on another one.
  void lose_disk();
  // Down, as all others are: from now on it is started with --force-recover until it has recovered, and crashes up to so many
  // times on the way. The last position of what it keeps.
  std::uint64_t recover_by_force(std::uint64_t crashes);
  // The same while a majority is alive: that is refused.
  void recover_too_early();
  bool was_refused_too_early() const { return too_early_ == TooEarly::refused; }
  // Its disk is of an epoch that is over: what it says means nothing, until it loses it.
  void start_as_relic();
  // One end by force takes what it has promised to others: what is in memory is acknowledged (sync_mode = "async").
  bool may_forget() const;
  // Of its data directory, as far as that is durable; empty: it has none, or has forgotten what it promised.
  std::string incarnation() const;
  // It has come up at least once.
  bool has_been_up() const { return last_boot_ > 0; }
  // Whether it is up, its state and why it is not writable.
  std::string describe() const;
  // Of a node that was ended for good: verifies what is durable of its directory. Damage has a reason, and damage of the
  // log is found.
  void verify_directory();

  // The node has refused to start, as one that was damaged should, and will for ever.
  bool has_refused_rightly() const { return refusals_ >= 2; }
  const std::string& refusal() const { return refusal_; }
  // It may serve without ever being ready again: damage that cannot be derived away.
  bool may_stay_damaged() const;
  bool is_read_only() const;
  bool allows(std::string_view code) const;

 private:
  // A flush with entries on the disk.
  struct Place {
    std::string path;
    ByteCount at = 0;
    ByteCount bytes = 0;
    Position first;
    Position end;
  };
  std::vector<Place> flushes_in(const std::string& path);
  void rot(const Place& place);
  void judge_refusal(const Error& error);
  void judge_failure(const Error& error);
  Ending take_ending();
  void start();
  // True: the error says so, and the program of the next release is started next.
  bool is_outdated(const Error& error);
  void do_damage();
  void pause();
  void forget_what_it_was();
  // True: it is an old copy, and was told so; it comes back as another member.
  bool found_out(const Error& error);
  void recovered(std::uint64_t position, const std::string& hash);
  // A node that acts on an older state than it ever acted on has forgotten its promises.
  void check_state_goes_on();
  void recovered_by_force();
  // Failed syncs and names do not count: they must be survived.
  bool damage_was_done() const;
  // Such that it stays on the platter, in the log.
  bool log_may_be_damaged() const;
  // Its state says that it acknowledges what may not be durable, and the process that did so has ended.
  bool has_forgotten() const;
  void note_forgotten();
  // Of a node that is alone: its log rots now.
  void note_rot();
  // A look at the scrubber, before the node ends: it finds what a start would find.
  void look_at_scrubber();
  std::uint64_t scrub_rounds() const;
  bool is_async() const { return host_.setup().node.sync_mode == node::SyncMode::async; }
  // From when on what clients were told may be gone after a restart.
  Instant may_lose_since() const;

  World& world_;
  History& history_;
  const Scenario& scenario_;
  Prng& prng_;
  NodeHost host_;

  Instant start_at_{};
  node::Releases running_;  // or ran last
  std::uint64_t last_release_ = 0;
  std::optional<CrashKind> crash_early_;  // during the next start
  bool restart_asked_ = false;
  bool healed_ = false;
  bool disk_is_full_ = false;
  bool disk_was_full_ = false;
  bool sync_may_fail_ = false;
  bool sync_was_failing_ = false;
  bool sync_failed_ = false;
  bool ended_hard_ = false;  // by a crash or a failure, at least once since it last recovered
  Instant recovered_at_{};
  std::uint64_t last_boot_ = 0;
  std::uint64_t last_view_ = 0;
  std::uint64_t last_log_view_ = 0;
  std::string refusal_;
  int refusals_ = 0;
  bool was_read_only_ = false;                  // when it was ended
  std::optional<std::uint64_t> rounds_at_rot_;  // of the scrubber, in this boot, when the log rotted last
  std::uint64_t rot_boot_ = 0;
  bool scrubbed_in_vain_ = false;  // since then it has been through the whole log, and found nothing
  std::uint64_t pauses_ = 0;
  // --force-recover
  enum class TooEarly : std::uint8_t { no, asked, refused } too_early_ = TooEarly::no;
  std::optional<std::uint64_t> held_;  // entries in its log when it began; until it has recovered
  std::uint64_t held_of_all_ = 0;      // of them, up to where it is what everybody was told
  std::uint64_t crashes_left_ = 0;
  bool is_relic_ = false;
  std::shared_ptr<const Disk::Copy> old_copy_;
  std::uint64_t copied_before_boot_ = 0;
  std::string lost_incarnation_;  // of a disk that was put back, or of a node that has forgotten
  bool is_old_copy_ = false;      // and has not found that out yet
};

}  // namespace verity::sim
