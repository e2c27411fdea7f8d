"""A cluster of real servers in operation: the lead is given away, nodes are stopped in turn."""

import json
import signal
import time
import unittest

from cluster import Cluster
from harness import TestCase


class Leading(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        for node in (1, 2, 3):
            self.cluster.start(node)

    def test_the_lead_is_given_to_whom_it_is_asked_for(self):
        cluster = self.cluster
        old = cluster.leader()
        cluster.append(3)
        view = cluster.status(old)["view"]
        heir = old % 3 + 1
        asked = next(node for node in (1, 2, 3) if node not in (old, heir))
        answer = self.assertFine(cluster.nodes[asked].admin("cluster", "transfer-leader", "--to", str(heir)))
        self.assertEqual(answer.stdout, f"node {heir} leads\n")
        self.assertEqual(cluster.leader(), heir)
        self.assertLess(cluster.status(heir)["view"], view + 8)
        again = cluster.nodes[asked].admin("--json", "cluster", "transfer-leader", "--to", str(heir))
        self.assertEqual(json.loads(self.assertFine(again).stdout), {"leader": heir})
        self.assertFine(cluster.nodes[asked].admin("cluster", "transfer-leader"))
        self.assertNotEqual(cluster.leader(), heir)
        cluster.nodes[old].wait_said("Handing over the lead")
        self.assertIn("\nverity_consensus_handovers_total 1\n", cluster.nodes[old].request("GET", "/metrics")[2])
        cluster.append(3)
        cluster.check_history()

    def test_who_cannot_lead_is_not_given_the_lead(self):
        cluster = self.cluster
        leader = cluster.leader()
        refused = cluster.nodes[leader].admin("cluster", "transfer-leader", "--to", "7")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("node 7 is no voter of this cluster", refused.stderr)
        dead = leader % 3 + 1
        cluster.kill(dead)
        cluster.wait_for("word of its death", lambda: any(
            p["id"] == dead and p["state"] == "unreachable" for p in cluster.status(leader)["cluster"]["peers"]))
        refused = cluster.nodes[leader].admin("cluster", "transfer-leader", "--to", str(dead))
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"node {dead} cannot take the lead now", refused.stderr)
        cluster.append(1)

    def test_each_is_stopped_in_turn(self):
        cluster = self.cluster
        for node in (1, 2, 3):
            leader = cluster.leader()
            cluster.append(2)
            began = time.monotonic()
            stopped = cluster.nodes.pop(node)
            self.assertEqual(stopped.stop(signal.SIGTERM), 0)
            if node == leader:
                self.assertIn("Handing over the lead", stopped.messages())
                others = [cluster.status(other)["leader"] for other in cluster.nodes]
                self.assertEqual(len(set(others)), 1, f"{time.monotonic() - began:.1f} s after the stop")
                self.assertIn(others[0], cluster.nodes)
            cluster.append(2)
            cluster.start(node)
        cluster.leader()
        cluster.check_history()


class Growing(TestCase):
    def test_a_new_node_is_syncing_until_it_has_a_vote(self):
        cluster = Cluster(self)
        cluster.nodes[1] = self.start("--node-id", "1", data_dir=cluster.data_dir(1),
                                      env=cluster.timing | {"VERITY_CLUSTER_ADDRESS": cluster.addresses[1]}).wait_ready()
        self.assertIn("\nsyncing: false\n", cluster.nodes[1].admin("status").stdout)
        cluster.start(2)
        cluster.start(3)
        new = [f"{node}={cluster.addresses[node]}" for node in (2, 3)]
        # One step at a time; what is called no more comes to rest.
        cluster.wait_for("the nodes to be let in", lambda: "catching up" in cluster.nodes[1].request(
            "POST", "/v1/cluster/members?add=" + ",".join(new))[2])
        for node in (2, 3):
            cluster.wait_for("a learner", lambda n=node: cluster.status(n)["state"] == "learner")
            self.assertIn("\nsyncing: true\n", cluster.nodes[node].admin("status").stdout)
        self.assertFine(cluster.nodes[1].admin("cluster", "add", *new))
        for node in (1, 2, 3):
            cluster.wait_for("the end of it", lambda n=node: not cluster.status(n)["syncing"])


if __name__ == "__main__":
    unittest.main()
