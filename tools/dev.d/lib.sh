# Shared by the commands of tools/dev: messages, packages, build folders. Sourced with $root set and as the folder.

say() { printf '%s\n' "$*"; }
die() { printf 'tools/dev: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'tools/dev %s: %s (see --help)\n' "$command" "$*" >&2; exit 2; }

# The comment block under the first line of a file.
print_help() { sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$1"; }

# ---- packages

packages_of() {  # GROUP...
  local group
  for group in "$@"; do
    awk -v group="$group" '!/^#/ && NF && (NF > 1 ? $2 : "core") == group { print $1 }' "$root/tools/packages.txt"
  done
}

# Installs what is missing of the given groups. Quick (one dpkg call) when nothing is.
ensure_packages() {  # GROUP...
  command -v dpkg-query >/dev/null || die "packages are installed on Debian 12 only; needed: $(packages_of "$@" | xargs)"
  local wanted missing
  wanted=$(packages_of "$@" | sort -u)
  missing=$(comm -23 <(printf '%s\n' "$wanted") \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | awk '$1 == "installed" {print $2}' | sort -u) | xargs)
  [ -n "$missing" ] || return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      die "these packages are missing and neither root nor sudo is at hand; please run
  apt-get update && apt-get install -y --no-install-recommends $missing"
    fi
  fi
  say "installing: $missing"
  local log
  log=$(mktemp)
  local options=(-y --no-install-recommends -o DPkg::Lock::Timeout=300)
  if ! { "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" $missing; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $missing"
  fi
  rm -f "$log"
}

# ---- building
#
# build/CONFIG is one meson folder each; CONFIG is "debug", "release", or what the flags add up to, such as
# "clang-asan-ubsan". The release binaries can be found under build/bin/ whatever folder made them.

config=debug
config_options=()

# Turns --release, --clang, --asan, --tsan, --ubsan into $config and $config_options.
choose_config() {  # FLAG...
  local clang='' asan='' tsan='' ubsan='' release='' flag
  for flag in "$@"; do
    case $flag in
      --release) release=1 ;;
      --clang) clang=1 ;;
      --asan) asan=1 ;;
      --tsan) tsan=1 ;;
      --ubsan) ubsan=1 ;;
      *) usage_error "unknown option $flag" ;;
    esac
  done
  [ -z "$tsan" ] || [ -z "$asan" ] || usage_error "--tsan and --asan exclude each other"
  config=${clang:+clang}
  [ -z "$asan" ] || config=${config:+$config-}asan
  [ -z "$tsan" ] || config=${config:+$config-}tsan
  [ -z "$ubsan" ] || config=${config:+$config-}ubsan
  [ -z "$release" ] || config=${config:+$config-}release
  [ "$config" != clang ] || config=clang-debug
  config=${config:-debug}

  config_options=()
  local sanitizers=${asan:+address}
  [ -z "$tsan" ] || sanitizers=thread
  [ -z "$ubsan" ] || sanitizers=${sanitizers:+$sanitizers,}undefined
  [ -z "$sanitizers" ] || config_options+=("-Db_sanitize=$sanitizers" -Db_lundef=false)
  if [ -n "$release" ]; then
    config_options+=(--buildtype=release -Dtests=false)
  elif [ -n "$sanitizers" ]; then
    # -O2 -g would take more than twice as long to compile under sanitizers.
    config_options+=(-Doptimization=1 -Ddebug=false -Dcpp_args=-g1)
  else
    config_options+=(-Doptimization=1)
  fi
  compiler=gcc
  [ -z "$clang" ] || compiler=clang
}

configure() {
  local folder=build/$config
  if [ -f "$folder/build.ninja" ]; then
    # Brings the list of targets and tests up to date; quick when no meson.build changed.
    ninja -C "$folder" build.ninja >"build/$config.setup.log" 2>&1 || { tail -n 20 "build/$config.setup.log" >&2; die "meson could not set up $folder again"; }
    return 0
  fi
  local cc=gcc cxx=g++
  [ "$compiler" = gcc ] || { cc=clang-19 cxx=clang++-19; }
  command -v "$cxx" >/dev/null || ensure_packages check
  rm -rf "$folder"
  mkdir -p build
  say "setting up $folder (${config_options[*]:-defaults})"
  if ! CC="ccache $cc" CXX="ccache $cxx" meson setup "$folder" "${config_options[@]}" >"build/$config.setup.log" 2>&1; then
    tail -n 20 "build/$config.setup.log" >&2
    die "meson could not set up $folder"
  fi
}

# Builds the targets (all without any) of the chosen configuration.
compile() {  # TARGET...
  ensure_packages core
  configure
  export CCACHE_NOHASHDIR=1
  local ninja_targets=() target found
  for target in "$@"; do
    found=$(target_path "$target")
    [ -n "$found" ] || die "there is no build target $target in build/$config"
    ninja_targets+=("$found")
  done
  # Silent when there is nothing to do.
  if ! ninja -C "build/$config" -n "${ninja_targets[@]}" | grep -q 'no work to do'; then
    nice ninja -C "build/$config" "${ninja_targets[@]}"
  fi
  [ "$config" != release ] || link_binaries
}

# The file a target of that name makes, relative to the build folder; empty if there is no such target.
target_path() {  # NAME
  meson introspect --targets "build/$config" |
    python3 -c 'import json, os, sys
top = os.path.abspath(sys.argv[2])
for target in json.load(sys.stdin):
    if target["name"] == sys.argv[1]:
        print(os.path.relpath(target["filename"][0], top))
        break' "$1" "build/$config"
}

has_target() { [ -n "$(target_path "$1")" ]; }

link_binaries() {
  mkdir -p build/bin
  local name file
  for name in verity-server verity-admin verity-sim verity-bench; do
    file=$(cd build && find release -maxdepth 3 -name "$name" -type f -perm -u+x 2>/dev/null | head -n 1)
    [ -z "$file" ] || ln -sfn "../$file" "build/bin/$name"
  done
}

# ---- ports

# One line about who listens on a loopback or wildcard port; nothing if it is free.
port_holder() {  # PORT
  python3 "$root/tools/dev.d/port_holder.py" "$1"
}

# ---- testing

# Runs the tests of the chosen configuration, already built. Arguments go to `meson test`.
run_tests() {
  local wrapper=()
  case $config in
    *tsan*)
      # TSan's fixed memory layout and today's address randomisation do not fit together.
      wrapper=(setarch "$(uname -m)" -R)
      export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
      ;;
    *asan*) export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:strict_string_checks=1} ;;
  esac
  case $config in *ubsan*) export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1} ;; esac
  # Time limits are for tests that hang, not for machines that are slow or sanitizers that make them so.
  "${wrapper[@]}" meson test -C "build/$config" --no-rebuild --print-errorlogs --timeout-multiplier 10 "$@"
}

# Names of the executables behind the tests of the given suites; suites that are not there are skipped.
suite_targets() {  # SUITE...
  python3 - "build/$config" "$@" <<'PYTHON'
import json, os, subprocess, sys
folder, suites = sys.argv[1], set(sys.argv[2:])
introspect = lambda what: json.loads(subprocess.check_output(["meson", "introspect", what, folder]))
by_file = {t["filename"][0]: t["name"] for t in introspect("--targets") if t["type"] == "executable"}
names = {by_file.get(os.path.join(os.path.abspath(folder), word) if not os.path.isabs(word) else word)
         for test in introspect("--tests") if suites & {s.split(":")[-1] for s in test["suite"]}
         for word in test["cmd"]}
print("\n".join(sorted(name for name in names if name)))
PYTHON
}

# ---- fuzzing

choose_fuzz_config() {
  config=fuzz
  compiler=clang
  config_options=(-Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Ddebug=false -Dcpp_args=-g1
    -Dfuzz=true -Dtests=false)
}

# All tests and the fuzz targets under ASan and UBSan, compiled as quickly as possible: for a look at everything, where
# choose_fuzz_config is for a long look at one thing.
choose_smoke_config() {
  config=smoke-asan-ubsan
  compiler=clang
  config_options=(-Db_sanitize=address,undefined -Db_lundef=false -Doptimization=0 -Ddebug=false -Dcpp_args=-g1 -Dfuzz=true)
}

fuzz_targets() {
  meson introspect --targets "build/$config" |
    python3 -c 'import json, sys
print("\n".join(sorted(t["name"] for t in json.load(sys.stdin)
                        if t["type"] == "executable" and t["name"].startswith("fuzz_"))))'
}

run_fuzz_target() {  # TARGET SECONDS
  local target=$1 seconds=$2 binary
  binary=build/$config/$(target_path "$target")
  local grown=build/fuzz-corpus/$target findings=build/fuzz-findings seeds=fuzz/corpus/${target#fuzz_}
  mkdir -p "$grown" "$findings"
  [ -d "$seeds" ] || seeds=fuzz/corpus/$target
  local corpora=("$grown")
  [ ! -d "$seeds" ] || corpora+=("$seeds")
  local log=$findings/$target.log
  if UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 nice "$binary" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
    -print_final_stats=1 -artifact_prefix="$findings/$target-" "${corpora[@]}" >"$log" 2>&1; then
    say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s, nothing found"
  else
    tail -n 40 "$log"
    local artifact
    artifact=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    say "$target: FOUND. Replay: $binary $artifact"
    return 1
  fi
}
