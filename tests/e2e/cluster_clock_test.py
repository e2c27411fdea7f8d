"""The time of day of real servers is wrong by hours, and jumps: it dates nothing as long as a majority is right, and nothing else
depends on it. The history's dates are judged with everything else."""

import os
import random
import re
import struct
import time
import unittest

from cluster import Cluster
from harness import LONG, TestCase, long_only
from load import Load

HOUR = 3600


class Clocks(TestCase):
    def begin(self, shifts):
        """Three servers whose clocks are wrong by so many seconds."""
        environment = {}
        for node in (1, 2, 3):
            self.shift(node, shifts.get(node, 0))
            environment[node] = {"LD_PRELOAD": os.environ["VERITY_SHIFTED_CLOCK"],
                                 "VERITY_TEST_CLOCK_SHIFT": str(self.shift_file(node)),
                                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.cluster = Cluster(self, node_environment=environment)
        self.cluster.start_all()
        return self.cluster

    def shift_file(self, node):
        return self.folder / f"clock{node}"

    def shift(self, node, seconds):
        with open(self.shift_file(node), "r+b" if self.shift_file(node).exists() else "wb", buffering=0) as file:
            file.write(struct.pack("<q", int(seconds * 1e9)))

    def offset(self, node):
        metrics = self.cluster.nodes[node].request("GET", "/metrics")[2]
        return float(re.search(r"(?m)^verity_clock_offset_seconds (\S+)$", metrics)[1])

    def test_a_clock_that_is_an_hour_off_dates_nothing(self):
        cluster = self.begin({})
        with Load(cluster) as load:
            self.shift(1, HOUR)
            cluster.wait_for("its being found out", lambda: abs(self.offset(1) + HOUR) < 1)
            cluster.nodes[1].wait_said("The clock of this node is not believed")
            self.assertFinePromotion(1, load)
            self.shift(1, -26 * HOUR)
            cluster.wait_for("its being found out", lambda: abs(self.offset(1) - 26 * HOUR) < 1)
            load.go_on()
            self.shift(1, 0)
            cluster.wait_for("its being believed", lambda: abs(self.offset(1)) < 1)
            self.assertFinePromotion(2, load)
            load.check()

    def assertFinePromotion(self, node, load):
        """It leads, and dates."""
        self.cluster.wait_for(f"the lead of node {node}", lambda: self.cluster.nodes[node % 3 + 1].admin(
            "cluster", "transfer-leader", "--to", str(node)).returncode == 0)
        load.go_on()

    def test_clocks_that_jump_under_load(self):
        """One at a time, whoever leads among them; a clock that was wrong is well for a while before the next one goes."""
        cluster = self.begin({})
        chance = random.Random(3)
        with Load(cluster) as load:
            for node in (1, 2, 3) * 4 if LONG else (1,):
                for _ in range(8):
                    self.shift(node, chance.choice((-9 * HOUR, -1, 0, 2, 700, 30 * HOUR)))
                    time.sleep(chance.uniform(0, 0.3))
                self.shift(node, 0)
                load.go_on()
                time.sleep(1.2)  # every node has asked it since
            load.check()

    @long_only
    def test_a_node_that_is_alone_says_nothing_of_its_clock(self):
        cluster = self.begin({})
        for node in (2, 3):
            cluster.kill(node)
        time.sleep(15)  # what the others showed counts for ten seconds
        self.assertFalse([m for m in cluster.nodes[1].messages() if "clock" in m])

    def test_dates_never_go_back_when_no_clocks_agree(self):
        cluster = self.begin({2: HOUR, 3: -HOUR})
        with Load(cluster, clocks_are_kept=False) as load:
            for node in (2, 3, 1):
                self.assertFinePromotion(node, load)
                self.shift(node, -3 * HOUR)
                load.go_on()
            load.check()


if __name__ == "__main__":
    unittest.main()
