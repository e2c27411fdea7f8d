"""verity-admin on the files of a data directory, beside a running server and without one."""

import json
import unittest

from harness import ADMIN, TestCase, run


class Offline(TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.ready()
        lines = "".join(json.dumps({"type": "noted", "data": {"n": n}}) + "\n" for n in range(25))
        self.fine("stream", "append", "default", "notes", "--batch", "1", stdin=lines)

    def fine(self, *arguments, **options):
        return self.assertFine(self.server.admin(*arguments, **options)).stdout

    def offline(self, *arguments):
        return run(ADMIN, *arguments, "--data-dir", str(self.data_dir))

    def head(self):
        return json.loads(self.fine("head", "--json"))

    def flip(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    # ---- verify

    def test_verification_beside_a_running_server_and_after_it(self):
        for _ in range(2):
            head = self.head() if self.server else head
            report = json.loads(self.assertFine(self.offline("log", "verify", "--json")).stdout)
            self.assertEqual((report["fine"], report["last_position"], report["head"], report["tree_root"]),
                             (True, head["position"], head["hash"], head["tree_root"]))
            self.assertEqual(report["recorded_at"], head["recorded_at"])
            self.assertEqual(json.loads(self.assertFine(self.offline("verify", "--json")).stdout)["recorded_at"],
                             head["recorded_at"])
            text = self.assertFine(self.offline("verify")).stdout
            self.assertIn(f"recorded_at: {head['recorded_at']}\n", text)
            self.assertIn(f"last_position: {head['position']}\n", text)
            self.assertIn("tenants: 1\nevents: 25\n", text)
            self.assertIn("Every entry is what was written, and the chain is whole.\n", text)
            if self.server:
                self.assertEqual(self.server.stop(), 0)
                self.server = None

    def test_damage_is_named_and_exits_1(self):
        self.assertEqual(self.server.stop(), 0)
        segment = self.data_dir / "log" / "current.segment"
        self.flip(segment, segment.read_bytes().index(b'{"n": 12}'))
        process = self.offline("log", "verify")
        self.assertEqual(process.returncode, 1)
        self.assertRegex(process.stdout, r"(?m)^DAMAGE: log/current\.segment at offset \d+, position 15")
        report = json.loads(self.offline("verify", "--json").stdout)
        self.assertFalse(report["fine"])
        self.assertTrue(report["damage"])

    def test_a_damaged_state_copy_is_named(self):
        self.assertEqual(self.server.stop(), 0)
        self.assertFine(self.offline("verify"))
        self.flip(self.data_dir / "meta" / "state.copy.json", 20)
        process = self.offline("verify")
        self.assertEqual(process.returncode, 1)
        self.assertIn("DAMAGE: meta/state.copy.json", process.stdout)
        self.assertFine(self.offline("log", "verify"))

    def test_what_is_no_data_directory_is_refused(self):
        expected = "--data-dir names the directory that the server has as data_dir"
        for path, why in ((self.folder, "is not a VerityDB data directory: there is no log/ in it; "),
                          (self.folder / "nowhere", "does not exist; ")):
            for command in (("log", "verify"), ("verify",), ("proof", "inclusion", "--position", "1")):
                process = run(ADMIN, *command, "--data-dir", str(path))
                self.assertEqual(process.returncode, 1)
                self.assertIn(f"{path} {why}{expected}", process.stderr)

    # ---- proofs

    def test_an_entry_is_proven_offline(self):
        head = self.head()
        proof = str(self.folder / "entry.json")
        self.assertIn("in " + proof, self.assertFine(
            self.offline("proof", "inclusion", "--position", "7", "--event", "0", "-o", proof)).stdout)
        check = self.assertFine(run(ADMIN, "proof", "check", proof, "--root", head["tree_root"]))
        self.assertIn("holds: entry 7, ", check.stdout)
        self.assertIn("compare it with one you noted", self.assertFine(run(ADMIN, "proof", "check", proof)).stdout)
        verdict = json.loads(self.assertFine(run(ADMIN, "proof", "check", proof, "--json")).stdout)
        self.assertEqual((verdict["holds"], verdict["position"], verdict["head_root"]), (True, 7, head["tree_root"]))
        # Standard output does as well, and every position has its proof.
        for position in (1, 2, head["position"]):
            process = self.assertFine(self.offline("proof", "inclusion", "--position", str(position), "--head",
                                                   str(head["position"])))
            check = run(ADMIN, "proof", "check", "-", "--root", head["tree_root"], stdin=process.stdout)
            self.assertFine(check)

    def test_the_server_makes_the_same_proofs_without_its_files(self):
        head = self.head()
        for arguments in (("inclusion", "--position", "7"), ("inclusion", "--position", "7", "--event", "0"),
                          ("consistency", "--from", "5", "--to", "9")):
            body = ("--body",) if arguments[0] == "inclusion" else ()
            proof = self.fine("proof", *arguments)
            self.assertEqual(proof, self.assertFine(self.offline("proof", *arguments, *body)).stdout)
        path = str(self.folder / "growth.json")
        self.assertIn(f"the log of {head['position']} entries continues that of 5, in {path}",
                      self.fine("proof", "consistency", "--from", "5", "-o", path))
        self.assertFine(run(ADMIN, "proof", "check", path, "--root", head["tree_root"]))
        process = self.server.admin("proof", "inclusion", "--position", "7", "--head", "9")
        self.assertEqual(process.returncode, 2)
        self.assertIn("--data-dir", process.stderr)
        process = self.server.admin("proof", "inclusion", "--position", str(head["position"] + 1))
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"1 to {head['position']} are there", process.stderr)

    def test_what_is_too_large_for_a_proof_is_not_judged(self):
        path = self.folder / "large.json"
        with open(path, "wb") as file:
            file.truncate((320 << 20) + 1)
        check = run(ADMIN, "proof", "check", str(path))
        self.assertEqual((check.returncode, check.stdout), (1, ""))
        self.assertIn(f"{path} has more than {320 << 20} bytes, the most that is read", check.stderr)

    def test_a_forged_proof_does_not_hold(self):
        proof = self.folder / "entry.json"
        self.assertFine(self.offline("proof", "inclusion", "--position", "7", "--event", "0", "-o", str(proof)))
        forged = self.folder / "forged.json"
        text = proof.read_text()
        # The event's data as text, and in the body as bytes.
        self.assertIn('\\"n\\": 4}', text)
        forged.write_text(text.replace('\\"n\\": 4}', '\\"n\\": 5}'))
        process = run(ADMIN, "proof", "check", str(forged))
        self.assertEqual(process.returncode, 1)
        self.assertIn("DOES NOT HOLD: ", process.stdout)
        process = run(ADMIN, "proof", "check", str(proof), "--root", "00" * 32)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(run(ADMIN, "proof", "check", str(proof), "--root", "xyz").returncode, 2)
        self.assertEqual(run(ADMIN, "proof", "check", str(self.folder / "none")).returncode, 1)

    def test_growth_is_proven_between_noted_heads(self):
        before = self.head()
        self.fine("stream", "append", "default", "notes", "--type", "noted", "--data", "1")
        after = self.head()
        proof = str(self.folder / "growth.json")
        self.assertFine(self.offline("proof", "consistency", "--from", str(before["position"]), "-o", proof))
        check = self.assertFine(run(ADMIN, "proof", "check", proof, "--root", after["tree_root"]))
        self.assertIn("nothing before was changed", check.stdout)
        with open(proof, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["old"]["root"], before["tree_root"])
        self.assertFine(self.offline("proof", "consistency", "--from", "1", "--to", "9"))

    def test_positions_that_are_not_there(self):
        last = self.head()["position"]
        process = self.offline("proof", "inclusion", "--position", str(last + 1), "-o", str(self.folder / "p"))
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"there is no position {last + 1}; the log has positions 1..{last}", process.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["data"])
        self.assertEqual(self.offline("proof", "inclusion", "--position", "0").returncode, 2)
        self.assertEqual(self.offline("proof", "consistency", "--from", "5", "--to", "4").returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
