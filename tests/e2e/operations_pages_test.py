"""The commands that docs/operations prints, run as they are printed, on machines with those names and folders. Every one of
them is run by one of the stories, or named below with the reason why not.

Takes root; else it says so and ends.
"""

import pathlib
import re
import shutil
import unittest

import namespaces
from harness import NEXT_SERVER, TestCase, long_only
from machines import Machines

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operations"
NOT_RUN = {
    "sudo systemctl stop verity": "there is no systemd here; the stories stop the process",
    "sudo systemctl start verity": "the same",
    "# Install the new version": "it is installed by the story",
}


def blocks(page):
    """The commands of each block of shell on that page."""
    text = (PAGES / page).read_text()
    return [[line.strip() for line in block.strip().splitlines()]
            for block in re.findall(r"(?ms)^ *```bash\n(.*?)^ *```", text)]


class Pages(TestCase):
    ran = set()

    def setUp(self):
        super().setUp()
        self.machines = Machines(self)

    def carry_out(self, line, node=1):
        """A printed line; a server's runs on the machine with that node id."""
        Pages.ran.add(line)
        if line.startswith("verity-server"):
            return self.machines.serve(int(re.search(r"--node-id (\d)", line)[1]), line)
        done = self.machines.run(node, line)
        self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}")
        return done.stdout

    def serve(self, node, others, more=""):
        """As the pages have it, for a machine they do not spell out."""
        peers = ",".join(f"node{other}:7001" for other in others)
        listed = f'--cluster-peers "{peers}" ' if others else ""
        return self.machines.serve(
            node, f"verity-server --node-id {node} {listed}--data-dir /var/lib/verity --config /etc/verity/config.toml{more}")

    def three(self):
        for node in (1, 2, 3):
            self.serve(node, [other for other in (1, 2, 3) if other != node])
        self.wait_healthy(1)
        self.append(1)

    def append(self, node):
        sent = self.machines.run(node, "verity-admin stream append default notes --type noted --data 1")
        self.assertEqual(sent.returncode, 0, sent.stdout + sent.stderr)

    def wait_healthy(self, node):
        return self.carry_out("verity-admin cluster wait-healthy", node)

    def test_growing(self):
        start, add, remove = blocks("growing.md")
        self.serve(1, [])
        for line in start + add:
            said = self.carry_out(line)
        self.assertTrue(said.endswith("done: the members are the nodes 1, 2, 3\n"), said)
        self.append(2)
        from_three_to_five = re.search(r"the same with `([^`]*)`", (PAGES / "growing.md").read_text())[1]
        for node in (4, 5):
            self.serve(node, [other for other in (1, 2, 3, 4, 5) if other != node])
        self.carry_out(f"verity-admin cluster add {from_three_to_five}")
        for line in remove:
            self.carry_out(line)
        for node in (4, 5):
            self.assertEqual(self.machines.servers.pop(node).wait_exit(), 1)

    def test_a_lost_disk(self):
        self.three()
        self.machines.power_off(2)
        shutil.rmtree(self.machines.data_dir(2))
        (start,) = blocks("lost-disk.md")
        for line in start:
            self.carry_out(line)
        self.wait_healthy(3)
        self.append(2)

    @long_only
    def test_a_majority_is_destroyed(self):
        verify, recover, again, let_in = blocks("force-recover.md")
        self.three()
        for node in (1, 2, 3):
            self.machines.power_off(node)
        for line in verify + recover:
            self.carry_out(line, node=2)
        self.machines.servers[2].wait_ready()
        for line in again:
            self.carry_out(line, node=1)
        self.machines.run(3, again[0])
        self.serve(3, [1, 2])
        for line in let_in:
            self.carry_out(line, node=2)
        self.append(3)

    @long_only
    def test_upgrading(self):
        one_after_another, activate = blocks("upgrading.md")
        self.three()
        self.machines.install(NEXT_SERVER)
        for node in (2, 3, 1):
            for line in one_after_another:
                if line == "sudo systemctl stop verity":
                    self.machines.stop(node)
                elif line == "sudo systemctl start verity":
                    self.serve(node, [other for other in (1, 2, 3) if other != node])
                elif line not in NOT_RUN:
                    self.carry_out(line, node)
        for line in activate:
            self.assertRegex(self.carry_out(line), r"^release 2 is active, by entry \d+\n$")

    @long_only
    def test_zz_every_printed_command_was_run(self):
        """Last, by its name."""
        printed = {line for page in PAGES.glob("*.md") for block in blocks(page.name) for line in block}
        self.assertEqual(printed - Pages.ran - set(NOT_RUN), set())


if __name__ == "__main__":
    namespaces.enter("net", "mount")
    unittest.main()
