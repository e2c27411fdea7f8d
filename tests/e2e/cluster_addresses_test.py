"""What nodes of a cluster tell of where clients reach them."""

import unittest

from cluster import Cluster, free_ports
from harness import TestCase


class Addresses(TestCase):
    def test_clients_are_told_where_a_node_that_listens_everywhere_is(self):
        ports = dict(zip((1, 2, 3), free_ports(3)))
        everywhere = {node: {"VERITY_BIND_ADDRESS": f"0.0.0.0:{port}", "VERITY_ALLOW_INSECURE": "true"}
                      for node, port in ports.items()}
        for node in (1, 2):
            everywhere[node]["VERITY_ADVERTISE_ADDRESS"] = f"localhost:{ports[node]}"
        cluster = Cluster(self, node_environment=everywhere)
        cluster.start_all()
        told = {}

        def all_are_known():
            for peer in cluster.status(1)["cluster"]["peers"] + cluster.status(2)["cluster"]["peers"]:
                if "commit_index" in peer:
                    told[peer["id"]] = peer.get("client_address")
            return len(told) == 3
        cluster.wait_for("reports of all nodes", all_are_known)
        self.assertEqual(told, {1: f"localhost:{ports[1]}", 2: f"localhost:{ports[2]}", 3: ""})
        noted = {node: any("set [server] advertise_address" in m for m in server.messages())
                 for node, server in cluster.nodes.items()}
        self.assertEqual(noted, {1: False, 2: False, 3: True})


if __name__ == "__main__":
    unittest.main()
