"""Three nodes under load, each stopped and started in turn, also with another release: no request fails.

    tools/show cluster.6 [--rounds N] [--clients N] [--bin FOLDER] [--next PROGRAM]

Clients append single events with keys of their own. A client knows all nodes: one that closes the connection, or takes none,
is passed over for the next one, at once and with the same key; that is all it does. An answer that is not 201, or a request that
no node takes, has failed. In each round every node is stopped with SIGTERM, started, and waited for until the cluster is
healthy, followers first, the leader last. At the end every node has every acknowledged event exactly once, in one order.

Then the same with the server of the next release: all three nodes go to it, back, and to it again; then the release is activated,
entries of it are written, and the program before refuses to start and names the entry.
"""
import http.client
import json
import os
import re
import threading
import time

from appends import PAUSE, append_once, check, end
from building import build, options_of
from cluster import Cluster
from server import ROOT, require


class Client(threading.Thread):
    def __init__(self, number, cluster):
        super().__init__(daemon=True)
        self.number, self.cluster = number, cluster
        self.acknowledged = {}  # data -> (stream, position, revision)
        self.acknowledged_at, self.took = [], []
        self.sent = self.moved = 0
        self.problem = None
        self.stopping = threading.Event()
        self.connection, self.node = None, number % len(cluster.nodes) + 1

    def run(self):
        while not self.stopping.is_set() and self.problem is None:
            self.sent += 1
            data, stream = f"{self.number}-{self.sent}", f"stream-{self.number % 4}"
            began = time.monotonic()
            receipt = self.append(stream, data)
            if receipt:
                self.acknowledged[data] = (stream, receipt["position"], receipt["first_revision"])
                self.acknowledged_at.append(time.monotonic())
                self.took.append(time.monotonic() - began)
                self.stopping.wait(PAUSE)

    def append(self, stream, data):
        for _ in range(len(self.cluster.nodes) + 1):  # the first may be a connection that was closed long ago
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.cluster.nodes[self.node].port, timeout=10)
                status, text = append_once(self.connection, stream, data)
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection, self.node, self.moved = None, self.node % len(self.cluster.nodes) + 1, self.moved + 1
                continue
            if status == 201:
                return json.loads(text)
            self.problem = f"client {self.number} was answered {status} by node {self.node}: {text[:300]!r}"
            return None
        self.problem = f"no node took the request {data} of client {self.number}"
        return None


def show(arguments):
    options = options_of(arguments, {"rounds": 3, "clients": 8, "bin": "", "next": ""})
    if not options["bin"]:
        build("verity-server", "verity-server-next", "verity-admin")
    with Cluster(binaries=options["bin"] or "build/bin", environment={"VERITY_ACTIVATE_RELEASE_AFTER": "0s"}) as cluster:
        cluster.start_all()
        for server in cluster.nodes.values():
            server.admin("cluster", "wait-healthy")
        cluster.nodes[cluster.leader()].append("begun", [{"type": "begun", "data": "0-1"}])
        clients = [Client(n + 1, cluster) for n in range(options["clients"])]
        for client in clients:
            client.start()
        stops = []
        for _ in range(options["rounds"]):
            stops += restart_all(cluster, clients)
        upgrade(cluster, clients, stops, os.path.join(ROOT, options["next"] or "build/release/tests/next/verity-server-next"))
        end(clients)
        tell(clients, stops)
        check(cluster, clients, stops, before={"0-1"}, what="nodes stopped")


def restart_all(cluster, clients, program=None):
    leader = cluster.leader()
    return [restart(cluster, node, clients, program) for node in [n for n in cluster.nodes if n != leader] + [leader]]


def upgrade(cluster, clients, stops, following):
    current = cluster.nodes[1].program
    for program in (following, current, following):
        print(f"  with {os.path.basename(program)}:")
        stops += restart_all(cluster, clients, program)
        statuses = [cluster.status(node) for node in cluster.nodes]
        require([s["active_release"] for s in statuses] == [1, 1, 1], f"release 1 is active no more: {statuses}")
    _, told = cluster.nodes[1].admin("cluster", "activate-release")
    entry = re.fullmatch(r"release 2 is active, by entry (\d+)\n", told)
    require(entry, f"nothing was activated: {told}")
    deadline = time.monotonic() + 10
    while not all(cluster.status(node)["active_release"] == 2 for node in cluster.nodes):
        require(time.monotonic() < deadline, "not all nodes know within 10 s that release 2 is active")
        time.sleep(0.02)
    print(f"  {told.strip()}")
    time.sleep(1)
    refuser = cluster.nodes[cluster.leader() % 3 + 1]
    require(refuser.stop() == 0, "SIGTERM did not end the node with 0")
    stops.append(time.monotonic())
    refuser.program = current
    refuser.start(wait_ready=False)
    require(refuser.process.wait(60) == 1, "the release before has not refused to start")
    sentence = f"entry {entry[1]} of the cluster 'production' activated release 2, and this program knows release 1"
    require(sentence in refuser.log(), f"it does not name the entry: {refuser.log()[-600:]}")
    print(f"  the release before refuses: {sentence}")
    refuser.program = following
    refuser.start()
    stops += restart_all(cluster, clients)


def restart(cluster, node, clients, program=None):
    was = cluster.status(node)["state"]
    stopped_at = time.monotonic()
    code = cluster.nodes[node].stop()
    took = time.monotonic() - stopped_at
    require(code == 0, f"SIGTERM did not end node {node} with 0, but {code}:\n{cluster.nodes[node].log()[-1500:]}")
    cluster.nodes[node].program = program or cluster.nodes[node].program
    cluster.start(node, wait_ready=True)
    for server in cluster.nodes.values():
        server.admin("cluster", "wait-healthy", "--timeout", "60")
    print(f"  node {node} ({was}) stopped within {took * 1000:.0f} ms and is back; node {cluster.leader()} leads; "
          f"{sum(len(c.acknowledged) for c in clients)} appends acknowledged so far", flush=True)
    for client in clients:
        require(client.problem is None, client.problem)
    return stopped_at


def tell(clients, stops):
    took = sorted(t for client in clients for t in client.took)
    print(f"  {len(took)} appends, none failed; {sum(c.moved for c in clients)} were passed on to the next node because a "
          f"connection was closed; p50 {took[len(took) // 2] * 1000:.1f} ms, p99 {took[len(took) * 99 // 100] * 1000:.1f} ms, "
          f"longest {took[-1] * 1000:.0f} ms")
