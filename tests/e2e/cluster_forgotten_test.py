"""Nodes that have forgotten what they promised: killed with sync_mode = "async", or robbed of their state, one or all of them."""

import json
import shutil
import unittest

from cluster import Cluster
from harness import ADMIN, TestCase, run

NOBODY = "no node is a member of the cluster any more"


class Forgotten(TestCase):
    def healthy(self, cluster, node):
        self.assertFine(run(ADMIN, "--server", cluster.nodes[node].address, "cluster", "wait-healthy", "--timeout", "60"))

    def reason(self, cluster, node):
        return cluster.status(node).get("reason", "")

    def test_a_killed_async_node_comes_back_as_another_member(self):
        cluster = Cluster(self, environment={"VERITY_SYNC_MODE": "async"})
        cluster.start_all()
        cluster.append(5)
        self.healthy(cluster, 1)
        cluster.wait_for("acknowledgements before the disk", lambda: cluster.status(3)["acknowledges_early"])
        self.assertEqual(cluster.status(3)["sync_mode"], "async")
        cluster.kill(3)
        cluster.append(5)
        cluster.start(3)
        cluster.leader()
        self.healthy(cluster, 3)
        cluster.nodes[3].wait_said('(sync_mode = "async") and did not stop cleanly')
        cluster.append(5)
        cluster.check_history()
        cluster.nodes[3].stop()  # with everything written
        cluster.start(3)
        cluster.leader()
        self.assertFalse(any("did not stop cleanly" in m for m in cluster.nodes[3].messages()))
        cluster.check_history()

    def forget(self, cluster, *nodes):
        for node in nodes:
            cluster.kill(node)
            shutil.rmtree(cluster.data_dir(node) / "meta")

    def log_bytes(self, cluster, node):
        return {path.name: path.read_bytes() for path in (cluster.data_dir(node) / "log").glob("*.segment")}

    def refused(self, cluster, node, **environment):
        before = self.log_bytes(cluster, node)
        cluster.node_environment[node] = environment
        forced = cluster.start_forced(node)
        self.assertEqual(forced.wait_exit(), 1)
        self.assertEqual(self.log_bytes(cluster, node), before)
        return next(m for m in forced.messages() if m.startswith("Could not start"))

    def test_when_all_have_forgotten_they_say_what_to_do(self):
        cluster = Cluster(self)
        cluster.start_all()
        cluster.append(5)
        cluster.check_history()
        self.forget(cluster, 1, 2, 3)
        for node in (1, 2, 3):
            cluster.start(node)
        for node in (1, 2, 3):
            cluster.wait_for(f"node {node} knows that nobody is left", lambda: NOBODY in self.reason(cluster, node))
            self.assertIn("the log of this one ends at position", self.reason(cluster, node))
            self.assertFalse(cluster.is_ready(node))
        shown = run(ADMIN, "--server", cluster.nodes[2].address, "cluster", "status")
        self.assertIn(NOBODY, shown.stdout + shown.stderr)
        cluster.kill(2)
        others = {node: (cluster.nodes.pop(node), self.log_bytes(cluster, node)) for node in (1, 3)}
        cluster.nodes[2] = cluster.start_forced(2).wait_ready()
        self.assertEqual(cluster.leader_of(2), 2)
        self.assertIn("force_recovered", cluster.status(2))
        cluster.append(3)
        # They might hold what this one has lost: an operator sets them aside, and may choose one of them yet.
        for node, (server, before) in others.items():
            self.assertEqual(server.wait_exit(), 1)
            self.assertTrue(any("its log is of epoch" in m for m in server.messages()))
            self.assertEqual(self.log_bytes(cluster, node), before)
        self.assertEqual(len(cluster.events(2)), 8)
        # Once more, before the others are there again.
        self.forget(cluster, 2)
        cluster.nodes[2] = cluster.start_forced(2).wait_ready()
        self.assertEqual(len(cluster.events(2)), 8)

    def test_whoever_has_forgotten_does_not_go_on_beside_a_member(self):
        cluster = Cluster(self)
        cluster.start_all()
        cluster.append(1)
        cluster.kill(1)
        self.forget(cluster, 2)
        self.assertIn("node 3 belongs to the cluster still", self.refused(cluster, 2))
        # Nor where nobody would talk to it.
        shutil.rmtree(cluster.data_dir(2) / "meta")
        refusal = self.refused(cluster, 2, VERITY_CLUSTER_NAME="another")
        self.assertIn("its log is that of the cluster 'production', cluster_name is 'another'", refusal)


if __name__ == "__main__":
    unittest.main()
