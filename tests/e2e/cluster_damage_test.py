"""Disks of a cluster of real servers lose data: the nodes come back and are whole again."""

import json
import os
import re
import unittest

from cluster import Cluster
from harness import TestCase


def flip(path, places):
    with open(path, "r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 4]))


class Damage(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)

    def written(self, path):
        """Places in the file that hold something."""
        with open(path, "rb") as file:
            data = file.read()
        return [at for at in range(4096 + 150, len(data), 4096) if any(data[at - 150:at + 50])]

    def wait_whole(self, node):
        self.cluster.wait_for(f"node {node} to be whole", lambda: self.cluster.status(node)["damage"] == [])

    def test_two_nodes_at_different_places_and_one_at_its_end(self):
        cluster = self.cluster
        cluster.start_all()
        cluster.append(40)
        cluster.check_history()
        for node in (1, 2, 3):
            cluster.nodes.pop(node).stop()
        logs = {node: cluster.data_dir(node) / "log" / "current.segment" for node in (1, 2, 3)}
        places = {node: self.written(logs[node]) for node in logs}
        flip(logs[1], places[1][10:12])
        flip(logs[2], places[2][20:22])
        flip(logs[3], places[3][-8:])
        for node in (1, 2, 3):
            cluster.start(node)
        cluster.append(5)
        cluster.check_history()
        for node in (1, 2, 3):
            self.wait_whole(node)
        # What the repaired log says is what the others' say.
        cluster.check_history()
        said = "".join("".join(server.messages()) for server in cluster.nodes.values())
        self.assertRegex(said, "the segment is whole again|fetched from the other nodes")
        for node in (1, 2, 3):
            cluster.nodes[node].stop()
            verified = cluster.nodes.pop(node).admin("verify", "--data-dir", str(cluster.data_dir(node)))
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_no_node_serves_the_whole_repair(self):
        small = {"VERITY_SEGMENT_SIZE": "64KB", "VERITY_MAX_BATCH_SIZE": "32KB", "VERITY_MAX_RECORD_SIZE": "16KB"}
        cluster = self.cluster
        cluster.environment = small
        leader = cluster.nodes[cluster.start_all()]
        for number in range(40):
            event = json.dumps([{"type": "large", "data": f"{number} " * 2000}])
            cluster.wait_for("room", lambda: leader.request("POST", "/v1/tenants/default/streams/large/events", event,
                                                            {"Content-Type": "application/json"})[0] == 201)
        cluster.wholes()
        node = next(other for other in cluster.nodes if cluster.nodes[other] is not leader)
        cluster.nodes.pop(node).stop()
        sealed = sorted(path for path in (cluster.data_dir(node) / "log").glob("*.segment") if path.stem.isdigit())
        self.assertGreater(len(sealed), 2)
        for path in sealed:
            flip(path, [32 * 1024])
        cluster.start(node)
        cluster.wait_for("the repair of each segment",
                         lambda: cluster.nodes[node].messages().count("the segment is whole again") >= len(sealed))
        self.wait_whole(node)
        served = {other: float(re.search(r"(?m)^verity_repair_served_entries_total (\S+)$",
                                         server.request("GET", "/metrics")[2])[1]) for other, server in cluster.nodes.items()}
        self.assertEqual(served.pop(node), 0)
        self.assertTrue(all(served.values()), served)


if __name__ == "__main__":
    unittest.main()
