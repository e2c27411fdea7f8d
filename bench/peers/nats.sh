#!/bin/bash
# NATS JetStream, file storage.  NODES=1 (R1) or 3 (R3).  client natsbench.c (official C client: gcc -O2 natsbench.c -lnats, apt libnats-dev)
. "$(dirname "$0")/common.sh"
REPS=${REPS:-3} SECS=${SECS:-3} NODES=${NODES:-1}; DATA=$ROOT/nats$NODES; rm -rf $DATA; mkdir -p $DATA
RT=; for i in $(seq $NODES); do RT=$RT${RT:+,}nats://127.0.0.1:$((46220+i)); done
for i in $(seq $NODES); do
 { echo "listen: 127.0.0.1:$((44220+i))"; echo "server_name: n$i"; printf 'jetstream {\n store_dir: "%s"\n max_file_store: 10GB\n max_memory_store: 1GB\n %s\n}\n' "$DATA/n$i" "${SYNC:+sync_interval: $SYNC}"
   [ $NODES -gt 1 ] && echo "cluster { name: C, listen: 127.0.0.1:$((46220+i)), routes: [ $RT ] }"; } > $DATA/n$i.conf
 nats-server -c $DATA/n$i.conf 9>&- > $DATA/n$i.log 2>&1 & PIDS+=($!); done
for i in $(seq $NODES); do wait_port $((44220+i)) || { cat $DATA/n$i.log >&2; exit 1; }; done
[ $NODES -gt 1 ] && sleep 5
U=nats://127.0.0.1:44221
$BIN/natsbench x $U create $NODES EV || exit 1
[ $NODES -gt 1 ] && sleep 2
R=$ROOT/nats.out; : > $R; cpu0
for r in $(seq $REPS); do $BIN/natsbench pub_1 $U EV.x 1 $SECS >> $R; $BIN/natsbench pub_256 $U EV.x 256 $SECS >> $R; done
STRACE=$(which strace || true); FS=null
if [ -n "$STRACE" ]; then timeout 3 strace -f -c -e trace=fsync,fdatasync,sync_file_range -p ${PIDS[0]} -o $DATA/st 2>/dev/null & sp=$!; $BIN/natsbench z $U EV.x 1 1.5 > $DATA/z; wait $sp; FS=$(awk '/fsync|fdatasync/{n+=$4}END{print n+0}' $DATA/st); fi
jq -c -s -f $PEERS/median.jq $R | jq -c --argjson cpu "$(cpu1)" --arg n $NODES --argjson fs $FS --arg sync "${SYNC:-default}" '{peer:("nats2.9.10_R"+$n),sync_interval:$sync,fsyncs_during_1500ms_of_publishing:$fs,cpu:$cpu,r:.}'; rm -f $R
