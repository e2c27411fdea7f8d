"""verity-admin against a running server: what it prints, and how it fails."""

import http.server
import json
import subprocess
import threading
import unittest

from harness import ADMIN, PATIENCE, TestCase, clean_environment, run


def lines_of(count, first=0):
    return "".join(json.dumps({"type": "noted", "data": {"n": n}}) + "\n" for n in range(first, first + count))


# A leader with one follower that keeps up and last spoke of itself a second ago, and one that is gone.
STATUS = {"node_id": 1, "state": "leader", "view": 0, "commit_index": 50000, "applied_index": 50000, "leader": 1,
          "cluster": {"address": "node1:7001", "peers": [
              {"id": 2, "address": "node2:7001", "state": "follower", "connected": True, "view": 0, "commit_index": 40000,
               "applied_index": 40000, "lag": 3, "problem": "closed by the other side"},
              {"id": None, "address": "node3:7001", "state": "unreachable", "connected": False,
               "problem": "refused: connect: Connection refused"}]}}
REFUSAL = {"title": "Bad Request", "status": 400, "code": "invalid_request", "detail": "no such thing"}


class ScriptedNode(http.server.BaseHTTPRequestHandler):
    asked = []

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.asked.append(self.command + " " + self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, STATUS)

    def do_POST(self):
        self.answer(400, REFUSAL)

    def log_message(self, *arguments):
        pass


class Scripted(TestCase):
    """Answers that a real cluster does not give at will."""

    def setUp(self):
        super().setUp()
        server = http.server.HTTPServer(("127.0.0.1", 0), ScriptedNode)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = "127.0.0.1:%d" % server.server_address[1]

    def test_what_a_leader_knows_counts_for_more_than_an_old_report(self):
        table = self.assertFine(run(ADMIN, "--server", self.address, "cluster", "status")).stdout.splitlines()
        lag = table[0].split().index("lag")
        self.assertEqual([line.split()[lag] for line in table[1:3]], ["0", "3"])

    def test_why_a_node_is_unreachable_stands_below_the_table(self):
        text = self.assertFine(run(ADMIN, "--server", self.address, "cluster", "status")).stdout
        self.assertEqual(text.splitlines()[4:], ["the node at node3:7001: refused: connect: Connection refused"])
        self.assertNotIn("Connection refused",
                         self.assertFine(run(ADMIN, "--server", self.address, "node", "status")).stdout)

    def test_a_refused_change_is_asked_for_once(self):
        ScriptedNode.asked.clear()
        process = run(ADMIN, "--server", self.address, "cluster", "remove", "3")
        self.assertEqual((process.returncode, process.stderr), (1, "verity-admin: invalid_request: no such thing\n"))
        self.assertEqual(ScriptedNode.asked, ["POST /v1/cluster/members?remove=3"])


class Admin(TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.ready()

    def admin(self, *arguments, **options):
        return self.server.admin(*arguments, **options)

    def fine(self, *arguments, **options):
        return self.assertFine(self.admin(*arguments, **options)).stdout

    def failure(self, *arguments, code=1, **options):
        process = self.admin(*arguments, **options)
        self.assertEqual(process.returncode, code, process.stdout + process.stderr)
        return process.stderr

    # ---- the server

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([ADMIN, "--server", self.server.address, "status"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, env=clean_environment(), timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not all of the output could be written", done.stderr)

    def test_status_is_one_key_a_line(self):
        text = self.fine("status")
        for key in ("node_id: 1", "state: leader", "sync_mode: fsync", "syncing: false"):
            self.assertIn(key + "\n", text)
        self.assertRegex(text, r"(?m)^commit_index: \d+$")
        self.assertRegex(text, r"(?m)^applied_index: \d+$")
        self.assertEqual(json.loads(self.fine("status", "--json"))["state"], "leader")

    def test_node_status_is_a_table_with_one_line(self):
        names, line = self.fine("node", "status").splitlines()
        row = dict(zip(names.split(), line.split()))
        self.assertEqual({key: row[key] for key in ("id", "address", "state", "lag")},
                         {"id": "1", "address": self.server.address, "state": "leader", "lag": "0"})
        status = json.loads(self.fine("node", "status", "--json"))
        self.assertEqual((row["view"], row["commit"], row["applied"]),
                         tuple(str(status[key]) for key in ("view", "commit_index", "applied_index")))

    def test_nodes_that_cannot_be_are_wrong_use(self):
        for words in (("add", "foo"), ("add", "2"), ("add", "8=node8:7001"), ("add", "2=node2"), ("remove", "foo"),
                      ("remove", "8"), ("remove", "2=node2:7001")):
            self.assertIn("NODE", self.failure("cluster", *words, code=2), words)

    def test_unknown_commands_are_named_with_the_known_ones(self):
        for words, said in ((("frobnicate",), 'unknown command "frobnicate". Known: status, node, cluster, '),
                            (("statsu",), 'unknown command "statsu"; did you mean "status"? Known: '),
                            (("cluster", "sttaus"), 'unknown command "sttaus"; did you mean "status"? Known: status, ping'),
                            (("cluster",), "a command is missing. Known: status, ping, wait-healthy"),
                            ((), "a command is missing. Known: status, node, "),
                            (("projection", "status", "--tenant", "1"), '"projection" comes with a later version. Known: status'),
                            (("--server", "127.0.0.1:1", "foo", "status"), 'unknown command "foo". Known: status'),
                            (("cluster", "foo", "status"), 'unknown command "foo". Known: status, ping'),
                            (("tenant", "list", "all"), "not expected: all"),
                            (("tenant", "create"), "NAME is required")):
            self.assertIn(said, run(ADMIN, *words).stderr, words)
            self.assertEqual(run(ADMIN, *words).returncode, 2, words)

    def test_metrics_can_be_searched(self):
        self.assertRegex(self.fine("metrics"), r"(?m)^verity_log_entries_total \d+$")
        self.assertIn("verity_log_entries_total", json.loads(self.fine("metrics", "--json")))

    def test_head_moves_with_every_append(self):
        before = json.loads(self.fine("head", "--json"))
        self.fine("stream", "append", "default", "notes", "--type", "noted", "--data", "1")
        after = json.loads(self.fine("head", "--json"))
        self.assertEqual(after["position"], before["position"] + 1)
        self.assertNotEqual(after["hash"], before["hash"])
        self.assertIn(f"position: {after['position']}\n", self.fine("head"))

    def test_the_environment_names_the_server(self):
        self.assertFine(run(ADMIN, "status", env={"VERITY_SERVER": self.server.address}))
        path = self.config(f'[server]\nbind_address = "{self.server.address}"\n')
        self.assertFine(run(ADMIN, "status", "--config", path))

    # ---- tenants

    def test_tenants_come_and_go(self):
        self.assertEqual(self.fine("tenant", "create", "acme"), "tenant acme created\n")
        self.assertIn("acme", self.fine("tenant", "list"))
        self.assertIn("acme", [t["name"] for t in json.loads(self.fine("tenant", "list", "--json"))["tenants"]])
        self.assertIn("tenant_exists", self.failure("tenant", "create", "acme"))
        self.assertIn("repeat with --yes", self.failure("tenant", "delete", "acme", code=2))
        self.assertEqual(self.fine("tenant", "delete", "acme", "--yes"), "tenant acme deleted\n")
        self.assertNotIn("acme", self.fine("tenant", "list"))
        self.assertIn("tenant_not_found", self.failure("stream", "read", "acme", "notes"))
        self.assertIn("invalid_request", self.failure("tenant", "create", "No Such Name"))

    # ---- streams

    def test_one_event_keeps_its_bytes(self):
        data = '{ "amount":1.50, "big":123456789012345678901234567890 }'
        self.assertRegex(self.fine("stream", "append", "default", "ward 7", "--type", "moved", "--data", data,
                                   "--metadata", '{"by":"é"}', "--id", "a-1", "--subject", "patient 9"),
                         r"^appended revision 0 at position \d+, hash [0-9a-f]{64}\n$")
        line = self.fine("stream", "read", "default", "ward 7", "--json")
        self.assertIn(f'"data":{data}', line)
        event = json.loads(line)
        self.assertEqual((event["id"], event["subject"], event["metadata"]), ("a-1", "patient 9", {"by": "é"}))
        self.assertIn(data, self.fine("stream", "read", "default", "ward 7"))

    def test_data_comes_from_a_file_or_standard_input(self):
        path = self.folder / "data.json"
        path.write_text('{\n  "n": 1\n}\n')
        self.fine("stream", "append", "default", "notes", "--type", "noted", "--file", str(path))
        self.fine("stream", "append", "default", "notes", "--type", "noted", "--file", "-", stdin="[2]")
        self.assertEqual([json.loads(l)["data"] for l in self.fine("stream", "read", "default", "notes", "--json").splitlines()],
                         [{"n": 1}, [2]])

    def test_bad_data_never_leaves(self):
        self.assertIn("--data is not JSON", self.failure("stream", "append", "default", "notes", "--type", "x",
                                                         "--data", '1},{"type":"y"', code=2))
        self.assertIn("No such file", self.failure("stream", "append", "default", "notes", "--type", "x",
                                                   "--file", "/nowhere"))
        self.failure("stream", "append", "default", "notes", "--data", "1", code=2)
        nothing = self.admin("stream", "read", "default", "notes")
        self.assertEqual((nothing.returncode, nothing.stdout), (1, ""))
        self.assertIn("stream_not_found", nothing.stderr)

    def test_expectations(self):
        append = ("stream", "append", "default", "notes", "--type", "noted", "--expected-revision")
        self.fine(*append, "none")
        self.fine(*append, "0")
        self.assertIn("expectation_failed", self.failure(*append, "0"))
        self.assertEqual(len(self.fine("stream", "read", "default", "notes", "--json").splitlines()), 2)

    def test_many_lines_in_batches(self):
        output = self.fine("stream", "append", "default", "notes", "--batch", "100", "--expected-revision", "none",
                           stdin=lines_of(950) + "\n  \n")
        self.assertRegex(output, r"^appended 950 events as revisions 0 to 949, last position \d+\n$")
        path = self.folder / "events.ndjson"
        path.write_text(lines_of(50, first=950).rstrip("\n"))
        output = json.loads(self.fine("stream", "append", "default", "notes", "--file", str(path), "--json"))
        self.assertEqual((output["events"], output["first_revision"], output["last_revision"]), (50, 950, 999))
        events = [json.loads(line) for line in
                  self.fine("stream", "read", "default", "notes", "--json", "--limit", "2000").splitlines()]
        self.assertEqual([event["data"]["n"] for event in events], list(range(1000)))
        self.assertEqual(self.fine("stream", "append", "default", "notes", stdin=""), "appended 0 events\n")

    def test_lines_can_be_repeated_under_a_key(self):
        for _ in range(2):
            output = self.fine("stream", "append", "default", "notes", "--batch", "10", "--idempotency-key", "import-1",
                               stdin=lines_of(35))
            self.assertIn("appended 35 events as revisions 0 to 34", output)
        self.assertEqual(len(self.fine("stream", "read", "default", "notes", "--json").splitlines()), 35)

    def test_a_refused_batch_says_how_far_it_came(self):
        error = self.failure("stream", "append", "default", "notes", "--batch", "10",
                             stdin=lines_of(20) + "not an event\n" + lines_of(20))
        self.assertIn("begins at line 21; lines 1 to 20 are appended", error)
        self.assertEqual(len(self.fine("stream", "read", "default", "notes", "--json").splitlines()), 20)

    def test_reading_in_both_directions(self):
        self.fine("stream", "append", "default", "notes", stdin=lines_of(250))
        read = lambda *more: [json.loads(line)["revision"] for line in
                              self.fine("stream", "read", "default", "notes", "--json", *more).splitlines()]
        self.assertEqual(read(), list(range(100)))
        self.assertEqual(read("--from", "240"), list(range(240, 250)))
        self.assertEqual(read("--backward", "--limit", "3"), [249, 248, 247])
        self.assertEqual(read("--from", "2", "--backward"), [2, 1, 0])
        self.assertEqual(read("--limit", "250"), list(range(250)))
        self.assertIn("go on with --from", self.admin("stream", "read", "default", "notes").stderr)
        self.assertEqual(self.admin("stream", "read", "default", "notes", "--limit", "100").stderr, "")
        self.assertIn("from", self.failure("stream", "read", "default", "notes", "--from", "yesterday"))
        self.failure("stream", "read", "default", "notes", "--follow", "--backward", code=2)

    def follow(self, *arguments):
        process = subprocess.Popen([ADMIN, "--server", self.server.address, "stream", *arguments],
                                   env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def rest_of(self, process):
        """The revisions it still prints, until it ends by itself."""
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        revisions = [json.loads(line)["revision"] for line in process.stdout]
        timer.cancel()
        self.assertEqual(process.wait(PATIENCE), 0)
        return revisions

    def test_follow_and_tail_see_what_is_appended(self):
        self.fine("stream", "append", "default", "notes", stdin=lines_of(2))
        follower = self.follow("read", "default", "notes", "--follow", "--limit", "4", "--json")
        self.assertEqual(json.loads(follower.stdout.readline())["revision"], 0)
        tail = self.follow("tail", "default", "notes", "--from", "1", "--limit", "3", "--json")
        self.assertEqual(json.loads(tail.stdout.readline())["revision"], 1)
        self.fine("stream", "append", "default", "notes", stdin=lines_of(2, first=2))
        for process, revisions in ((follower, [1, 2, 3]), (tail, [2, 3])):
            self.assertEqual(self.rest_of(process), revisions)

    def test_a_tail_survives_a_restart_without_a_gap(self):
        self.fine("stream", "append", "default", "notes", stdin=lines_of(3))
        tail = self.follow("tail", "default", "notes", "--from", "0", "--limit", "6", "--json")
        self.assertEqual([json.loads(tail.stdout.readline())["revision"] for _ in range(3)], [0, 1, 2])
        address = self.server.address
        self.server.kill()
        self.server = self.ready("--bind", address)
        self.fine("stream", "append", "default", "notes", stdin=lines_of(3, first=3))
        self.assertEqual(self.rest_of(tail), [3, 4, 5])

    def test_failures_as_json(self):
        process = self.admin("stream", "read", "nobody", "notes", "--json")
        self.assertEqual(process.returncode, 1)
        self.assertEqual(json.loads(process.stdout)["error"]["code"], "tenant_not_found")


if __name__ == "__main__":
    unittest.main(verbosity=2)
