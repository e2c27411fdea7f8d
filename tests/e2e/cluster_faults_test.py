"""Three real servers under load while something goes wrong: nothing acknowledged is lost, doubled or moved.

VERITY_E2E_LONG=1 repeats each case for a minute.
"""

import json
import os
import random
import signal
import subprocess
import time
import unittest

from cluster import Cluster
from harness import LONG, TestCase
from links import Links
from load import Load


def rounds(short=2):
    """So many times, or for a minute."""
    end = time.monotonic() + 60
    number = 0
    while time.monotonic() < end if LONG else number < short:
        number += 1
        yield number


class Faults(TestCase):
    def begin(self, relayed=False, **more):
        self.cluster = Cluster(self, **more)
        if relayed:
            self.links = Links(self.cluster.addresses)
            self.addCleanup(self.links.close)
            self.cluster.links = self.links
        self.cluster.start_all()
        return self.cluster

    def others(self, node):
        return [other for other in self.cluster.addresses if other != node]

    def test_leader_and_followers_are_killed(self):
        cluster = self.begin()
        with Load(cluster) as load:
            for number in rounds():
                node = cluster.leader()
                if number % 2 == 0:
                    node = random.choice(self.others(node))
                cluster.kill(node)
                load.go_on()
                cluster.start(node)
                cluster.leader()
            load.check()

    def test_what_a_leader_does_not_answer_is_asked_of_the_next(self):
        """Without any key of the client's: the node it talks to knows what became of it, and does it once."""
        cluster = self.begin()
        leader = cluster.leader()
        follower, other = self.others(leader)
        body = json.dumps([{"type": "asked", "data": 1}])
        headers = {"Content-Type": "application/json"}
        cluster.nodes[follower].request("POST", "/v1/tenants/default/streams/asked/events", body, headers)
        stopped = cluster.nodes[leader].process
        stopped.send_signal(signal.SIGSTOP)
        try:
            answers = [cluster.nodes[node].request("POST", "/v1/tenants/default/streams/asked/events", body, headers)
                       for node in (follower, other)]
        finally:
            stopped.send_signal(signal.SIGCONT)
        self.assertEqual([status for status, _, _ in answers], [201, 201], answers)
        self.assertFalse(any("Idempotent-Replayed" in headers for _, headers, _ in answers))
        cluster.wait_for("one cluster again", lambda: all(cluster.is_ready(node) for node in cluster.addresses))
        _, _, text = cluster.nodes[leader].request("GET", "/v1/tenants/default/streams/asked/events")
        self.assertEqual(len(json.loads(text)["events"]), 3)

    def test_all_are_killed_at_once(self):
        cluster = self.begin()
        with Load(cluster) as load:
            for _ in rounds():
                for server in cluster.nodes.values():
                    server.process.send_signal(signal.SIGKILL)
                for node in cluster.addresses:
                    cluster.kill(node)
                for node in cluster.addresses:
                    cluster.start(node)
                load.go_on()
            cluster.leader()
            load.check()

    def test_a_leader_that_stands_still_is_replaced_and_follows_when_it_goes_on(self):
        cluster = self.begin()
        with Load(cluster) as load:
            for _ in rounds(1):
                leader = cluster.leader()
                stopped = cluster.nodes.pop(leader)
                stopped.process.send_signal(signal.SIGSTOP)
                try:
                    load.go_on()
                finally:
                    stopped.process.send_signal(signal.SIGCONT)
                cluster.nodes[leader] = stopped
                self.assertNotEqual(cluster.leader(), leader)
                load.go_on()
            load.check()

    def test_each_is_stopped_and_started_and_nobody_is_refused(self):
        cluster = self.begin()
        with Load(cluster) as load:
            for _ in rounds(1):
                leader = cluster.leader()
                for node in [*self.others(leader), leader]:
                    stopping = cluster.nodes.pop(node)
                    self.assertEqual(stopping.stop(signal.SIGTERM), 0)
                    load.go_on()
                    cluster.start(node)
                    cluster.leader()
            load.check()
            load.refused.pop("not_ready", None)  # of a node that is being started: the next one takes it
            self.assertEqual(load.refused, {})

    def test_a_leader_that_is_cut_off_is_replaced(self):
        cluster = self.begin(relayed=True)
        with Load(cluster) as load:
            for _ in rounds(1):
                leader = cluster.leader()
                self.links.isolate(leader, self.others(leader))
                cluster.wait_for("another leader", lambda: any(
                    cluster.status(node)["state"] == "leader" for node in self.others(leader)))
                cluster.wait_for("the end of its readiness", lambda: not cluster.is_ready(leader))
                load.go_on()
                self.links.heal()
                cluster.leader()
            load.check()

    def test_a_leader_that_is_not_heard_and_one_that_hears_nobody_are_replaced(self):
        cluster = self.begin(relayed=True)
        with Load(cluster) as load:
            for number in rounds():
                leader = cluster.leader()
                for other in self.others(leader):
                    ways = (leader, other) if number % 2 == 1 else (other, leader)
                    self.links.cut(*ways, both_ways=False)
                cluster.wait_for("another leader", lambda: any(
                    cluster.status(node)["state"] == "leader" for node in self.others(leader)))
                load.go_on()
                self.links.heal()
                cluster.leader()
            load.check()

    def test_a_link_between_two_followers_matters_to_nobody(self):
        cluster = self.begin(relayed=True)
        with Load(cluster) as load:
            leader = cluster.leader()
            view = cluster.status(leader)["view"]
            self.links.cut(*self.others(leader))
            time.sleep(1.5)  # longer than any election timeout
            load.go_on()
            self.links.heal()
            self.assertEqual(cluster.status(leader)["view"], view)
            load.check()

    def test_slow_links_are_only_slow(self):
        cluster = self.begin(relayed=True)
        with Load(cluster) as load:
            self.links.delay = 0.04
            load.go_on(40)
            leader = cluster.leader()
            cluster.kill(leader)
            load.go_on()
            cluster.start(leader)
            cluster.leader()
            load.check()

    def test_without_a_majority_nothing_is_acknowledged_until_there_is_one(self):
        cluster = self.begin(relayed=True)
        with Load(cluster) as load:
            for node in cluster.addresses:
                self.links.isolate(node, self.others(node))
            self.assertTrue(load.is_silent(1.5))
            self.links.heal()
            load.go_on()
            cluster.leader()
            load.check()


if __name__ == "__main__":
    unittest.main()
