"""Nodes that never come, and nodes that have left: nobody waits for them, and nobody dials them for ever."""

import socket
import time
import unittest

from cluster import Cluster, free_ports
from harness import TestCase


class Members(TestCase):
    def start_alone(self, cluster, *arguments):
        node = self.start("--node-id", "1", *arguments, data_dir=cluster.data_dir(1),
                          env=cluster.timing | {"VERITY_CLUSTER_ADDRESS": cluster.addresses[1]})
        cluster.nodes[1] = node
        return node.wait_listening()

    def assertHealthy(self, cluster, node, peers):
        self.assertFine(cluster.nodes[node].admin("cluster", "wait-healthy", "--timeout", "20"))
        self.assertEqual([peer["id"] for peer in cluster.status(node)["cluster"]["peers"]], peers)

    def test_an_addition_that_was_given_up_leaves_nothing(self):
        cluster = Cluster(self, size=1)
        node = self.start_alone(cluster)
        cluster.append(1)
        nobody = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(nobody.close)
        nobody.setblocking(False)

        def calls():
            count = 0
            while True:
                try:
                    nobody.accept()[0].close()
                    count += 1
                except BlockingIOError:
                    return count
        wrong = "2=127.0.0.1:%d" % nobody.getsockname()[1]
        given_up = node.admin("cluster", "add", wrong, f"3=127.0.0.1:{free_ports(1)[0]}", "--timeout", "1")
        self.assertEqual(given_up.returncode, 1)
        self.assertIn("node 2 at", given_up.stderr)
        self.assertHealthy(cluster, 1, [])
        cluster.wait_for("an attempt to reach it", calls)
        self.assertIn("done: the members are the nodes 1\n", node.admin("cluster", "remove", "2", "3").stdout)
        time.sleep(0.5)  # what was under way
        calls()
        time.sleep(5)  # more than any pause between two attempts
        self.assertEqual(calls(), 0)

    def test_an_address_that_contradicts_what_is_known_is_refused(self):
        cluster = Cluster(self)
        leader = cluster.start_all()
        node = cluster.nodes[leader]
        other = next(n for n in cluster.nodes if n != leader)
        self.assertIn("is a member already, at " + cluster.addresses[other],
                      node.admin("cluster", "add", f"{other}=elsewhere:1").stderr)
        self.assertFine(node.admin("cluster", "add", f"{other}={cluster.addresses[other]}"))
        self.assertIn("cannot both be at new:7001", node.admin("cluster", "add", "4=new:7001", "5=new:7001").stderr)
        self.assertHealthy(cluster, leader, sorted(n for n in cluster.nodes if n != leader))

    def test_whoever_has_left_is_missed_by_nobody(self):
        cluster = Cluster(self)
        cluster.start_all()
        cluster.append(1)
        self.assertFine(cluster.nodes[1].admin("cluster", "remove", "2", "3"))
        for node in (2, 3):
            cluster.nodes[node].wait_exit()
            del cluster.nodes[node]
        self.assertHealthy(cluster, 1, [])
        # With the command line it had.
        cluster.kill(1)
        cluster.start(1)
        self.assertHealthy(cluster, 1, [])
        cluster.append(1)
        cluster.check_history()


if __name__ == "__main__":
    unittest.main()
