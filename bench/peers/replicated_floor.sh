#!/bin/bash
# replicated-append floor (repl.c) + crypto per-core ceilings (openssl speed)
. "$(dirname "$0")/common.sh"
REPS=${REPS:-3}; DATA=$ROOT/repl; rm -rf $DATA; mkdir -p $DATA; R=$ROOT/repl.out; : > $R; cpu0
for r in $(seq $REPS); do for bs in 4096 16384 65536 262144 1048576; do $BIN/repl $DATA $bs 1 >> $R; done; done
for a in aes-256-gcm sha256 chacha20-poly1305; do for b in 256 4096; do openssl speed -evp $a -bytes $b -seconds 1 -mr 2>/dev/null | grep '^+F' | awk -F: -v n=openssl_${a}_$b '{printf "{\"name\":\"%s\",\"mb_s\":%.0f}\n",n,$NF/1e6}' >> $R; done; done
jq -c -s -f $PEERS/median.jq $R | jq -c --argjson cpu "$(cpu1)" '{peer:"repl_floor",cpu:$cpu,r:.}'; rm -f $R
