#!/usr/bin/env python3
"""What do clients feel while a node that was down gets what it missed?

    tools/dev bench --catching-up [--entries N]

Three servers on loopback, one of them stopped while N (1 000 000; the long run, some minutes) entries are appended. Then one
client appends one event after another: before the node comes back, meanwhile, and after. Aim: p50 and p99 meanwhile are at most
1.5 times those before; exit 1 if they are more. Machine and disk are shared by all three nodes, which is the worst place for it.
"""

import http.client
import json
import os
import pathlib
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
# Both have a cluster.py; the one of the tests is meant.
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tools" / "show.d")]
for binary in ("server", "admin"):
    os.environ.setdefault(f"VERITY_{binary.upper()}_BINARY", str(ROOT / "build" / "bin" / f"verity-{binary}"))

from building import build, options_of  # noqa: E402
from cluster import Cluster  # noqa: E402
from harness import TestCase  # noqa: E402
from server import Failure  # noqa: E402

AIM = 1.5  # at most so many times what it was before
BODY = json.dumps([{"type": "noted", "data": {"pad": "x" * 150}}])
QUIET = 4.0  # seconds of probing before and after
PATIENCE = 1800  # seconds, for all of it to arrive


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
    entries = 1_000_000

    def test_latency_of_the_others(self):
        entries = self.entries
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
        while cluster.status(away)["applied_index"] < entries:
            self.assertLess(time.monotonic() - began, PATIENCE, "it has not caught up")
            time.sleep(0.05)
        took = time.monotonic() - began
        meanwhile = probe.take()
        time.sleep(QUIET)
        after = probe.take()
        probe.ends = True
        probe.join()
        print(f"{entries} entries in {took:.1f} s, {entries / took:.0f} a second")
        for name, (median, p99) in (("before", before), ("meanwhile", meanwhile), ("after", after)):
            print(f"{name:10} p50 {median:7.2f} ms   p99 {p99:7.2f} ms")
        slower = [during / earlier for during, earlier in zip(meanwhile, before)]
        print(f"meanwhile / before: p50 {slower[0]:.2f}, p99 {slower[1]:.2f}; aim: {AIM} at most")
        self.assertLessEqual(max(slower), AIM)


def main(arguments):
    if set(arguments) & {"-h", "--help"}:
        print(__doc__.strip())
        return 0
    try:
        CatchingUp.entries = options_of(arguments, {"entries": CatchingUp.entries})["entries"]
        os.chdir(ROOT)
        build("verity-server", "verity-admin")
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    return 0 if unittest.main(argv=["catching_up"], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
