"""Three command lines form a cluster; any node shows it; wait-healthy returns 0; what is written is on all of them.

    tools/show cluster.1 [--bin FOLDER]

The command lines are the guide's, on loopback with ports of their own. Nodes 2 and 3 are started first and have to say
whom they are waiting for.
"""
import json
import shlex
import time

from building import build, options_of
from cluster import Cluster
from server import require


def show(arguments):
    options = options_of(arguments, {"bin": ""})
    if not options["bin"]:
        build("verity-server", "verity-admin")
    with Cluster(binaries=options["bin"] or "build/bin") as cluster:
        for node in (2, 3, 1):
            print(f"  $ VERITY_CLUSTER_ADDRESS=127.0.0.1:{cluster.ports[node]} verity-server --node-id {node} "
                  f"--bind 127.0.0.1:{cluster.nodes[node].port} --cluster-peers \"{cluster.peers_of(node)}\" --data-dir ./node{node}")
            cluster.start(node)
            if node == 3:
                until_waiting(cluster)
        for node, server in cluster.nodes.items():
            server.wait_ready()
            print(f"  node {node} is ready")
        for node, server in cluster.nodes.items():
            terminal(server, "cluster", "wait-healthy", "--timeout", "60")
            table = terminal(server, "cluster", "status").splitlines()
            require(len(table) == 4, f"three nodes are expected: {table}")
            states = sorted(line.split()[2] for line in table[1:])
            require(states == ["follower", "follower", "leader"], f"node {node} shows the states {states}")
        every = ",".join(f"127.0.0.1:{port}" for port in cluster.ports.values())
        terminal(cluster.nodes[1], "cluster", "ping", "--peers", every)
        receipt = cluster.nodes[cluster.leader()].append("notes", [{"type": "noted", "data": n} for n in range(3)])
        deadline = time.monotonic() + 10
        while not all([e["data"] for e in cluster.events(node)] == [0, 1, 2] for node in cluster.nodes):
            require(time.monotonic() < deadline, "three events are not on all nodes within 10 s")
            time.sleep(0.05)
        print(f"  three events, acknowledged at position {receipt['position']}, are on all three nodes")
        for node, server in cluster.nodes.items():
            require(server.stop() == 0, f"SIGTERM did not end node {node} with 0")
        print("  SIGTERM ended each with 0")


def until_waiting(cluster):
    missing = f"127.0.0.1:{cluster.ports[1]}"
    deadline = time.monotonic() + 30
    while True:
        status = cluster.status(2)
        if status and status["reason"] == f"waiting for a connection with {missing}":
            break
        require(time.monotonic() < deadline, f"node 2 does not say that it waits for {missing}: {json.dumps(status)}")
        time.sleep(0.02)
    live, ready = cluster.nodes[2].get("/health/live")[0], cluster.nodes[2].get("/health/ready")[0]
    require((live, ready) == (200, 503), f"a node that waits is live and not ready; it answers {live} and {ready}")
    print(f"  node 2: starting, {status['reason']}; live, not ready")


def terminal(server, *command):
    print(f"  $ verity-admin --server 127.0.0.1:{server.port} {shlex.join(command)}")
    _, output = server.admin(*command)
    print("".join(f"    {line}\n" for line in output.splitlines()), end="", flush=True)
    return output
