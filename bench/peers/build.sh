#!/bin/bash
# Builds the small load programs into .peers/bin; names the ones whose libraries are missing.
#
#   build.sh [PROGRAM...]     default: lat repl sqlbench natsbench etcdbench
set -e
. "$(dirname "$0")/common.sh"
cd "$PEERS"
mkdir -p "$BIN"
[ $# -gt 0 ] || set -- lat repl sqlbench natsbench etcdbench
for program in "$@"; do
  case $program in
    lat | repl) gcc -O2 -o "$BIN/$program" "$program.c" -lpthread ;;
    sqlbench) gcc -O2 -o "$BIN/sqlbench" sqlbench.c -lsqlite3 2>/dev/null || echo "sqlbench not built: install libsqlite3-dev" >&2 ;;
    natsbench) gcc -O2 -o "$BIN/natsbench" natsbench.c -lnats 2>/dev/null || echo "natsbench not built: install libnats-dev" >&2 ;;
    etcdbench) GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$BIN/etcdbench" etcdbench.go 2>/dev/null || echo "etcdbench not built: install golang-go golang-etcd-server-dev" >&2 ;;
    *) echo "build.sh: there is no program $program" >&2; exit 2 ;;
  esac
done
