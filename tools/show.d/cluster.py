"""Three servers of our own on loopback, by node id."""
import contextlib
import json
import time
import unittest

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

    # What the clients of tests/e2e ask a cluster for.
    case = unittest.TestCase()

    def wait_for(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.02)
        require(False, f"{what} did not come about within {seconds} s")

    def wholes(self):
        """Of each node all pages of all events, once all have the same end."""
        wholes = [list(self.pages(node)) for node in self.nodes]
        return wholes if len({json.loads(pages[-1])["next"] for pages in wholes}) == 1 else None

    def pages(self, node):
        """Everything of the default tenant, as this node has applied it; the last page is empty."""
        place = ""
        while True:
            text = self.nodes[node].get_text(f"/v1/tenants/default/events?limit=1000&consistency=stale{place}")
            yield text
            page = json.loads(text)
            if not page["events"]:
                return
            place = f"&from={page['next']}"

    def events(self, node):
        """Those of all pages."""
        return [event for text in self.pages(node) for event in json.loads(text)["events"]]
