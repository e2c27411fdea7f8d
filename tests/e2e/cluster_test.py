"""Three real servers on loopback: founding, the death of a leader, a wiped disk."""

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from cluster import Cluster
from harness import ADMIN, PATIENCE, TestCase, run

class Founding(TestCase):
    def test_three_nodes_found_a_cluster_in_any_order(self):
        for order in ((1, 2, 3), (3, 1, 2)):
            with self.subTest(order=order):
                self.folder = self.folder / "".join(map(str, order))
                cluster = Cluster(self)
                for node in order[:-1]:
                    cluster.start(node)
                first = cluster.nodes[order[0]]
                self.assertEqual(first.request("GET", "/health/live")[0], 200)
                missing = cluster.addresses[order[-1]]
                cluster.wait_for("a word about who is missing", lambda: missing in cluster.status(order[0])["reason"])
                status, _, body = first.request("GET", "/health/ready")
                self.assertEqual(status, 503)
                self.assertIn("waiting for a connection with ", body)
                self.assertIn(missing, body)
                self.assertEqual(cluster.status(order[0])["state"], "starting")
                self.assertEqual(first.request("GET", "/v1/tenants")[0], 503)
                cluster.start(order[-1])
                leader = cluster.leader()
                cluster.append(3)
                cluster.check_history()
                ids = {cluster.status(node)["cluster_id"] for node in order}
                self.assertEqual(len(ids), 1)
                followers = [(node, "follower") for node in sorted(set(order) - {leader})]
                # They say it themselves, within a second.
                cluster.wait_for("two followers", lambda: followers == sorted(
                    (peer["id"], peer["state"]) for peer in cluster.status(leader)["cluster"]["peers"]))
                for node in order:
                    cluster.kill(node)

    def test_a_wrong_size_is_refused_afterwards(self):
        cluster = Cluster(self)
        cluster.start_all()
        cluster.kill(1)
        alone = self.start(data_dir=cluster.data_dir(1))
        self.assertEqual(alone.wait_exit(), 1)
        self.assertIn("belongs to a cluster of 3", alone.messages()[-1] + alone.messages()[-2])


    def test_the_admin_tool_sees_it(self):
        cluster = Cluster(self)
        for node in (1, 2):
            cluster.start(node)
        waiting = cluster.nodes[1].admin("cluster", "wait-healthy", "--timeout", "1")
        self.assertEqual(waiting.returncode, 1)
        self.assertIn(f"waiting for a connection with {cluster.addresses[3]}", waiting.stderr)
        every = ",".join(cluster.addresses.values())
        ping = cluster.nodes[1].admin("cluster", "ping", "--peers", every)
        self.assertEqual(ping.returncode, 1)
        self.assertRegex(ping.stdout, cluster.addresses[3] + " +Connection refused")
        cluster.start(3)
        for node in (1, 2, 3):
            self.assertFine(cluster.nodes[node].admin("cluster", "wait-healthy"))
            lines = self.assertFine(cluster.nodes[node].admin("cluster", "status")).stdout.splitlines()
            self.assertEqual(lines[0].split(), ["id", "address", "state", "view", "commit", "applied", "lag", "last_seen", "release", "disk_free"])
            self.assertEqual(sorted(line.split()[:2] for line in lines[1:]),
                             [[str(id), address] for id, address in cluster.addresses.items()])
            self.assertEqual(cluster.nodes[node].admin("node", "status").stdout.splitlines()[1].split()[:2],
                             [str(node), cluster.addresses[node]])
            status = json.loads(self.assertFine(cluster.nodes[node].admin("--json", "cluster", "status")).stdout)
            self.assertEqual(status["node_id"], node)
        ping = json.loads(self.assertFine(cluster.nodes[1].admin("--json", "cluster", "ping", "--peers", every)).stdout)
        self.assertEqual([(row["node"], row["connected"]) for row in ping], [(1, True), (2, True), (3, True)])
        self.assertFine(cluster.nodes[1].admin("cluster", "ping"))
        self.assertEqual(cluster.nodes[1].admin("cluster", "ping", "--peers", ",").returncode, 2)
        clients_port = cluster.nodes[1].admin("cluster", "ping", "--peers", cluster.nodes[2].address)
        self.assertEqual((clients_port.returncode, "no cluster port" in clients_port.stdout), (1, True), clients_port.stdout)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            silent = cluster.nodes[1].admin("cluster", "ping", "--peers", f"127.0.0.1:{mute.getsockname()[1]}")
        self.assertEqual((silent.returncode, "timeout" in silent.stdout), (1, True), silent.stdout)
        for node in (1, 2, 3):  # nobody was disturbed by that
            self.assertFalse([line for line in cluster.nodes[node].log() if "Refused" in line["message"]])


class Failing(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        for node in (1, 2, 3):
            self.cluster.start(node)

    def test_a_leader_dies_and_comes_back(self):
        cluster = self.cluster
        old = cluster.leader()
        cluster.append(10)
        cluster.kill(old)
        began = time.monotonic()
        cluster.append(1)
        self.assertLess(time.monotonic() - began, 15)
        new = cluster.leader()
        self.assertNotEqual(new, old)
        cluster.append(10)
        peer = next(p for p in cluster.status(new)["cluster"]["peers"] if p["id"] == old)
        self.assertEqual(peer["state"], "unreachable")
        metrics = cluster.nodes[new].request("GET", "/metrics")[2]
        self.assertIn(f'verity_peer_connected{{peer="{cluster.addresses[old]}"}} 0', metrics)
        self.assertRegex(metrics, r"\nverity_peer_messages_dropped_total [1-9]")
        self.assertRegex(metrics, r"\nverity_consensus_view [1-9]")
        self.assertRegex(metrics, r"\nverity_consensus_duration_seconds_count [1-9]")
        for counted in ("connect_failures_total", "connections_lost_total{lane=\"control\"}",
                        "sent_bytes_total{lane=\"control\"}", "received_messages_total{lane=\"control\"}"):
            self.assertRegex(metrics, rf"\nverity_peer_{re.escape(counted)} [1-9]")
        if shutil.which("promtool"):
            check = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True,
                                   timeout=PATIENCE)
            self.assertEqual((check.returncode, check.stdout, check.stderr), (0, "", ""))
        cluster.start(old)
        cluster.check_history()
        self.assertEqual(cluster.leader(), new)
        self.assertEqual(cluster.status(old)["state"], "follower")
        for node in (1, 2, 3):
            self.assertFine(run(ADMIN, "log", "verify", "--data-dir", str(cluster.data_dir(node))))

    def test_every_node_takes_every_request(self):
        cluster = self.cluster
        leader = cluster.leader()
        follower = cluster.nodes[leader % 3 + 1]
        json_type = {"Content-Type": "application/json"}
        status, _, body = follower.request("PUT", "/v1/tenants/acme")
        if status == 503:  # the answer was lost while the nodes still made their connections: it may have been done
            status, _, body = follower.request("PUT", "/v1/tenants/acme")
            self.assertIn(status, (201, 409), body)
        else:
            self.assertEqual(status, 201, body)
        self.assertEqual(follower.request("GET", "/v1/tenants/acme")[0], 200)
        self.assertEqual(follower.request("PUT", "/v1/tenants/acme")[0], 409)
        path = "/v1/tenants/acme/streams/notes/events"
        event = '[{"type":"t","data":{"kept":  7.0},"metadata":{"m":1},"id":"i","subject":"s"}]'
        for key in ("k", "k"):
            status, headers, body = follower.request("POST", path, event, json_type | {"Idempotency-Key": key})
            self.assertEqual(status, 201, body)
            self.assertEqual(json.loads(body)["first_revision"], 0)
        self.assertEqual(headers.get("Idempotent-Replayed"), "true")
        large = json.dumps([{"type": "t", "data": "x" * 900_000}])
        answers = []  # a busy machine may be slow enough for another leader

        def taken():
            answers.append(follower.request("POST", path, large, json_type | {"Idempotency-Key": "large"}))
            return answers[-1][0] == 201 or self.assertEqual(answers[-1][0], 503, answers[-1][2])
        cluster.wait_for("the acknowledgement of a large event", taken)
        for consistency in ("linearizable", "leader"):  # what was acknowledged is seen, whoever is asked
            status, _, body = follower.request("GET", f"{path}?consistency={consistency}&direction=backward&limit=2")
            self.assertEqual(status, 200, body)
            self.assertEqual(json.loads(body)["head"]["revision"], 1)
        position = json.loads(answers[-1][2])["position"]
        for node in cluster.nodes.values():  # also by whoever is behind
            status, _, body = node.request("GET", f"{path}?consistency=stale&direction=backward&at_least={position}")
            self.assertEqual((status, json.loads(body)["events"][0]["position"]), (200, position))
        status, headers, body = follower.request("GET", f"{path}?consistency=stale&at_least={position + 1000}")
        self.assertEqual((status, json.loads(body)["code"]), (503, "not_ready"))
        self.assertRegex(json.loads(body)["detail"], rf"this node is behind: .* position {position + 1000} was asked for")
        self.assertIn("Retry-After", headers)
        status, _, body = follower.request("GET", f"{path}?at_least=soon")
        self.assertEqual(status, 400)
        self.assertIn('the query parameter at_least is "soon"', json.loads(body)["detail"])
        status, _, body = follower.request("GET", f"{path}?direction=backward&limit=2")
        first = json.loads(body)["events"][1]
        self.assertEqual([first[k] for k in ("metadata", "id", "subject")], [{"m": 1}, "i", "s"])
        self.assertIn('{"kept":  7.0}', body)
        status, _, body = follower.request("POST", path, event, json_type | {"Expected-Revision": "none"})
        self.assertEqual((status, json.loads(body)["failed_expectations"]),
                         (409, [{"stream": "notes", "expected": "none", "actual": 1}]))
        self.assertEqual(follower.request("DELETE", "/v1/tenants/acme")[0], 200)
        metrics = follower.request("GET", "/metrics")[2]
        self.assertRegex(metrics, r"\nverity_requests_forwarded_total [1-9]")
        # The node that the client asked has the time of it, with the way to the leader; the leader does not count it again.
        self.assertRegex(metrics, r"\nverity_write_duration_seconds_count [1-9]")
        if cluster.leader() == leader:
            self.assertIn("\nverity_write_duration_seconds_count 0\n", cluster.nodes[leader].request("GET", "/metrics")[2])
        self.assertRegex(metrics, r"\nverity_consensus_leader [123]\n")

    def test_a_subscription_on_a_follower_misses_nothing_when_the_leader_dies(self):
        cluster = self.cluster
        leader = cluster.leader()
        cluster.append(3)
        follower = cluster.nodes[leader % 3 + 1]
        seen = []

        def follow():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                for line in answer:
                    if line.startswith(b"data: "):
                        seen.append(json.loads(line[6:])["data"]["n"])

        def subscribe():
            connection = http.client.HTTPConnection(follower.address, timeout=PATIENCE)
            connection.request("GET", "/v1/tenants/default/streams/notes/subscribe")
            answer = connection.getresponse()
            if answer.status == 200:
                return connection, answer
            body = answer.read()
            connection.close()
            return self.assertEqual(answer.status, 503, body)  # a busy machine may be slow enough for another leader

        connection, answer = cluster.wait_for("a subscription", subscribe)
        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        cluster.append(3)
        cluster.kill(leader)
        cluster.append(3)
        history = cluster.wait_for("nine events", lambda: len(found := cluster.events(leader % 3 + 1)) >= 9 and found)
        cluster.wait_for("the end of the subscription", lambda: len(seen) >= 9)
        self.assertEqual(seen, [n for _, _, n in history])
        follower.kill()
        reader.join(PATIENCE)
        connection.close()

    def test_without_a_majority_nothing_is_acknowledged(self):
        cluster = self.cluster
        leader = cluster.leader()
        cluster.append(1)
        for node in {1, 2, 3} - {leader}:
            cluster.kill(node)
        cluster.wait_for("the end of readiness", lambda: not cluster.is_ready(leader))
        status, _, body = cluster.nodes[leader].request(
            "POST", "/v1/tenants/default/streams/notes/events", '[{"type":"t","data":1}]',
            {"Content-Type": "application/json"})
        self.assertEqual((status, json.loads(body)["code"]), (503, "not_leader"))
        self.assertEqual(len(cluster.events(leader)), 1)  # stale reads go on
        status, _, body = cluster.nodes[leader].request("GET", "/v1/tenants/default/streams/notes/events")
        self.assertEqual(status, 503)

    def test_a_member_that_is_only_read_shows_what_it_has_to_whoever_wants_that(self):
        follower = next(node for node in self.cluster.nodes if node != self.cluster.leader())
        self.cluster.append(1)
        self.cluster.wait_for("it on the follower", lambda: len(self.cluster.events(follower)) == 1)
        self.assertEqual(self.cluster.nodes.pop(follower).stop(), 0)
        body, headers = '{"type":"noted","data":{}}', {"Content-Type": "application/json"}
        path = "/v1/tenants/default/streams/later/events"
        self.cluster.wait_for("an append", lambda: self.cluster.nodes[self.cluster.leader()].request(
            "POST", path, body, headers)[0] == 201)
        reader = self.ready("--node-id", str(follower), "--read-only", data_dir=self.cluster.data_dir(follower))
        for asked in (path, path + "?consistency=leader", "/v1/head", "/v1/tenants/default", "/v1/tenants",
                      "/v1/proofs/inclusion?position=1"):
            status, _, text = reader.request("GET", asked)
            self.assertEqual((status, json.loads(text)["code"]), (503, "read_only"), asked)
            self.assertIn("only consistency=stale is answered", json.loads(text)["detail"])
        old = reader.request("GET", "/v1/tenants/default/streams/notes/events?consistency=stale")
        self.assertEqual((old[0], len(json.loads(old[2])["events"])), (200, 1))
        self.assertEqual(reader.request("GET", "/v1/head?consistency=stale")[0], 200)

    def test_a_wiped_follower_comes_back_by_itself(self):
        cluster = self.cluster
        leader = cluster.leader()
        cluster.append(1)
        follower = leader % 3 + 1
        cluster.kill(follower)
        shutil.rmtree(cluster.data_dir(follower))
        cluster.start(follower)
        cluster.append(1)
        cluster.wait_for("the wiped node", lambda: cluster.is_ready(follower))
        cluster.check_history()


if __name__ == "__main__":
    unittest.main()
