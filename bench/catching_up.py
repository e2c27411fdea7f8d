#!/usr/bin/env python3
"""What do clients feel while a node that was down gets what it missed?

    bench/catching_up.py BUILD_FOLDER [ENTRIES]

Three servers on loopback, one of them stopped while ENTRIES (300 000) entries are appended. Then one client appends one event
after another: before the node comes back, meanwhile, and after. Aim: not more than half slower meanwhile. Machine and disk are
shared by all three nodes, which is the worst place for it.
"""

import http.client
import json
import os
import pathlib
import sys
import threading
import time
import unittest

build = pathlib.Path(sys.argv[1]).resolve()
entries = int(sys.argv[2]) if len(sys.argv) > 2 else 300_000
os.environ.setdefault("VERITY_SERVER_BINARY", str(build / "tools" / "verity-server"))
os.environ.setdefault("VERITY_ADMIN_BINARY", str(build / "tools" / "verity-admin"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))

from cluster import Cluster  # noqa: E402
from harness import TestCase  # noqa: E402

BODY = json.dumps([{"type": "noted", "data": {"pad": "x" * 150}}])
QUIET = 4.0  # seconds of probing before and after


class Probe(threading.Thread):
    """One client; milliseconds of each acknowledged append go to `took`."""

    def __init__(self, address, count=None):
        super().__init__()
        self.address, self.count, self.took, self.ends = address, count, [], False

    def run(self):
        connection = http.client.HTTPConnection(self.address)
        while not self.ends and (self.count is None or len(self.took) < self.count):
            began = time.perf_counter()
            connection.request("POST", "/v1/tenants/default/streams/bulk/events", BODY,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 201:
                self.took.append((time.perf_counter() - began) * 1000)
            if self.count is None:
                time.sleep(0.002)
        connection.close()

    def take(self):
        took, self.took = sorted(self.took), []
        return took[len(took) // 2], took[len(took) * 99 // 100]


class CatchingUp(TestCase):
    def test_it(self):
        cluster = Cluster(self)
        for node in (1, 2, 3):
            cluster.start(node)
        leader = cluster.leader()
        cluster.append(1)
        away = next(node for node in (1, 2, 3) if node != leader)
        cluster.nodes.pop(away).stop()
        address = cluster.nodes[leader].address
        writers = [Probe(address, entries // 16) for _ in range(16)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        probe = Probe(address)
        probe.start()
        time.sleep(QUIET)
        before = probe.take()
        began = time.monotonic()
        cluster.start(away)
        cluster.wait_for("the node to have everything", lambda: cluster.status(away)["applied_index"] >= entries)
        took = time.monotonic() - began
        meanwhile = probe.take()
        time.sleep(QUIET)
        after = probe.take()
        probe.ends = True
        probe.join()
        print(f"{entries} entries in {took:.1f} s, {entries / took:.0f} a second")
        for name, (median, p99) in (("before", before), ("meanwhile", meanwhile), ("after", after)):
            print(f"{name:10} p50 {median:7.2f} ms   p99 {p99:7.2f} ms")
        print(f"meanwhile / before: p50 {meanwhile[0] / before[0]:.2f}, p99 {meanwhile[1] / before[1]:.2f}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
