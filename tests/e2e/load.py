"""Clients that append single events while something happens to the cluster, and the judgement over what they were told."""

import http.client
import json
import random
import threading
import time

from harness import PATIENCE


class Client(threading.Thread):
    """Sends each event, with a key of its own, to one node after another until it is acknowledged."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number, self.random = load, number, random.Random(number)
        self.connection, self.node = None, None

    def run(self):
        try:
            self.send()
        finally:
            if self.connection is not None:
                self.connection.close()

    def send(self):
        n = 0
        while not self.load.stopping.is_set():
            n += 1
            data, stream = f"{self.number}-{n}", f"stream-{self.number % 2}"
            self.load.sent.add(data)
            while (receipt := self.attempt(stream, data)) is None:
                if self.load.giving_up.is_set():
                    return
            self.load.acknowledged[data] = (stream, receipt["position"], receipt["first_revision"])
            self.load.acknowledged_at.append(time.monotonic())

    def attempt(self, stream, data):
        try:
            if self.connection is None:
                self.node = self.random.choice(sorted(self.load.cluster.nodes))
                self.connection = http.client.HTTPConnection(self.load.cluster.nodes[self.node].address, timeout=3)
            self.connection.request("POST", f"/v1/tenants/default/streams/{stream}/events",
                                    json.dumps([{"type": "counted", "data": data}]),
                                    {"Content-Type": "application/json", "Idempotency-Key": data})
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, LookupError, AttributeError, http.client.HTTPException):  # there may be no node at all
            return self.elsewhere()
        if answer.status == 201:
            return json.loads(text)
        if answer.status not in (404, 429, 503, 507):  # 404: the first tenant is still to come
            self.load.problems.append(f"client {self.number} was answered {answer.status}: {text[:300]!r}")
        problem = json.loads(text)
        self.load.refused.setdefault(problem["code"], []).append(f"node {self.node}: {problem['detail']}")
        return self.elsewhere()

    def elsewhere(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        time.sleep(0.01)


class Load:
    def __init__(self, cluster, clients=4):
        self.cluster = cluster
        self.sent, self.acknowledged, self.acknowledged_at = set(), {}, []
        self.problems, self.refused = [], {}
        self.stopping, self.giving_up = threading.Event(), threading.Event()
        self.clients = [Client(self, number + 1) for number in range(clients)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        self.go_on(20)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.giving_up.set()
        for client in self.clients:
            client.join(PATIENCE)

    def go_on(self, count=20):
        """Suspends until so many more are acknowledged."""
        wanted = len(self.acknowledged_at) + count
        self.cluster.wait_for(f"{count} more acknowledgements", lambda: len(self.acknowledged_at) >= wanted)

    def is_silent(self, seconds):
        """Is nothing acknowledged for so long, once what was under way is?"""
        time.sleep(seconds)
        before = len(self.acknowledged_at)
        time.sleep(seconds)
        return len(self.acknowledged_at) == before

    def check(self):
        """Ends the load: everything acknowledged is on every node exactly once, where it was acknowledged, in one order."""
        self.stopping.set()
        case, cluster = self.cluster.case, self.cluster
        for client in self.clients:
            client.join(PATIENCE)
            case.assertFalse(client.is_alive(), f"client {client.number} waits for ever")
        case.assertEqual(self.problems, [])

        def everywhere():
            histories = [self.events(node) for node in cluster.nodes]
            whole = len(histories[0]) >= len(self.acknowledged) and all(h == histories[0] for h in histories)
            return histories[0] if whole else None
        history = cluster.wait_for("the same history everywhere", everywhere)
        present = dict(history)
        case.assertEqual(len(present), len(history), "an event is there twice")
        case.assertEqual({data: present.get(data) for data in self.acknowledged}, self.acknowledged)
        case.assertEqual(set(present) - self.sent, set())

    def events(self, node):
        found, page_from = [], ""
        while True:
            status, _, body = self.cluster.nodes[node].request(
                "GET", f"/v1/tenants/default/events?limit=1000&consistency=stale{page_from}")
            if status != 200:
                return found
            page = json.loads(body)
            found += [(e["data"], (e["stream"], e["position"], e["revision"])) for e in page["events"]]
            if not page["events"] or page["next"] is None or page_from == f"&from={page['next']}":
                return found
            page_from = f"&from={page['next']}"
