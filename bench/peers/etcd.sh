#!/bin/bash
# etcd 3 nodes on loopback, 256-byte puts and linearizable reads.  NODES=1 for a single node.
# client: etcdbench.go (Go, official clientv3 gRPC); build: GO111MODULE=off GOPATH=/usr/share/gocode go build etcdbench.go (apt: golang-go golang-etcd-server-dev)
. "$(dirname "$0")/common.sh"
# CASES="NAME..." runs only those
REPS=${REPS:-3} SECS=${SECS:-3} NODES=${NODES:-3}; DATA=$ROOT/etcd$NODES; rm -rf $DATA; mkdir -p $DATA; export ETCD_UNSUPPORTED_ARCH=; unset ETCD_UNSUPPORTED_ARCH
CL=; EP=; for i in $(seq $NODES); do CL=$CL${CL:+,}n$i=http://127.0.0.1:$((23790+i*10)); EP=$EP${EP:+,}127.0.0.1:$((23791+i*10)); done
for i in $(seq $NODES); do p=$((23790+i*10)); etcd --name n$i --data-dir $DATA/n$i --listen-peer-urls http://127.0.0.1:$p --initial-advertise-peer-urls http://127.0.0.1:$p --listen-client-urls http://127.0.0.1:$((p+1)) --advertise-client-urls http://127.0.0.1:$((p+1)) --initial-cluster $CL --initial-cluster-state new --logger=zap --log-outputs=$DATA/n$i.log 9>&- >/dev/null 2>&1 & PIDS+=($!); done
for i in $(seq $NODES); do wait_port $((23791+i*10)); done
for t in $(seq 50); do ETCDCTL_API=3 etcdctl --endpoints=$EP endpoint health >/dev/null 2>&1 && break; sleep 0.2; done
# clients talk to the leader, as a tuned user would (etcd forwards otherwise)
LEAD=$(ETCDCTL_API=3 etcdctl --endpoints=$EP endpoint status -w json | jq -r '.[]|select(.Status.leader==.Status.header.member_id)|.Endpoint')
R=$ROOT/etcd.out; : > $R; cpu0
bench(){ case " ${CASES:-$1} " in *" $1 "*) $BIN/etcdbench "$@" >> $R ;; esac; }
for r in $(seq $REPS); do
 bench put_c1 put $LEAD 1 1 $SECS; bench put_c64 put $LEAD 64 8 $SECS; bench put_c256 put $LEAD 256 16 2
 bench lread_c1 get $LEAD 1 1 2; bench lread_c64 get $LEAD 64 8 2; bench serread_c64 sget $LEAD 64 8 1
done
jq -c -s -f $PEERS/median.jq $R | jq -c --argjson cpu "$(cpu1)" --arg n $NODES '{peer:("etcd3.4.23_n"+$n),cpu:$cpu,r:.}'; rm -f $R
