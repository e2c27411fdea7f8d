"""A single node with data grows to three, and to five, under load, and shrinks again.

    tools/show cluster.4 [--clients N] [--bin FOLDER]

A single node is started without any cluster option and takes appends. Two more are started as the guide says, with empty data
directories, and `verity-admin cluster add` lets them in while clients go on; then two more. The first node is restarted with its
old command line: it finds the others by what the log says. Then `verity-admin cluster remove` takes two out again. Every
acknowledged event is there exactly once, in the same order on each of the three that remain. (Not part of this show yet: a
majority destroyed, and --force-recover.)
"""
import time

from building import build, options_of
from cluster import Cluster
from cluster_kills import Client, check, end
from server import Server, free_port, require


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


def admin(cluster, *arguments, code=0):
    began = time.monotonic()
    got, text = cluster.nodes[1].admin("cluster", *arguments, check=False)
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
        clients = [Client(n, cluster, f"growth/{n}") for n in range(options["clients"])]
        for client in clients:
            client.start()
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
