"""A cluster of real servers on loopback, for tests."""

import http.client
import itertools
import json
import os
import socket
import time

from harness import PATIENCE, SERVER

# Patient enough for a machine that does other things meanwhile.
TIMING = {"VERITY_HEARTBEAT_INTERVAL": "50ms", "VERITY_ELECTION_TIMEOUT_MIN": "400ms",
          "VERITY_ELECTION_TIMEOUT_MAX": "800ms"}


def port_candidates():
    """Below those that the kernel hands out: none of them becomes the near end of a connection, or of a listener at port 0. Each
    process has twenty of its own."""
    first = 20000 + os.getpid() % 600 * 20
    return itertools.cycle(range(first, first + 20))


CANDIDATES = port_candidates()


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    ports = list(itertools.islice(filter(is_free, itertools.islice(CANDIDATES, 20)), count))
    assert len(ports) == count, "all ports of this process are taken"
    return ports


class Cluster:
    """Servers by node id; those that do not run are not in `nodes`."""

    def __init__(self, case, size=3, environment=None, network=None, node_environment=None):
        self.case = case
        self.environment = environment or {}
        self.node_environment = node_environment or {}  # on top of it, by node
        self.timing = TIMING
        self.links = None  # or what nodes reach each other through
        self.binary = SERVER  # of whoever is started
        self.network = network  # of machines, of namespaces.py; or loopback
        if network:
            self.addresses = {node: f"{network.host(node)}:7001" for node in range(1, size + 1)}
        else:
            self.addresses = {i + 1: f"127.0.0.1:{port}" for i, port in enumerate(free_ports(size))}
        self.nodes = {}
        self.sent = 0  # numbers given to events
        self.acknowledged = []

    def data_dir(self, node):
        return self.case.folder / f"node{node}"

    def start(self, node):
        self.nodes[node] = self.launch(node)
        return self.nodes[node].wait_listening()

    def start_all(self):
        """The whole cluster; the one that leads."""
        for node in self.addresses:
            self.start(node)
        return self.leader()

    def start_forced(self, node, flag="--force-recover"):
        """It may refuse."""
        return self.launch(node, flag)

    def launch(self, node, *arguments):
        """It may refuse."""
        peers = ",".join(self.links.address(node, other) if self.links else address
                         for other, address in self.addresses.items() if other != node)
        environment = TIMING | self.environment | self.node_environment.get(node, {})
        environment |= {"VERITY_CLUSTER_ADDRESS": self.addresses[node]}
        if self.network:
            environment |= {"VERITY_BIND_ADDRESS": f"{self.network.host(node)}:7000", "VERITY_ALLOW_INSECURE": "true"}
        return self.case.start("--node-id", str(node), "--cluster-peers", peers, *arguments,
                               data_dir=self.data_dir(node), binary=self.binary, env=environment,
                               inside=self.network.inside(node) if self.network else ())

    def kill(self, node):
        self.nodes.pop(node).kill()

    def status(self, node):
        return json.loads(self.nodes[node].request("GET", "/status")[2])

    def wait_for(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.02)
        logs = "".join(f"\nnode {n}: {self.status(n)} {server.messages()[-5:]}" for n, server in self.nodes.items())
        raise AssertionError(f"{what} did not come about{logs}")

    def is_ready(self, node):
        return self.nodes[node].request("GET", "/health/ready")[0] == 200

    def leader(self):
        """The one that all running nodes name, once they are ready."""
        def agreed():
            leaders = {self.status(node)["leader"] for node in self.nodes}
            one = leaders.pop()
            ready = not leaders and one in self.nodes and all(self.is_ready(node) for node in self.nodes)
            return one if ready and self.status(one)["state"] == "leader" else None
        return self.wait_for("an agreed leader", agreed)

    def leader_of(self, node):
        return self.status(node)["leader"]

    def append(self, count=1):
        """Each event with a key of its own, sent again until it is acknowledged."""
        for _ in range(count):
            self.sent += 1
            number = self.sent
            body = json.dumps([{"type": "noted", "data": {"n": number}}])
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"n{number}"}

            def sent():
                for server in list(self.nodes.values()):
                    try:
                        status, _, text = server.request(
                            "POST", "/v1/tenants/default/streams/notes/events", body, headers)
                    except (OSError, http.client.HTTPException):
                        continue
                    if status == 201:
                        return True
                    if status not in (404, 503):  # the tenant may be still to come
                        raise AssertionError(f"{status}: {text}")
                return False
            self.wait_for(f"the acknowledgement of {number}", sent)
            self.acknowledged.append(number)

    def events(self, node):
        status, _, body = self.nodes[node].request(
            "GET", "/v1/tenants/default/streams/notes/events?limit=1000&consistency=stale")
        return [(e["position"], e["revision"], e["data"]["n"]) for e in json.loads(body)["events"]] if status == 200 else []

    def wholes(self):
        """Of each node all pages of all events, once all have the same end."""
        wholes = [self.whole(node) for node in self.nodes]
        ends = {pages and json.loads(pages[-1])["next"] for pages in wholes}
        return wholes if len(ends) == 1 and None not in ends else None

    def whole(self, node):
        """All pages of all events, as this node has them; nothing if it does not answer."""
        pages, page_from = [], ""
        while True:
            status, _, body = self.nodes[node].request(
                "GET", f"/v1/tenants/default/events?limit=1000&consistency=stale{page_from}")
            if status != 200:
                return None
            pages.append(body)
            page = json.loads(body)
            if not page["events"]:
                return pages
            page_from = f"&from={page['next']}"

    def check_history(self):
        """Everything acknowledged is on every node exactly once, in one order."""
        def everywhere():
            histories = [self.events(node) for node in self.nodes]
            same = all(history == histories[0] for history in histories)
            return histories[0] if same and len(histories[0]) == len(self.acknowledged) else None
        history = self.wait_for("the same history everywhere", everywhere)
        self.case.assertEqual(sorted(n for _, _, n in history), sorted(self.acknowledged))
        self.case.assertEqual([revision for _, revision, _ in history], list(range(len(history))))
