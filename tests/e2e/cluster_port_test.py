"""The cluster port of a real leader hears frames that are wrong, and peers that lie: each is refused by name, and the cluster
goes on as if nothing had been said."""

import http.client
import json
import os
import random
import re
import socket
import struct
import threading
import time
import unittest

import frames
from cluster import Cluster
from harness import TestCase, long_only

PREPARE_OK = 17


class Port(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        self.leader = self.cluster.start_all()
        status = self.cluster.status(self.leader)
        self.about = bytes.fromhex(status["cluster_id"]), bytes.fromhex(status["epoch"])
        self.cluster.append(2)

    def dial(self):
        return frames.Connection(self.cluster.addresses[self.leader])

    def said(self, *words):
        """In the leader's log, in one line."""
        def is_said():
            return any(all(word in json.dumps(line) for word in words) for line in self.cluster.nodes[self.leader].log())
        self.cluster.wait_for(f"the words {words}", is_said)

    def failures(self):
        metrics = self.cluster.nodes[self.leader].request("GET", "/metrics")[2]
        return int(re.search(r"(?m)^verity_peer_handshake_failures_total (\d+)", metrics)[1])

    def still_well(self):
        cluster = self.cluster
        self.assertEqual(cluster.leader(), self.leader)
        cluster.append(2)
        cluster.check_history()

    def test_frames_that_are_none_end_their_connection(self):
        good = frames.frame(frames.HELLO, frames.hello(7, *self.about))
        flipped = bytearray(good)
        flipped[60] ^= 1
        # One line of a kind, and how many more there were: the log is not theirs to fill.
        cases = {
            "version": frames.frame(frames.HELLO, frames.hello(7, *self.about), version=9),
            "17825792": frames.frame(frames.HELLO, b"", payload_bytes=17 << 20),
            "checksum": bytes(flipped),
        }
        for word, data in cases.items():
            with self.subTest(word), self.dial() as connection:
                connection.send(data)
                self.assertTrue(connection.is_ended())
                self.said("Connection on the cluster port failed", word)
        before = self.failures()
        others = [b"GET / HTTP/1.1\r\n\r\n" + bytes(100), *(good[:size] for size in (1, 39, 40, len(good) - 1))]
        for data in others:
            with self.subTest(data=data), self.dial() as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                self.assertTrue(connection.is_ended())
        self.cluster.wait_for("their being counted", lambda: self.failures() == before + len(others))
        self.still_well()

    def test_a_peer_that_lies_about_itself_is_refused(self):
        cluster_id, epoch = self.about
        other = self.leader % 3 + 1
        cases = {
            9: (self.leader, cluster_id, epoch),
            10: (other, cluster_id, epoch),
            7: (8, cluster_id, epoch),
            3: (5, os.urandom(16), os.urandom(16)),
            4: (5, cluster_id, os.urandom(16)),
        }
        for code, about in cases.items():
            with self.subTest(code), self.dial() as connection:
                refusal = connection.greet(*about)
                self.assertIsNotNone(refusal)
                self.assertEqual(refusal[0], code, refusal)
                self.assertTrue(connection.is_ended())
        with self.dial() as connection:
            self.assertEqual(connection.greet(5, *self.about, name="staging")[0], 2)
        self.still_well()

    def test_whoever_has_no_vote_makes_no_majority(self):
        """Under the number of a member that is away, with a disk that nobody knows, it acknowledges everything."""
        cluster, leader = self.cluster, self.leader
        followers = [node for node in (1, 2, 3) if node != leader]
        view = cluster.status(leader)["view"]
        head = cluster.status(leader)["durable_position"]
        cluster.kill(followers[1])

        def take_its_place():  # there are two lanes to be given up
            liar = self.dial()
            if liar.greet(followers[1], *self.about) is None:
                return liar
            return liar.__exit__(None, None, None)

        with cluster.wait_for("its place to be free", take_its_place) as liar:
            cluster.kill(followers[0])
            committed = cluster.status(leader)["commit_index"]
            answers = []
            asking = [threading.Thread(target=self.ask, args=(answers, *request)) for request in (
                ("POST", "/v1/tenants/default/streams/lied/events", '[{"type":"t","data":1}]'),
                ("GET", "/v1/tenants/default/streams/notes/events"))]
            for thread in asking:
                thread.start()
            for _ in range(100):
                time.sleep(0.02)
                for position in range(head, head + 4):
                    for round_number in range(0, 60, 7):
                        liar.say(PREPARE_OK, struct.pack("<HQQ", 1, view, position) + bytes(32) +
                                 struct.pack("<QQQ", position, round_number, 0))
            for thread in asking:
                thread.join()
            self.assertEqual([answer for answer in answers if answer < 500], [])
            self.assertEqual(cluster.status(leader)["commit_index"], committed)
            self.assertFalse(cluster.is_ready(leader))
        for node in followers:
            cluster.start(node)
        cluster.leader()
        cluster.append(2)

    def ask(self, answers, method, path, body=None):
        connection = http.client.HTTPConnection(self.cluster.nodes[self.leader].address, timeout=3)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answers.append(connection.getresponse().status)
        except OSError:
            pass  # no answer yet
        connection.close()

    @long_only
    def test_an_append_that_no_majority_takes_is_answered_in_time(self):
        for node in [node for node in (1, 2, 3) if node != self.leader]:
            self.cluster.kill(node)
        began = time.monotonic()
        status, _, body = self.cluster.nodes[self.leader].request(
            "POST", "/v1/tenants/default/streams/notes/events", '[{"type":"t","data":1}]', {"Content-Type": "application/json"})
        self.assertEqual((status, json.loads(body)["code"]), (503, "outcome_unknown"))
        self.assertLess(time.monotonic() - began, 25)

    def test_nonsense_of_a_peer_that_was_let_in_ends_its_connection_only(self):
        chance = random.Random(5)
        for number in range(20):
            with self.dial() as connection:
                self.assertIsNone(connection.greet(5, *self.about, incarnation=bytes(range(16)), boot=number + 1))
                for _ in range(chance.randrange(1, 5)):
                    # Frames that are right, with messages that are none.
                    connection.say(chance.choice((16, 17, 18, 20, 21, 25, 28, 66, 68, 80, 81, 96, 999)),
                                   chance.randbytes(chance.randrange(200)))
                if number % 2 == 0:
                    connection.send(chance.randbytes(200))
                    self.assertTrue(connection.is_ended())
        self.still_well()

    def test_what_was_said_once_cannot_be_said_again(self):
        """A connection of a member is recorded, and played back to the same node."""
        cluster = self.cluster
        recording = self.record_a_dialler()
        for _ in range(3):
            with self.dial() as connection:
                connection.send(recording)
                self.assertTrue(connection.is_ended())
        self.still_well()

    def record_a_dialler(self):
        """What a follower says first when it dials the leader: it is started again with an address of ours in its list."""
        cluster, leader = self.cluster, self.leader
        follower = next(node for node in (1, 2, 3) if node != leader)
        cluster.kill(follower)
        listener = socket.create_server(("127.0.0.1", 0))
        heard = []

        def relay():
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                host, port = cluster.addresses[leader].rsplit(":", 1)
                far = socket.create_connection((host, int(port)))
                threading.Thread(target=pass_on, args=(near, far, heard), daemon=True).start()
                threading.Thread(target=pass_on, args=(far, near, None), daemon=True).start()
        threading.Thread(target=relay, daemon=True).start()
        real = cluster.addresses[leader]
        cluster.addresses[leader] = "127.0.0.1:%d" % listener.getsockname()[1]
        cluster.start(follower)
        cluster.addresses[leader] = real
        cluster.wait_for("its being back", lambda: cluster.is_ready(follower))
        cluster.append(3)
        listener.close()
        longest = max((part for part in heard), key=len, default=b"")
        if not longest:
            self.skipTest("the leader dialled first")
        return bytes(longest)


def pass_on(source, sink, heard):
    whole = bytearray()
    if heard is not None:
        heard.append(whole)
    try:
        while data := source.recv(65536):
            whole += data
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        end.close()


if __name__ == "__main__":
    unittest.main()
