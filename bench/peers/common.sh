# Sourced by every peer script. One script at a time per data folder; stops only the processes it started.
set -u
PEERS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${PEERS_DATA:-$PWD/.peers}; mkdir -p "$ROOT"   # on the disk to be measured, not on tmpfs
BIN=$ROOT/bin   # what build.sh makes
PIDS=()
exec 9>"$ROOT/lock"; flock 9
cleanup(){ local i p; for p in "${PIDS[@]:-}"; do [ -n "$p" ] && kill "$p" 2>/dev/null; done; for p in "${PIDS[@]:-}"; do [ -n "$p" ] && { for i in $(seq 50); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done; kill -9 "$p" 2>/dev/null; }; done; declare -F extra_cleanup >/dev/null && extra_cleanup; [ -n "${DATA:-}" ] && rm -rf "$DATA"; true; }
trap cleanup EXIT
# stats: cpu steal + idle over the run go in the JSON so that noisy runs can be spotted
cpu0(){ read -r _ u n s i w q sq st _ < /proc/stat; C0="$u $n $s $i $w $q $sq $st"; }
cpu1(){ read -r _ u n s i w q sq st _ < /proc/stat; set -- $C0; T=$(( (u+n+s+i+w+q+sq+st)-($1+$2+$3+$4+$5+$6+$7+$8) )); [ $T -eq 0 ] && T=1; echo "{\"busy_pct\":$(( 100*(T-((i+w)-($4+$5)))/T )),\"iowait_pct\":$((100*(w-$5)/T)),\"steal_pct\":$((100*(st-$8)/T)),\"load1\":$(cut -d' ' -f1 /proc/loadavg)}"; }
wait_port(){ local i; for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && return 0; sleep 0.05; done; return 1; }
