#!/bin/bash
# SQLite ceilings, single thread, C API; row = 3 ints + 256 B text.  gcc -O2 sqlbench.c -lsqlite3
. "$(dirname "$0")/common.sh"
REPS=${REPS:-3}; DATA=$ROOT/sqlite; rm -rf $DATA; mkdir -p $DATA; cpu0
$BIN/sqlbench $DATA $REPS > $ROOT/sqlite.out; jq -c -s -f $PEERS/median.jq $ROOT/sqlite.out | jq -c --argjson cpu "$(cpu1)" --arg v "$(sqlite3 --version | cut -d' ' -f1)" '{peer:("sqlite"+$v),cpu:$cpu,r:.}'; rm -f $ROOT/sqlite.out
