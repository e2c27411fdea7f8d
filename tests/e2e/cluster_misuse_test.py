"""Clusters that are put together wrongly: clear lines on both sides, and nothing acknowledged."""

import socket
import time
import unittest

from cluster import Cluster, free_ports
from harness import ADMIN, SERVER, TestCase, run


def reasons(server, message):
    """What was said why."""
    return " | ".join(line["fields"].get("reason", "") for line in server.log() if line["message"] == message)


class Misuse(TestCase):
    def node(self, cluster, place, node_id, peers=None, **environment):
        """A server at this place of the cluster that says it is `node_id`."""
        others = peers or [address for other, address in cluster.addresses.items() if other != place]
        server = self.start("--node-id", str(node_id), "--cluster-peers", ",".join(others),
                            data_dir=cluster.data_dir(place),
                            env=cluster.timing | {"VERITY_CLUSTER_ADDRESS": cluster.addresses[place]} | environment)
        cluster.nodes[place] = server
        return server.wait_listening()

    def test_lists_that_cannot_be_are_refused_at_once(self):
        own, other, third, fourth = (f"127.0.0.1:{port}" for port in free_ports(4))
        for listed, said in ((other, "makes a cluster of 2"), (f"{other},{third},{fourth}", "makes a cluster of 4"),
                             (f"{own},{other}", f"lists {own}, which is this node itself"),
                             (f"{other},{other}", f"lists {other} twice")):
            with self.subTest(listed=listed):
                refused = run(SERVER, "--data-dir", str(self.data_dir), "--node-id", "1", "--cluster-peers", listed,
                              env={"VERITY_CLUSTER_ADDRESS": own})
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn(said, refused.stderr)
                self.assertFalse(self.data_dir.exists())

    def test_two_nodes_with_one_id_are_told_so(self):
        cluster = Cluster(self)
        nodes = [self.node(cluster, 1, 1), self.node(cluster, 2, 2), self.node(cluster, 3, 2)]
        cluster.wait_for("words about the id", lambda: all(
            "two nodes have the node id 2" in reasons(node, "Refused a connection with a peer") +
            reasons(node, "Connection refused by a peer") for node in nodes[1:]))
        self.assertFalse(any(cluster.is_ready(place) for place in (1, 2, 3)))
        self.assertIn("waiting for a connection with", cluster.status(2)["reason"])

    def test_a_second_node_with_the_id_of_a_member_changes_nothing(self):
        cluster = Cluster(self)
        leader = cluster.start_all()
        twin = leader % 3 + 1
        second = self.start("--node-id", str(twin), "--cluster-peers", ",".join(
            address for node, address in cluster.addresses.items() if node != twin), data_dir=self.folder / "twin",
            env=cluster.timing | {"VERITY_CLUSTER_ADDRESS": f"127.0.0.1:{free_ports(1)[0]}"}).wait_listening()
        cluster.wait_for("words about the id", lambda: "two data directories have one node id" in
                         reasons(second, "Connection refused by a peer") + reasons(second, "Refused a connection with a peer"))
        cluster.append(2)
        cluster.check_history()
        self.assertEqual(second.request("GET", "/health/ready")[0], 503)

    def test_lists_that_disagree_found_nothing(self):
        """Two nodes mean three, the third one means five."""
        cluster = Cluster(self, size=5)
        of_three = [cluster.addresses[node] for node in (1, 2, 3)]
        for node in (1, 2):
            self.node(cluster, node, node, peers=[a for a in of_three if a != cluster.addresses[node]])
        self.node(cluster, 3, 3)
        cluster.wait_for("a word about who is missing", lambda: all(
            cluster.addresses[node] in cluster.status(3).get("reason", "") for node in (4, 5)))
        time.sleep(1)  # enough to found a cluster
        self.assertFalse(any(cluster.is_ready(node) for node in (1, 2, 3)))
        self.assertEqual({cluster.status(node)["cluster_id"] for node in (1, 2, 3)}, {"0" * 32})

    def test_another_cluster_is_refused_on_both_sides(self):
        cluster = Cluster(self)
        first, second = self.node(cluster, 1, 1), self.node(cluster, 2, 2, VERITY_CLUSTER_NAME="staging")
        cluster.wait_for("words about the name", lambda: all(
            "staging" in reasons(node, "Refused a connection with a peer") +
            reasons(node, "Connection refused by a peer") for node in (first, second)))
        # Whoever was dialled says it: of the other first, of itself second.
        for node in (first, second):
            said = reasons(node, "Refused a connection with a peer") + reasons(node, "Connection refused by a peer")
            self.assertRegex(said, r'of (the cluster named )?"staging"')
        ping = first.admin("cluster", "ping", "--peers", ",".join((cluster.addresses[1], cluster.addresses[2])))
        self.assertEqual(ping.returncode, 1)
        self.assertRegex(ping.stdout, cluster.addresses[1] + " +connected +1")
        self.assertRegex(ping.stdout, cluster.addresses[2] + ' +connection refused: .*node 2 of "staging" +2')
        # Nobody says which cluster is meant: any will do.
        nobody = f"127.0.0.1:{free_ports(1)[0]}"
        self.assertFine(run(ADMIN, "--server", nobody, "cluster", "ping", "--peers", cluster.addresses[2]))

    def test_a_directory_moved_to_another_id_is_refused(self):
        cluster = Cluster(self)
        cluster.start_all()
        cluster.append(2)
        cluster.kill(3)
        moved = self.node(cluster, 3, 4)
        self.assertEqual(moved.wait_exit(), 1)
        del cluster.nodes[3]
        self.assertRegex(" ".join(moved.messages()), "belongs to node 3")
        cluster.start(3)
        cluster.append(1)
        cluster.check_history()

    def test_a_node_that_lists_a_wrong_address_says_whom_it_misses(self):
        cluster = Cluster(self)
        wrong = f"127.0.0.1:{free_ports(1)[0]}"
        self.node(cluster, 1, 1)
        self.node(cluster, 2, 2)
        self.node(cluster, 3, 3, peers=[cluster.addresses[1], wrong])
        cluster.wait_for("a word about who is missing", lambda: any(
            p["address"] == wrong and p["state"] == "unreachable" for p in cluster.status(3)["cluster"]["peers"]))
        problem = next(p for p in cluster.status(3)["cluster"]["peers"] if p["address"] == wrong)["problem"]
        self.assertRegex(problem, "(?i)refused|connection")

    def test_ids_that_found_no_cluster_are_told_so(self):
        cluster = Cluster(self)
        for place, node_id in ((1, 2), (2, 3), (3, 4)):
            self.node(cluster, place, node_id)
        for place in (1, 3):
            cluster.wait_for("a word about who founds a cluster", lambda p=place: "a new cluster of 3 is founded by the "
                             "nodes 1 to 3, and node 4 is here" in cluster.status(p)["reason"])
        said = "A new cluster of 3 is founded by the nodes 1 to 3"
        cluster.wait_for("the same in the log", lambda: any(
            line["message"].startswith(said) and line["fields"] == {"missing": "1", "others": "4"}
            for line in cluster.nodes[1].log()))

    def test_garbage_on_the_cluster_port_harms_nobody(self):
        cluster = Cluster(self)
        leader = cluster.start_all()
        host, port = cluster.addresses[leader].rsplit(":", 1)
        for junk in (b"GET / HTTP/1.1\r\n\r\n", bytes(4096), b"\xff" * 100_000, b"V"):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.settimeout(0.2)
                try:
                    connection.sendall(junk)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                except OSError:
                    pass
        cluster.append(2)
        cluster.check_history()
        cluster.nodes[leader].wait_said("Connection on the cluster port failed")


if __name__ == "__main__":
    unittest.main()
