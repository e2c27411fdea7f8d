"""Clients that append single events with keys of their own to whichever node takes them, and send each again, with the same key, until
it is acknowledged; and what must be so of every node afterwards."""
import http.client
import json
import random
import statistics
import threading
import time

from server import require


# A server keeps the keys of a day, up to 200,000 of a tenant, and takes no more: seconds from one append of a client to the next.
PAUSE = 1 / 200


def append_once(connection, stream, data):
    """The status and the text of the answer to an event that has its data for a key."""
    connection.request("POST", f"/v1/tenants/default/streams/{stream}/events", json.dumps([{"type": "counted", "data": data}]),
                       {"Content-Type": "application/json", "Idempotency-Key": data})
    answer = connection.getresponse()
    return answer.status, answer.read()


class Client(threading.Thread):
    def __init__(self, number, cluster, seed):
        super().__init__(daemon=True)
        self.number, self.cluster, self.random = number, cluster, random.Random(seed)
        self.acknowledged = {}  # data -> (stream, position, revision)
        self.sent = 0
        self.acknowledged_at = []
        self.problem = None
        self.stopping = threading.Event()
        self.connection, self.node = None, 1

    def run(self):
        while not self.stopping.is_set() and self.problem is None:
            self.sent += 1
            data = f"{self.number}-{self.sent}"
            stream = f"stream-{self.number % 4}"
            while self.problem is None:
                receipt = self.attempt(stream, data)
                if receipt:
                    self.acknowledged[data] = (stream, receipt["position"], receipt["first_revision"])
                    self.acknowledged_at.append(time.monotonic())
                    self.stopping.wait(PAUSE)
                    break

    def attempt(self, stream, data):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.cluster.nodes[self.node].port, timeout=5)
            status, text = append_once(self.connection, stream, data)
        except (OSError, http.client.HTTPException):
            return self.elsewhere()
        if status == 201:
            return json.loads(text)
        if status not in (404, 429, 503) or b"idempotency_full" in text:  # 404: the first tenant is still to come
            self.problem = f"client {self.number} was answered {status}: {text[:300]!r}"
            return None
        return self.elsewhere(json.loads(text).get("leader"))

    def elsewhere(self, leader=None):
        if self.connection:
            self.connection.close()
        self.connection = None
        self.node = leader or self.random.choice(list(self.cluster.nodes))
        time.sleep(0.02)


def end(clients):
    """Lets every client finish what it has begun."""
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(60)
        require(not client.is_alive(), f"client {client.number} waits for ever")
        require(client.problem is None, client.problem)


def start_clients(count, cluster, seed):
    clients = [Client(n, cluster, f"{seed}/{n}") for n in range(count)]
    for client in clients:
        client.start()
    return clients


def check(cluster, clients, kills, before=(), what="leaders killed"):
    expected = {data: place for client in clients for data, place in client.acknowledged.items()}
    sent = {f"{client.number}-{n}" for client in clients for n in range(1, client.sent + 1)} | set(before)
    deadline = time.monotonic() + 60
    while True:
        histories = {node: [(e["data"], (e["stream"], e["position"], e["revision"])) for e in cluster.events(node)]
                     for node in cluster.nodes}
        if histories[1] == histories[2] == histories[3]:
            break
        require(time.monotonic() < deadline, "the nodes do not agree within 60 s: " + ", ".join(
            f"node {node} has {len(history)}" for node, history in histories.items()))
        time.sleep(0.2)
    history = histories[1]
    present = dict(history)
    require(len(present) == len(history), "an event is there twice")
    lost = [data for data in expected if data not in present]
    require(not lost, f"{len(lost)} acknowledged events are lost, one of them {lost[:1]}")
    moved = [data for data, place in expected.items() if present[data] != place]
    require(not moved, f"acknowledged elsewhere: {moved[:1]} at {[expected[d] for d in moved[:1]]}, found at {[present[d] for d in moved[:1]]}")
    strange = set(present) - sent
    require(not strange, f"nobody sent {list(strange)[:1]}")
    print(f"  {len(kills)} {what}, {len(expected)} appends acknowledged, each present exactly once and in the same order "
          f"on all three nodes ({len(history)} events)")
    say_pauses(kills, [at for client in clients for at in client.acknowledged_at])
    verify_logs(cluster)


def say_pauses(kills, acknowledged_at):
    pauses = [min(after) - kill for kill in kills if (after := [at for at in acknowledged_at if at > kill])]
    if pauses:
        print(f"  from each to the next acknowledgement: median {statistics.median(pauses) * 1000:.0f} ms, "
              f"longest {max(pauses) * 1000:.0f} ms")


def verify_logs(cluster):
    for node, server in cluster.nodes.items():
        _, verified = server.admin("log", "verify", "--data-dir", server.data_dir)
        print(f"  node {node}: {verified.strip().splitlines()[-1][:100]}")
