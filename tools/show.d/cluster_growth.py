"""A single node with data grows to three, and to five, under load, and shrinks again; then a majority is destroyed.

    tools/show cluster.4 [--clients N] [--bin FOLDER]

A single node is started without any cluster option and takes appends. Two more are started as the guide says, with empty data
directories, and `verity-admin cluster add` lets them in while clients go on; then two more. The first node is restarted with its
old command line: it finds the others by what the log says. Then `verity-admin cluster remove` takes two out again. Every
acknowledged event is there exactly once, in the same order on each of the three that remain.

Then two of the three are destroyed. While one of them still runs, `--force-recover` is refused; when both are gone it lets the third
go on alone, which says what may be lost. A node of the old epoch is refused by name. With empty directories the two come back,
and everything that the third held is on all of them.
"""
import os
import time

from appends import check, end, start_clients
from building import build, options_of
from cluster import Cluster
from server import Failure, Server, free_port, require


class Growing(Cluster):
    def __init__(self, binaries):
        self.binaries = binaries
        self.ports, self.nodes = {}, {}

    def start_new(self, *nodes):
        """Each told of all there are by now, as the guide says."""
        for node in nodes:
            self.ports[node] = free_port()
        for node in nodes:
            peers = ["--cluster-peers", self.peers_of(node)] if self.peers_of(node) else []
            self.nodes[node] = Server(binaries=self.binaries, arguments=["--node-id", str(node), *peers],
                                      environment={"VERITY_CLUSTER_ADDRESS": f"127.0.0.1:{self.ports[node]}"})
            self.start(node)


def admin(cluster, *arguments, code=0, at=1):
    began = time.monotonic()
    got, text = cluster.nodes[at].admin("cluster", *arguments, check=False)
    print(f"  $ verity-admin cluster {' '.join(arguments)}    ({time.monotonic() - began:.1f} s)")
    print("    " + "\n    ".join(text.strip().splitlines()), flush=True)
    require(got == code, f"it ended with {got}")
    return text


def show(arguments):
    options = options_of(arguments, {"clients": 8, "bin": ""})
    if not options["bin"]:
        build("verity-server", "verity-admin")
    with Growing(options["bin"] or "build/bin") as cluster:
        cluster.start_new(1)
        cluster.nodes[1].wait_ready()
        clients = start_clients(options["clients"], cluster, "growth")
        time.sleep(2)
        for new in ((2, 3), (4, 5)):
            cluster.start_new(*new)
            admin(cluster, "add", *(f"{node}=127.0.0.1:{cluster.ports[node]}" for node in new))
            admin(cluster, "wait-healthy", "--timeout", "60")
            admin(cluster, "status")
            time.sleep(1)
        cluster.nodes[1].kill()
        killed = time.monotonic()
        cluster.start(1, wait_ready=True)
        print("  node 1 was restarted with its old command line, which names no other node", flush=True)
        admin(cluster, "wait-healthy", "--timeout", "60")
        admin(cluster, "remove", "4", code=1)
        admin(cluster, "remove", "4", "5")
        for node in (4, 5):
            server = cluster.nodes.pop(node)
            require(server.process.wait(30) != 0, f"node {node} still runs")
            print(f"  node {node} has ended: {server.log().strip().splitlines()[-1][:160]}")
            server.__exit__()
        time.sleep(1)
        end(clients)
        check(cluster, clients, [killed], what="node killed meanwhile")
        destroy_majority(cluster)


def destroy_majority(cluster):
    held = [event["data"] for event in cluster.events(3)]
    for node in (1, 3):
        cluster.nodes[node].kill()
    third = cluster.nodes[3]
    third.arguments.append("--force-recover")
    print("  node 1 is gone for good; node 3 is started with --force-recover although node 2 runs:")
    try:
        third.start()
    except Failure:
        print("    " + said(third, "--force-recover is refused"))
    else:
        require(False, "it was not refused")
    cluster.nodes[2].kill()
    print("  node 2 is gone, too:")
    third.start()
    third.arguments.remove("--force-recover")
    admin(cluster, "status", at=3)
    cluster.start(2)
    deadline = time.monotonic() + 60
    while not said(third, "the cluster was founded anew") and time.monotonic() < deadline:
        time.sleep(0.1)
    print("  node 2 comes up with what it had:\n    " + said(third, "the cluster was founded anew"))
    while cluster.status(2)["state"] != "candidate":  # it has to find out that nobody leads
        require(time.monotonic() < deadline, "a node of the old epoch takes part")
        time.sleep(0.1)
    # It was the first one, and knew the others by the log that is gone.
    cluster.nodes[1].arguments += ["--cluster-peers", ",".join(f"127.0.0.1:{cluster.ports[node]}" for node in (2, 3))]
    for node in (1, 2):
        cluster.nodes[node].kill()
        os.rename(cluster.nodes[node].data_dir, cluster.nodes[node].data_dir + ".abandoned")
        cluster.start(node)
    print("  its directory and that of node 1 were set aside; both come up with empty ones")
    admin(cluster, "add", *(f"{node}=127.0.0.1:{cluster.ports[node]}" for node in (1, 2)), at=3)
    admin(cluster, "wait-healthy", "--timeout", "60", at=3)
    after = third.append("after", [{"type": "noted", "data": "after"}])
    deadline = time.monotonic() + 60
    while any([e["data"] for e in cluster.events(n)] != held + ["after"] for n in cluster.nodes):
        require(time.monotonic() < deadline, "the nodes do not agree on what node 3 held")
        time.sleep(0.2)
    print(f"  all {len(held)} events that node 3 held, and one more at position {after['position']}, are on each of the three")


def said(server, words):
    """The first line with these words; empty: none."""
    return next((line.strip()[:300] for line in server.log().splitlines() if words in line), "")
