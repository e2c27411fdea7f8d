#!/bin/bash
# physical limits: disk (own C program: write+fdatasync, O_DIRECT), fio, loopback TCP
. "$(dirname "$0")/common.sh"
REPS=${REPS:-3} SECS=${SECS:-1}; DATA=$ROOT/physical; rm -rf $DATA; mkdir -p $DATA
R=$DATA/../physical.out; : > $R; cpu0
for r in $(seq $REPS); do
 for bs in 4096 65536 1048576; do for m in append overwrite; do $BIN/lat disk $DATA/f $bs $m $SECS >> $R; done; done
 $BIN/lat disk $DATA/f 4096 falloc $SECS >> $R; $BIN/lat disk $DATA/f 4096 dsync $SECS >> $R; $BIN/lat disk $DATA/f 4096 nosync $SECS >> $R
 $BIN/lat tcp 256 $SECS block >> $R;  $BIN/lat tcp 256 $SECS spin >> $R
done
jq -c -s -f $PEERS/median.jq $R | jq -c --argjson cpu "$(cpu1)" '{peer:"physical",cpu:$cpu,r:.}'; rm -f $R
