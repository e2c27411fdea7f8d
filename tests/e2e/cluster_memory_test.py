"""The memory of real servers stays bounded: under more load than they can take, and while a node takes nothing of what the others
have for it.

Measured is the peak of resident memory, so the test asks little of a server that was built for a sanitizer, which keeps what is
freed.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import threading
import time
import unittest

from cluster import Cluster
from harness import LONG, SERVER, TestCase

MB = 1 << 20
CLIENTS = 64


def resident(process, what="VmHWM"):
    """Bytes; VmHWM is the most there ever were, VmRSS what there is."""
    with open(f"/proc/{process.pid}/status") as file:
        return int(re.search(rf"{what}:\s+(\d+) kB", file.read())[1]) << 10


@unittest.skipIf(re.search("asan|tsan|fuzz", SERVER), "sanitizers keep what is freed")
class Memory(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        self.leader = self.cluster.start_all()
        self.answers = {}

    def load(self, seconds, event_bytes, nodes):
        """CLIENTS clients, each with a connection of its own, append as fast as they are answered."""
        body = json.dumps([{"type": "large", "data": "x" * event_bytes}])
        end = time.monotonic() + seconds
        addresses = [self.cluster.nodes[node].address for node in nodes]

        def append(number):
            connection = http.client.HTTPConnection(addresses[number % len(addresses)], timeout=10)
            while time.monotonic() < end:
                try:
                    connection.request("POST", f"/v1/tenants/default/streams/s{number % 8}/events", body,
                                       {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    answer.read()
                    self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
                except (OSError, http.client.HTTPException):
                    connection.close()
            connection.close()
        clients = [threading.Thread(target=append, args=(number,)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def grown(self):
        return {node: (resident(self.cluster.nodes[node].process) - self.idle[node]) / MB for node in self.idle}

    def measure(self):
        self.idle = {node: resident(server.process) for node, server in self.cluster.nodes.items()}

    def test_more_than_can_be_taken(self):
        """Bodies of a megabyte: 64 MB of them are in memory at most (docs/http.md), and an entry is in memory about twice more on
        its way to disk and to the others."""
        self.measure()
        self.load(30 if LONG else 3, 1_000_000, (1, 2, 3))
        self.assertGreater(self.answers.get(201, 0), 10)
        for node, grown in self.grown().items():
            self.assertLess(grown, 400, f"node {node}")

    def test_a_peer_that_takes_nothing(self):
        """A follower stands still: what is kept for it is bounded, however long it stands and whatever is appended meanwhile (here a
        gigabyte in a minute). What it lacks is read from the disk when it goes on."""
        stopped = self.leader % 3 + 1
        others = [node for node in (1, 2, 3) if node != stopped]
        self.load(1, 16_000, others)
        self.measure()
        self.cluster.nodes[stopped].process.send_signal(signal.SIGSTOP)
        try:
            self.load(60 if LONG else 3, 16_000, others)
            grown = self.grown()
        finally:
            self.cluster.nodes[stopped].process.send_signal(signal.SIGCONT)
        for node in others:
            self.assertLess(grown[node], 100, f"node {node}")
        self.cluster.wait_for("the end of its catching up", lambda: self.cluster.is_ready(stopped))
        for node, more in self.grown().items():
            self.assertLess(more, 150, f"node {node}")


if __name__ == "__main__":
    unittest.main()
