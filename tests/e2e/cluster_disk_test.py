"""Disks of real servers that are full, and disks whose syncs fail: the node steps back, the others go on, nothing acknowledged
is lost, and it comes back when its disk does.

Takes root, for mounts of its own; else it says so and ends.
"""

import os
import select
import signal
import subprocess
import time
import unittest

import namespaces
from cluster import Cluster
from harness import ADMIN, PATIENCE, TestCase, long_only, run
from load import Load

SMALL_SEGMENTS = {"VERITY_SEGMENT_SIZE": "1MB", "VERITY_MAX_BATCH_SIZE": "256KB", "VERITY_MAX_RECORD_SIZE": "64KB"}


class Full(TestCase):
    def mount_small(self, node):
        """A disk of 24 MB: an ext4 on a loop device."""
        place, image = self.folder / f"node{node}", self.folder / f"node{node}.image"
        place.mkdir()
        with open(image, "wb") as file:
            file.truncate(24 << 20)
        namespaces.do("mkfs.ext4", "-q", str(image))
        mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"no loop device here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        return place

    def test_a_leader_whose_disk_is_full_gives_the_lead_away_and_can_have_it_again(self):
        small = self.mount_small(1)
        cluster = self.cluster = Cluster(self, environment=SMALL_SEGMENTS)
        cluster.start_all()
        with Load(cluster) as load:
            self.give_lead_to(1)
            fill(small / "filler")
            cluster.wait_for("another leader", lambda: cluster.status(1)["leader"] in (2, 3))
            cluster.nodes[1].wait_said("Another node is to lead")
            load.go_on(200)
            self.assertNotEqual(cluster.leader_of(2), 1)
            refused = cluster.nodes[2].admin("cluster", "transfer-leader", "--to", "1")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("no room on its disk", refused.stderr)
            (small / "filler").unlink()
            self.give_lead_to(1)
            load.go_on()
            load.check()
        self.assertNotIn("out_of_space", load.refused)

    def give_lead_to(self, node):
        def gives():
            asked = self.cluster.nodes[node % 3 + 1].admin("cluster", "transfer-leader", "--to", str(node))
            return asked.returncode == 0
        self.cluster.wait_for(f"the lead of node {node}", gives)
        self.assertEqual(self.cluster.leader(), node)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return


class FailingSync(TestCase):
    def setUp(self):
        super().setUp()
        program = os.environ.get("VERITY_FAILING_SYNC_BINARY")
        if not program:
            self.skipTest("built without libfuse3-dev")
        self.file_systems = {}
        for node in (1, 2, 3):
            place, disk = self.folder / f"node{node}", self.folder / f"disk{node}"
            place.mkdir()
            disk.mkdir()
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, disk, place], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            self.addCleanup(process.stderr.close)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.addCleanup(subprocess.run, ["umount", "-l", place], capture_output=True)
            if not (select.select([process.stdout], [], [], PATIENCE)[0] and process.stdout.readline()):
                process.kill()
                self.skipTest(f"no FUSE here: {process.stderr.read().decode().strip()}")
            self.file_systems[node] = process
        self.cluster = Cluster(self, environment=SMALL_SEGMENTS)
        self.cluster.start_all()

    def syncs(self, node, are_well):
        self.file_systems[node].send_signal(signal.SIGUSR2 if are_well else signal.SIGUSR1)

    def ends_and_comes_back(self, node, load):
        cluster = self.cluster
        self.syncs(node, False)
        ended = cluster.nodes[node]
        began = time.monotonic()
        self.assertEqual(ended.wait_exit(), 1)
        self.assertLess(time.monotonic() - began, 6)  # and not after all patience with what is under way
        del cluster.nodes[node]
        self.assertIn("Input/output error", " ".join(ended.messages()))
        load.go_on()
        # As long as the disk is like that it does not even begin.
        refused = cluster.launch(node)
        self.assertEqual(refused.wait_exit(), 1)
        self.syncs(node, True)
        cluster.start(node)
        cluster.leader()
        load.go_on()

    def test_a_node_whose_syncs_fail_ends_at_once_and_loses_nothing(self):
        cluster = self.cluster
        with Load(cluster) as load:
            leader = cluster.leader()
            self.ends_and_comes_back(leader, load)
            self.ends_and_comes_back(cluster.leader() % 3 + 1, load)
            load.check()
        for node in (1, 2, 3):
            cluster.kill(node)
            self.assertFine(run(ADMIN, "log", "verify", "--data-dir", str(cluster.data_dir(node))))

    @long_only
    def test_syncs_of_a_majority_fail_and_nothing_is_acknowledged(self):
        cluster = self.cluster
        with Load(cluster) as load:
            for _ in range(5):
                leader = cluster.leader()
                failing = [leader, leader % 3 + 1]
                for node in failing:
                    self.syncs(node, False)
                for node in failing:
                    self.assertEqual(cluster.nodes[node].wait_exit(), 1)
                    del cluster.nodes[node]
                self.assertTrue(load.is_silent(1))
                for node in failing:
                    self.syncs(node, True)
                    cluster.start(node)
                cluster.leader()
                load.go_on()
            load.check()


if __name__ == "__main__":
    namespaces.enter("mount")
    unittest.main()
