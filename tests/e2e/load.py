"""Clients that append and read while something happens to the cluster, and the judgement over what they were told."""

import collections
import http.client
import json
import random
import threading
import time

from harness import PATIENCE
from history import History

JSON = {"Content-Type": "application/json"}
# The request was not carried out, and will not be.
NOT_DONE = {"not_leader", "not_ready", "overloaded", "cancelled", "out_of_space", "read_only", "tenant_not_found"}


class Client(threading.Thread):
    """Asks one node until that does not answer as it should, then another one."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.history, self.random = load, load.history, random.Random(f"{type(self).__name__} {number}")
        self.number = number
        self.connection, self.node, self.process = None, None, None

    def run(self):
        try:
            while not self.load.stopping.is_set():
                self.turn()
        finally:
            self.leave()

    def connect(self):
        if self.connection is None:
            self.node = self.random.choice(sorted(self.load.cluster.nodes))
            server = self.load.cluster.nodes[self.node]
            self.process = f"{self.node}:{server.process.pid}"
            self.connection = http.client.HTTPConnection(server.address, timeout=self.load.patience)

    def leave(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def ask(self, method, target, body=None, headers=None):
        """(status, text, headers), or nothing if nobody answers."""
        try:
            self.connect()
            self.connection.request(method, target, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        except (OSError, LookupError, AttributeError, http.client.HTTPException):  # there may be no node at all
            self.elsewhere()
            return None

    def elsewhere(self):
        self.leave()
        time.sleep(0.01)

    def refusal(self, status, text):
        """The code of an answer that is allowed while nodes fail; another client may be luckier elsewhere."""
        problem = json.loads(text)
        if status not in (404, 409, 429, 503, 507) or problem["code"] == "idempotency_full":  # 404: the first tenant is still to come
            self.load.problems.append(f"{type(self).__name__} {self.number} was answered {status}: {text[:300]}")
        if status != 409:
            self.load.refused.setdefault(problem["code"], []).append(f"node {self.node}: {problem['detail']}")
            self.elsewhere()
        return problem["code"]


class Writer(Client):
    """Appends single events with a key, sent again until they are acknowledged; some under a condition, some only once."""

    events = 0
    last_revision = None

    def turn(self):
        self.load.stopping.wait(self.load.pause)
        self.events += 1
        data, stream = f"{self.number}-{self.events}", f"stream-{self.number % 2}"
        conditional, once = self.number % 4 == 3 and self.events % 3 == 0, self.number % 4 == 0
        expected = (self.last_revision if self.last_revision is not None else "none") if conditional else None
        key = None if once else data
        event = [{"type": "counted", "data": data}]
        headers = JSON | ({"Idempotency-Key": key} if key else {})
        headers |= {"Expected-Revision": str(expected)} if conditional else {}
        number = self.history.append(stream, event, key, expected)
        may_be_under_way = False
        while True:
            answer = self.ask("POST", f"/v1/tenants/default/streams/{stream}/events", json.dumps(event), headers)
            if answer and answer[0] == 201:
                return self.acknowledged(number, answer)
            code = self.refusal(*answer[:2]) if answer else None
            if code == "expectation_failed":
                return self.failed(number, answer[1], may_be_under_way)
            may_be_under_way |= code not in NOT_DONE
            if once or self.load.giving_up.is_set():
                if not may_be_under_way:
                    self.history.refused(number)
                return

    def acknowledged(self, number, answer):
        _, text, headers = answer
        self.history.answer(number, text, headers.get("Idempotent-Replayed") == "true")
        self.last_revision = json.loads(text)["last_revision"]
        self.load.acknowledged_at.append(time.monotonic())

    def failed(self, number, text, may_be_under_way):
        self.last_revision = json.loads(text)["failed_expectations"][0]["actual"]
        if not may_be_under_way:
            self.history.failed(number, text)


class Reader(Client):
    """Reads pages here and there, as strongly or weakly as the dice say."""

    def turn(self):
        chance = self.random
        asked = {"limit": chance.choice((1, 10, 100)), "consistency": chance.choice(("linearizable", "leader", "stale"))}
        if chance.random() < 0.7:
            asked["stream"] = f"stream-{chance.randrange(2)}"
        if chance.random() < 0.5:
            asked["direction"] = "backward"
        elif "stream" in asked and chance.random() < 0.6:
            asked["from"] = str(chance.randrange(200))
        elif chance.random() < 0.3:
            asked["from"] = f"{chance.randrange(1, 400)}.0"
        path = f"/v1/tenants/default/streams/{asked['stream']}" if "stream" in asked else "/v1/tenants/default"
        parameters = "&".join(f"{name}={value}" for name, value in asked.items() if name != "stream")
        try:
            self.connect()
        except (LookupError, AttributeError):
            return self.elsewhere()
        number = self.history.read(self.process, asked)
        answer = self.ask("GET", f"{path}/events?{parameters}")
        if answer is None:
            return
        if answer[0] == 200:
            self.history.page(number, answer[1])
            self.load.reads[asked["consistency"]] += 1
            if chance.random() < 0.05:
                self.leave()
        elif answer[0] == 404 and json.loads(answer[1])["code"] == "stream_not_found":
            self.history.missing(number)
        else:
            self.refusal(*answer[:2])
        time.sleep(0.01)  # reads are cheap; the appends are to have the machine


class Load:
    def __init__(self, cluster, clients=4, readers=2, patience=3, clocks_are_kept=True, pause=0):
        self.cluster, self.patience, self.pause = cluster, patience, pause  # in seconds; the latter between appends of a client
        self.history = History(clocks_are_kept)
        self.acknowledged_at, self.reads = [], collections.Counter()
        self.problems, self.refused = [], {}
        self.stopping, self.giving_up = threading.Event(), threading.Event()
        self.clients = [Writer(self, number + 1) for number in range(clients)]
        self.clients += [Reader(self, number + 1) for number in range(readers)]

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
        """Ends the load: the history can be true, and all of it is on every node. What was seen, in words."""
        case, cluster = self.cluster.case, self.cluster
        if any(isinstance(client, Reader) for client in self.clients):
            cluster.wait_for("an answer to each kind of read", lambda: len(self.reads) == 3)
        self.stopping.set()
        for client in self.clients:
            client.join(PATIENCE)
            case.assertFalse(client.is_alive(), f"{type(client).__name__} {client.number} waits for ever")
        case.assertEqual(self.problems, [])

        for pages in cluster.wait_for("the same end everywhere", cluster.wholes):
            self.history.whole(pages)
        return self.history.check()
