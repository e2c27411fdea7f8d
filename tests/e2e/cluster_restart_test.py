"""Servers are stopped, killed and lose their disks under an application of the client library that knows all of them: it never
sees an error, and what it was told can be true."""

import os
import shutil
import signal
import subprocess
import threading
import unittest

from cluster import Cluster, free_ports
from harness import LONG, PATIENCE, TestCase
from history import History


class NativeLoad:
    """One such application; the only client there is, so that its own lines are the history."""

    def __init__(self, cluster, window=16):
        self.cluster, self.history = cluster, History()
        self.process = subprocess.Popen([os.environ["VERITY_NATIVE_LOAD"], str(window), *cluster.client_addresses],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.answers = 0
        self.reader = threading.Thread(target=self._collect, daemon=True)

    def _collect(self):
        for line in self.process.stdout:
            self.history.lines.append(line.strip())
            self.answers += line.startswith('{"answer"')

    def __enter__(self):
        self.reader.start()
        self.go_on()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.reader.join(PATIENCE)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    def go_on(self, count=100):
        wanted = self.answers + count
        self.cluster.wait_for(f"{count} more answers", lambda: self.answers >= wanted)

    def check(self):
        """No error at all."""
        case = self.cluster.case
        self.process.stdin.close()
        self.reader.join(PATIENCE)
        case.assertEqual((self.process.wait(PATIENCE), self.process.stderr.read()), (0, ""))
        for pages in self.cluster.wait_for("the same end everywhere", self.cluster.wholes):
            self.history.whole(pages)
        return self.history.check()


class Restarts(TestCase):
    def begin(self):
        """Clients find the nodes again where they were."""
        addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
        self.cluster = Cluster(self, node_environment={
            node: {"VERITY_BIND_ADDRESS": address} for node, address in enumerate(addresses, 1)})
        self.cluster.client_addresses = addresses
        self.cluster.start_all()
        return self.cluster

    def test_each_is_stopped_and_started_and_the_application_notices_nothing(self):
        cluster = self.begin()
        with NativeLoad(cluster) as load:
            for _ in range(5 if LONG else 1):
                for node in (1, 2, 3):
                    self.assertEqual(cluster.nodes.pop(node).stop(signal.SIGTERM), 0)
                    load.go_on()
                    cluster.start(node)
                    cluster.leader()
                    load.go_on()
            load.check()

    def test_leaders_are_killed_and_the_power_of_all_is_cut(self):
        cluster = self.begin()
        with NativeLoad(cluster) as load:
            for _ in range(5 if LONG else 1):
                leader = cluster.leader()
                cluster.kill(leader)
                load.go_on()
                cluster.start(leader)
                cluster.leader()
                for server in cluster.nodes.values():
                    server.process.send_signal(signal.SIGKILL)
                for node in cluster.addresses:
                    cluster.kill(node)
                for node in cluster.addresses:
                    cluster.start(node)
                load.go_on()
            load.check()

    def test_disks_are_wiped_one_after_another(self):
        cluster = self.begin()
        with NativeLoad(cluster) as load:
            for number in range(9 if LONG else 2):
                node = cluster.leader() if number % 2 == 0 else cluster.leader() % 3 + 1
                cluster.kill(node)
                shutil.rmtree(cluster.data_dir(node))
                load.go_on()
                cluster.start(node)
                other = node % 3 + 1
                self.assertFine(cluster.nodes[other].admin("cluster", "wait-healthy"))
                load.go_on()
            load.check()


if __name__ == "__main__":
    unittest.main()
