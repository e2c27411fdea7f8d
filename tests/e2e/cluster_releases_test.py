"""A cluster whose nodes are of two releases: forward and back one by one, the activation, and what is refused after it."""

import re
import shutil
import signal
import unittest

from cluster import Cluster
from harness import NEXT_SERVER, SERVER, TestCase
from load import Load


class Releases(TestCase):
    def form(self, **environment):
        self.cluster = Cluster(self, environment=environment)
        self.cluster.start_all()

    def restart(self, node, binary):
        self.assertEqual(self.cluster.nodes.pop(node).stop(signal.SIGTERM), 0)
        self.cluster.binary = binary
        self.cluster.start(node)
        self.cluster.leader()

    def activate(self, node=1):
        return self.cluster.nodes[node].admin("cluster", "activate-release")

    def releases(self, node):
        status = self.cluster.status(node)
        return status["release"], status["oldest_release"], status["active_release"]

    def all_active(self, release):
        return all(self.releases(node)[2] == release for node in self.cluster.nodes)

    def segment(self, node):
        return (self.cluster.data_dir(node) / "log" / "current.segment").read_bytes()

    def entry_releases(self, node):
        """Release and proposer of every entry in the file, by position (docs/format/log.md)."""
        bytes_, found = self.segment(node), {}
        for match in re.finditer(b"VENT", bytes_):
            at = match.start()
            position = int.from_bytes(bytes_[at + 40:at + 48], "little")
            found[position] = (int.from_bytes(bytes_[at + 96:at + 100], "little"),
                               int.from_bytes(bytes_[at + 102:at + 104], "little"))
        return found

    def test_forward_and_back_and_forward_under_load(self):
        self.form(VERITY_ACTIVATE_RELEASE_AFTER="0s")
        cluster = self.cluster
        self.assertEqual(self.releases(1), (1, 1, 1))
        with Load(cluster) as load:
            for node in (2, 3):
                self.restart(node, NEXT_SERVER)
                load.go_on()
            self.assertEqual(self.releases(3), (2, 1, 1))
            table = self.assertFine(cluster.nodes[2].admin("cluster", "status")).stdout
            self.assertIn("release 1 is active", table)
            refused = self.activate()
            self.assertEqual(refused.returncode, 1)
            self.assertIn("release 1 stays the active one: node 1 knows no release after 1", refused.stderr)

            self.restart(1, NEXT_SERVER)
            load.go_on()
            self.restart(2, SERVER)  # the release before comes back
            load.go_on()
            self.assertTrue(self.all_active(1))
            self.restart(2, NEXT_SERVER)
            load.go_on()

            answer = self.assertFine(self.activate(2))
            entry = int(re.fullmatch(r"release 2 is active, by entry (\d+)\n", answer.stdout)[1])
            self.assertEqual(self.assertFine(self.activate(3)).stdout, answer.stdout)
            cluster.wait_for("release 2 everywhere", lambda: self.all_active(2))
            self.assertEqual([cluster.status(node)["activated_by"] for node in (1, 2, 3)], [entry] * 3)
            load.go_on()
            leader = cluster.leader()
            load.go_on()

            node = leader % 3 + 1
            self.assertEqual(cluster.nodes.pop(node).stop(signal.SIGTERM), 0)
            old = self.start("--node-id", str(node), data_dir=cluster.data_dir(node))
            self.assertEqual(old.wait_exit(), 1)
            self.assertIn(f"entry {entry} of the cluster 'production' activated release 2, and this program knows release 1",
                          old.messages()[-1])
            load.go_on()
            cluster.start(node)
            cluster.leader()
            load.check()
        written = self.entry_releases(leader)
        for position, form in written.items():
            self.assertIn(form, [(1, 0)] if position <= entry else [(1, 0), (2, 1), (2, 2), (2, 3)], position)
        self.assertIn((2, leader), written.values())

    def test_a_node_of_the_release_before_is_refused_by_both(self):
        self.cluster = cluster = Cluster(self, environment={"VERITY_ACTIVATE_RELEASE_AFTER": "100ms"})
        cluster.binary = NEXT_SERVER
        cluster.start_all()
        cluster.wait_for("release 2 everywhere", lambda: self.all_active(2))
        cluster.append(2)
        lost = cluster.leader() % 3 + 1
        cluster.kill(lost)
        shutil.rmtree(cluster.data_dir(lost))
        cluster.binary = SERVER
        old = cluster.start(lost)
        sentence = re.compile(
            rf"node {lost} knows release 1, and entry \d+ of the cluster activated release 2, as node \d says")

        def lines(server, message):
            return [line["fields"]["reason"] for line in server.log() if line["message"] == message]

        def refused():
            others = [cluster.nodes[node] for node in cluster.nodes if node != lost]
            by_us = any(sentence.search(reason) for other in others for reason in
                        lines(other, "Refused a connection with a peer") + lines(other, "Connection refused by a peer"))
            by_them = any(sentence.search(reason) for reason in
                          lines(old, "Refused a connection with a peer") + lines(old, "Connection refused by a peer"))
            return by_us and by_them
        cluster.wait_for("a refusal in both logs", refused)
        cluster.nodes.pop(lost)
        cluster.append(2)


if __name__ == "__main__":
    unittest.main()
