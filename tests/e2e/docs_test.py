"""What the documents list is what the servers print."""

import json
import pathlib
import re
import unittest

from cluster import Cluster
from harness import TestCase

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def rows(text):
    """Of all tables: what stands in backticks in the first column, and the cells behind it."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and (names := re.findall(r"`([^`]*)`", cells[0])):
            yield names, cells[1:]


def fields_of(value, prefix=""):
    """Of JSON, as docs/http.md names them: `cluster.peers[].id`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{prefix}.{key}" if prefix else key
            yield from fields_of(inner, name)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for inner in value:
            yield from fields_of(inner, prefix + "[]")
    else:
        yield prefix


class Documents(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self)
        self.leader = self.cluster.start_all()
        self.cluster.append(1)

    def test_every_metric_is_in_the_table(self):
        printed = self.cluster.nodes[self.leader].request("GET", "/metrics")[2]
        types = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", printed))
        documented = {}
        for (name, *_), (kind, *_) in rows((DOCS / "metrics.md").read_text()):
            name, _, labels = name.partition("{")
            self.assertNotIn(name, documented)
            documented[name] = kind
            sample = re.search(rf"(?m)^{name}\{{([^}}]*)\}}", printed)
            if sample:  # labels that are documented are those that are printed
                self.assertEqual(",".join(re.findall(r"(\w+)=", sample[1])).replace("le", ""), labels.strip("}"), name)
        self.assertEqual(documented, types)

    def test_every_field_and_state_of_the_status_is_in_the_table(self):
        text = (DOCS / "http.md").read_text().partition("\n## The status\n")[2].partition("\n## ")[0]
        documented = {name for names, _ in rows(text) for name in names}
        node = self.cluster.nodes[self.leader]
        self.cluster.wait_for("word of the others", lambda: all(
            "view" in peer for peer in self.cluster.status(self.leader)["cluster"]["peers"]))
        printed = set(fields_of(json.loads(node.request("GET", "/status")[2])))
        self.assertGreater(len(printed), 20)
        self.assertEqual(printed - documented, set())
        states = {node_state for node in (1, 2, 3) for node_state in (self.cluster.status(node)["state"],)}
        self.assertEqual(states - documented, set())


if __name__ == "__main__":
    unittest.main()
