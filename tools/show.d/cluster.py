"""Three servers of our own on loopback, by node id."""
import contextlib
import json
import time

from server import Server, free_port, require


class Cluster:
    def __init__(self, size=3, environment=None, binaries="build/bin"):
        self.ports = {node: free_port() for node in range(1, size + 1)}
        self.nodes = {node: Server(binaries=binaries, arguments=["--node-id", str(node), "--cluster-peers", self.peers_of(node)],
                                   environment=(environment or {}) | {"VERITY_CLUSTER_ADDRESS": f"127.0.0.1:{port}"})
                      for node, port in self.ports.items()}

    def peers_of(self, node):
        return ",".join(f"127.0.0.1:{port}" for other, port in self.ports.items() if other != node)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.nodes.values():
            server.__exit__()

    def start(self, node, wait_ready=False):
        self.nodes[node].start(wait_ready=wait_ready)

    def start_all(self):
        for node in self.nodes:
            self.start(node)
        self.wait_ready()

    def wait_ready(self):
        for server in self.nodes.values():
            server.wait_ready()

    def status(self, node):
        """Nothing: it does not answer."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.nodes[node].get("/status")[1])
        return None

    def leader(self, seconds=60):
        """A node that leads, as it says itself."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for node in self.nodes:
                status = self.status(node)
                if status and status["state"] == "leader":
                    return node
            time.sleep(0.02)
        require(False, f"nobody leads within {seconds} s: " + "".join(
            f"\nnode {node}: {server.log()[-600:]}" for node, server in self.nodes.items()))

    def events(self, node):
        """Everything of the default tenant, as this node has applied it."""
        events, next_page = [], None
        while True:
            page = self.nodes[node].get_json("/v1/tenants/default/events?limit=1000&consistency=stale"
                                             + (f"&from={next_page}" if next_page else ""))
            events += page["events"]
            if not page["events"] or page.get("next") in (None, next_page):
                return events
            next_page = page["next"]
