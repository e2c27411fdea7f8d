"""A majority of a cluster is destroyed: one member goes on alone with --force-recover, and the others come back."""

import json
import shutil
import unittest

from cluster import Cluster
from harness import ADMIN, TestCase, run


class Recovering(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        self.cluster.start_all()
        self.cluster.append(5)

    def ends(self, server, *words):
        """It refuses to start, and says these words."""
        self.assertEqual(server.wait_exit(), 1)
        reason = next(m for m in server.messages() if m.startswith("Could not start"))
        for word in words:
            self.assertIn(word, reason)

    def test_it_is_refused_while_a_majority_answers(self):
        cluster = self.cluster
        cluster.kill(2)
        self.ends(cluster.start_forced(2), "--force-recover is refused", "a majority is alive (1, 2, 3")
        cluster.append(1)
        cluster.kill(1)
        self.ends(cluster.start_forced(2), "a majority is alive (2, 3")
        cluster.start(2)
        cluster.leader()
        cluster.append(1)
        status = cluster.status(2)
        self.assertNotIn("force_recovered", status)

    def test_a_node_alone_has_nothing_to_recover(self):
        folder = self.folder / "alone"
        self.start(data_dir=folder).wait_ready().kill()
        self.ends(self.start("--force-recover", data_dir=folder), "the only member of its cluster")
        self.ends(self.start("--force-recover", data_dir=self.folder / "new"), "the data directory is empty")

    def test_one_goes_on_alone_and_the_others_come_back(self):
        cluster = self.cluster
        cluster.check_history()
        epoch = cluster.status(2)["epoch"]
        for node in (1, 2, 3):
            cluster.kill(node)
        shutil.rmtree(cluster.data_dir(1))
        cluster.nodes[2] = cluster.start_forced(2).wait_ready()
        self.assertEqual(cluster.leader(), 2)
        status = cluster.status(2)
        self.assertEqual(status["cluster"]["members"], [2])
        self.assertNotEqual(status["epoch"], epoch)
        recovered = status["force_recovered"]
        self.assertEqual(recovered["epoch_before"], epoch)
        self.assertEqual(recovered["position"], recovered["kept_to"] + 1)
        report = (cluster.data_dir(2) / "meta" / "force-recover.txt").read_text().splitlines()
        self.assertEqual(report, recovered["report"])
        for line in report:
            cluster.nodes[2].wait_said(line)
        table = self.assertFine(cluster.nodes[2].admin("cluster", "status")).stdout
        self.assertIn("of these answered: none", table)
        cluster.check_history()
        cluster.append(3)
        self.assertFine(cluster.nodes[2].admin("cluster", "wait-healthy", "--timeout", "20"))

        # A member of the old epoch is refused by name, on both sides, and serves nothing.
        cluster.start(3)
        for node, other in ((2, 3), (3, 2)):
            cluster.wait_for("a word about the epochs", lambda n=node: any(
                "epoch" in line["fields"].get("reason", "") and f"node {other}" in line["fields"]["reason"]
                for line in cluster.nodes[n].log() if "refused" in line["message"].lower()))
        self.assertFalse(cluster.is_ready(3))
        cluster.kill(3)
        cluster.data_dir(3).rename(self.folder / "node3.abandoned")

        cluster.start(1)
        cluster.start(3)
        added = cluster.nodes[2].admin("cluster", "add", f"1={cluster.addresses[1]}", f"3={cluster.addresses[3]}")
        self.assertFine(added)
        for node in (1, 2, 3):
            self.assertFine(cluster.nodes[node].admin("cluster", "wait-healthy"))
        cluster.append(3)
        cluster.check_history()
        self.assertEqual({cluster.status(node)["epoch"] for node in (1, 2, 3)}, {status["epoch"]})
        for node in (1, 2, 3):
            cluster.kill(node)
            self.assertFine(run(ADMIN, "log", "verify", "--data-dir", str(cluster.data_dir(node))))

        # Left in a command line it does nothing, even if the others take longer to come up.
        epoch = status["epoch"]
        cluster.nodes[2] = cluster.start_forced(2).wait_listening()
        cluster.nodes[2].wait_said("--force-recover is ignored", f"--force-recover={epoch}")
        self.assertFalse(cluster.is_ready(2))
        cluster.start(1)
        cluster.leader()
        self.assertEqual(cluster.status(2)["epoch"], epoch)

        # But whoever names the epoch means it.
        cluster.kill(1)
        cluster.kill(2)
        cluster.nodes[2] = cluster.start_forced(2, f"--force-recover={epoch}").wait_ready()
        again = cluster.status(2)["force_recovered"]
        self.assertEqual(again["epoch_before"], epoch)
        cluster.kill(2)
        cluster.nodes[2] = cluster.start_forced(2, f"--force-recover={epoch}").wait_ready()
        self.assertEqual(cluster.status(2)["force_recovered"], again)

    def test_every_member_is_asked(self):
        cluster = Cluster(self, size=5)
        cluster.data_dir = lambda node: self.folder / f"five{node}"
        cluster.start_all()
        for node in cluster.addresses:
            cluster.kill(node)
        cluster.addresses = {node: cluster.addresses[node] for node in (1, 2, 3)}
        self.ends(cluster.start_forced(2), "name the addresses of all 4 other members")

    def test_an_old_copy_of_before_the_founding_is_refused(self):
        cluster = Cluster(self)
        cluster.data_dir = lambda node: self.folder / f"young{node}"
        cluster.start(3)
        cluster.wait_for("a state", lambda: (cluster.data_dir(3) / "meta" / "state.copy.json").exists())
        cluster.kill(3)
        copy = self.folder / "copy"
        shutil.copytree(cluster.data_dir(3), copy)
        cluster.start_all()
        cluster.append(3)
        cluster.check_history()
        cluster.kill(3)
        shutil.rmtree(cluster.data_dir(3))
        copy.rename(cluster.data_dir(3))
        self.ends(cluster.launch(3), "the other nodes know a later start of node 3")
        cluster.start(3)
        cluster.wait_for("its coming back", lambda: cluster.status(3)["state"] == "follower")
        cluster.check_history()

    def test_a_node_that_forgot_its_promises_comes_back(self):
        cluster = self.cluster
        members = json.loads((cluster.data_dir(2) / "meta" / "state.json").read_text())["founders"]
        for what, forget in (("bad", lambda path: path.write_bytes(b"?" * 8192)), ("missing", lambda path: path.unlink())):
            cluster.kill(2)
            log_bytes = (cluster.data_dir(2) / "log" / "current.segment").read_bytes()[:4096]
            for copy in ("state.json", "state.copy.json"):
                forget(cluster.data_dir(2) / "meta" / copy)
            cluster.append(2)
            cluster.start(2)
            cluster.wait_for(f"a member whose state was {what}", lambda: cluster.status(2)["state"] == "follower")
            self.assertFine(cluster.nodes[1].admin("cluster", "wait-healthy"))
            state = json.loads((cluster.data_dir(2) / "meta" / "state.json").read_text())
            self.assertNotIn(state["incarnation"], [member["incarnation"] for member in members])
            cluster.nodes[2].wait_said("goes on as another member")
            self.assertEqual((cluster.data_dir(2) / "log" / "current.segment").read_bytes()[:4096], log_bytes)
        cluster.append(2)
        cluster.check_history()

    def put_old_copy_back(self):
        """Of a node that follows, made before its last start; its number, and who leads."""
        cluster = self.cluster
        leader = cluster.leader()
        node = leader % 3 + 1
        self.assertEqual(cluster.nodes.pop(node).stop(), 0)
        copy = self.folder / "copy"
        shutil.copytree(cluster.data_dir(node), copy)
        cluster.start(node)
        cluster.append(3)
        cluster.wait_for("its being heard", lambda: cluster.status(node)["state"] == "follower")
        cluster.check_history()
        cluster.kill(node)
        shutil.rmtree(cluster.data_dir(node))
        copy.rename(cluster.data_dir(node))
        return node, leader

    def test_an_old_copy_does_not_go_on_alone(self):
        cluster = self.cluster
        node, _ = self.put_old_copy_back()
        # However often: what it counts are its starts, and the others remember one of them.
        for _ in range(3):
            self.ends(cluster.start_forced(node), "--force-recover is refused")
        state = json.loads((cluster.data_dir(node) / "meta" / "state.json").read_text())
        self.assertEqual((state["refounding"], state["outdated"]), (None, True))
        cluster.append(1)
        cluster.start(node)
        cluster.wait_for("its coming back", lambda: cluster.status(node)["state"] == "follower")
        cluster.check_history()

    def test_who_belongs_to_an_epoch_that_is_over_founds_none(self):
        cluster = self.cluster
        for node in (1, 2, 3):
            cluster.kill(node)
        cluster.nodes[2] = cluster.start_forced(2).wait_ready()
        self.ends(cluster.start_forced(3), "--force-recover is refused: node 2 is alive", "epoch", "set its data directory aside")

    def test_an_old_copy_of_a_data_directory_is_refused(self):
        cluster = self.cluster
        node, leader = self.put_old_copy_back()
        cluster.start(node)
        stale = cluster.nodes.pop(node)
        self.assertEqual(stale.wait_exit(), 1)
        self.assertTrue(any(f"the other nodes know a later start of node {node}" in m for m in stale.messages()))
        cluster.start(node)
        cluster.wait_for("its coming back", lambda: cluster.status(node)["state"] == "follower")
        self.assertFine(cluster.nodes[leader].admin("cluster", "wait-healthy"))
        cluster.append(2)
        cluster.check_history()


if __name__ == "__main__":
    unittest.main()
