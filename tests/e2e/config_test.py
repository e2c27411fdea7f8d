"""What verity-server says about its configuration, without starting anything."""

import unittest

from harness import ADMIN, SERVER, TestCase, run


class Configuration(TestCase):
    def test_help_and_version(self):
        process = self.assertFine(run(SERVER, "--help"))
        self.assertTrue(process.stdout.startswith("Usage: verity-server [OPTIONS]\n\nOptions:\n"))
        for flag in ("--config <PATH>", "--node-id <ID>", "--bind <ADDR>", "--data-dir <PATH>",
                     "--cluster-peers <PEERS>", "--log-level <LEVEL>", "--allow-insecure", "--read-only", "--force-recover",
                     "--validate", "-h, --help", "-V, --version"):
            self.assertIn("\n    " + flag, process.stdout)
        self.assertEqual(run(SERVER, "-h").stdout, process.stdout)
        self.assertRegex(self.assertFine(run(SERVER, "--version")).stdout, r"^verity-server \d+\.\d+\.\d+, release \d+\n$")
        self.assertRegex(self.assertFine(run(ADMIN, "--version")).stdout, r"^verity-admin \d+\.\d+\.\d+\n$")

    def test_validate_prints_what_would_act(self):
        path = self.config('[server]\nnode_id = 2\n[projections]\ncache_size = "2GB"\n')
        process = self.assertFine(run(SERVER, "--config", path, "--validate", "--log-level", "debug"))
        self.assertIn(f"[server] node_id = 2  ({path}:2)\n", process.stdout)
        self.assertIn('[telemetry] log_level = "debug"  (flag --log-level)\n', process.stdout)
        self.assertIn("[projections] cache_size: accepted, has no effect in this version\n", process.stdout)
        self.assertIn("The configuration is fine.\n", process.stdout)

    def test_validate_reports_all_problems_at_once(self):
        path = self.config('[server]\nnode_id = 9\nbind_adress = "127.0.0.1:7000"\n'
                           '[storage]\ndata_dir = "relative"\n[security]\ntls_cert = "/etc/verity/server.crt"\n')
        process = run(SERVER, "--config", path, "--validate", env={"VERITY_LOG_LEVEL": "loud"})
        self.assertEqual(process.returncode, 1)
        self.assertEqual(process.stdout, "")
        for text in (f"{path}:2: [server] node_id: 9 is not allowed; allowed: a whole number of 1..7",
                     f'{path}:3: unknown key "bind_adress" in [server]; did you mean "bind_address"?',
                     f'{path}:5: [storage] data_dir: "relative" is not allowed',
                     f"{path}:7: [security] tls_cert: ",
                     "environment VERITY_LOG_LEVEL: [telemetry] log_level: ",
                     "5 problems in the configuration; nothing was started"):
            self.assertIn(text, process.stderr)

    def test_a_start_with_problems_is_refused_in_the_same_words(self):
        path = self.config("[server]\nnode_id = 9\n")
        started = run(SERVER, "--config", path)
        self.assertEqual(started.returncode, 1)
        self.assertEqual(started.stderr, run(SERVER, "--config", path, "--validate").stderr)

    def test_an_even_cluster_and_open_addresses_are_refused(self):
        process = run(SERVER, "--node-id", "1", "--cluster-peers", "node2:7001")
        self.assertEqual(process.returncode, 1)
        self.assertIn("makes a cluster of 2", process.stderr)
        process = run(SERVER, "--bind", "0.0.0.0:7000", "--data-dir", str(self.data_dir))
        self.assertEqual(process.returncode, 1)
        self.assertIn("--allow-insecure", process.stderr)
        self.assertFine(run(SERVER, "--bind", "0.0.0.0:7000", "--allow-insecure", "--validate"))
        self.assertFalse(self.data_dir.exists())

    def test_wrong_use_exits_2(self):
        process = run(SERVER, "--data-dri", "/tmp")
        self.assertEqual(process.returncode, 2)
        self.assertIn("unknown option --data-dri; did you mean --data-dir?", process.stderr)
        self.assertEqual(run(SERVER, "--node-id").returncode, 2)
        self.assertEqual(run(ADMIN).returncode, 2)
        self.assertEqual(run(ADMIN, "stream", "red").returncode, 2)

    def test_a_file_that_cannot_be_read_is_named(self):
        process = run(SERVER, "--config", "/nowhere/config.toml", "--validate")
        self.assertEqual(process.returncode, 1)
        self.assertIn("/nowhere/config.toml: No such file or directory", process.stderr)
        process = run(SERVER, "--config", str(self.folder), "--validate")
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"{self.folder}: Is a directory", process.stderr)

    def test_admin_without_a_server(self):
        process = run(ADMIN, "--server", "127.0.0.1:1", "status")
        self.assertEqual(process.returncode, 1)
        self.assertIn("is verity-server running?", process.stderr)
        self.assertEqual(run(ADMIN, "--server", "nonsense", "status").returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
