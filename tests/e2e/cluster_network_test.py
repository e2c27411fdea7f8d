"""Real servers on machines of their own, in network namespaces: packets are lost without a word, cables are pulled and are
too thin. Nothing acknowledged is lost, nobody is shown anything false, and it all goes on when the network does.

Takes root; else it says so and ends. VERITY_E2E_LONG=1: all cases, and longer.
"""

import itertools
import random
import time
import unittest

import namespaces
from cluster import Cluster
from harness import LONG, TestCase, long_only
from load import Load


class Network(TestCase):
    def begin(self, size=3):
        self.network = namespaces.Network(self, size)
        self.cluster = Cluster(self, size, network=self.network)
        self.cluster.start_all()
        return self.cluster, self.network

    def others(self, node):
        return [other for other in self.cluster.addresses if other != node]

    def another_leads(self, old):
        self.cluster.wait_for("another leader", lambda: any(
            self.cluster.status(node)["state"] == "leader" for node in self.others(old)))

    def lag(self, leader, node):
        return next(peer.get("lag", 0) for peer in self.cluster.status(leader)["cluster"]["peers"] if peer["id"] == node)

    def heals(self, load):
        """Everything is as it was before, and within a time that people would wait."""
        began = time.monotonic()
        self.network.heal()
        self.cluster.leader()
        load.go_on()
        self.assertLess(time.monotonic() - began, 20)

    def test_a_leader_whose_packets_are_lost_is_replaced(self):
        """All of them, then those it sends, then those it is sent."""
        cluster, network = self.begin()
        with Load(cluster) as load:
            for ways in ("both", "out", "in") if LONG else ("both",):
                leader = cluster.leader()
                for other in self.others(leader):
                    if ways != "in":
                        network.cut(leader, other, both_ways=ways == "both")
                    else:
                        network.cut(other, leader, both_ways=False)
                self.another_leads(leader)
                cluster.wait_for("the end of its readiness", lambda: not cluster.is_ready(leader))
                load.go_on()
                self.heals(load)
            load.check()

    def test_a_follower_that_the_leader_alone_does_not_reach_unsettles_nobody(self):
        cluster, network = self.begin()
        with Load(cluster) as load:
            leader = cluster.leader()
            view = cluster.status(leader)["view"]
            follower = leader % 3 + 1
            network.cut(leader, follower)
            cluster.wait_for("its missing the leader", lambda: not cluster.is_ready(follower))
            time.sleep(1)  # longer than any election timeout
            load.go_on()
            self.assertEqual(cluster.status(leader)["view"], view)
            self.heals(load)
            load.check()

    @long_only
    def test_cables_that_are_pulled_and_put_back(self):
        """Any of them, for a moment or for long; then all at once."""
        cluster, network = self.begin()
        chance = random.Random(7)
        with Load(cluster) as load:
            end = time.monotonic() + 40
            while time.monotonic() < end:
                node = chance.choice(sorted(cluster.addresses))
                network.unplug(node)
                time.sleep(chance.choice((0.05, 0.3, 1, 2.5)))
                network.plug(node)
                time.sleep(chance.choice((0.05, 0.3, 1)))
            self.heals(load)
            for node in cluster.addresses:
                network.unplug(node)
            self.assertTrue(load.is_silent(2))
            for node in cluster.addresses:
                network.plug(node)
            self.heals(load)
            load.check()

    def test_a_link_that_flaps(self):
        cluster, network = self.begin()
        with Load(cluster) as load:
            for number in range(40 if LONG else 8):
                leader = cluster.leader_of(1) or 1
                other = self.others(leader)[number % 2]
                network.cut(leader, other)
                time.sleep(0.25)
                network.heal()
                time.sleep(0.15)
            self.heals(load)
            load.check()

    @long_only
    def test_a_thin_cable_makes_nobody_else_slow(self):
        """Of a follower that takes hardly anything: the others acknowledge; it comes back when the cable does."""
        cluster, network = self.begin()
        with Load(cluster, readers=0) as load:
            leader = cluster.leader()
            follower = leader % 3 + 1
            network.limit(follower, "200kbit")
            cluster.wait_for("its falling behind", lambda: self.lag(leader, follower) > 100)
            before = len(load.acknowledged_at)
            time.sleep(5)
            moments = load.acknowledged_at[before:]
            self.assertLess(max(b - a for a, b in itertools.pairwise(moments)), 1.5)
            self.heals(load)
            cluster.wait_for("its catching up", lambda: self.lag(cluster.leader(), follower) < 100)
            leader = cluster.leader()
            network.limit(leader, "2mbit")
            load.go_on(100)
            self.heals(load)
            load.check()

    @long_only
    def test_of_five_the_three_that_hear_each_other_go_on(self):
        cluster, network = self.begin(5)
        with Load(cluster) as load:
            for _ in range(3):
                leader = cluster.leader()
                minority = [leader, leader % 5 + 1]
                majority = [node for node in cluster.addresses if node not in minority]
                for node in minority:
                    network.isolate(node, majority)
                cluster.wait_for("another leader", lambda: any(
                    cluster.status(node)["state"] == "leader" for node in majority))
                load.go_on()
                self.heals(load)
            load.check()


if __name__ == "__main__":
    namespaces.enter("net")
    unittest.main()
