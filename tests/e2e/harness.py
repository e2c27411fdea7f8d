"""Starts the real binaries on free loopback ports with a directory of their own, and cleans up behind them.

The binaries are named by VERITY_SERVER_BINARY, VERITY_NEXT_SERVER_BINARY (the server of the next release) and
VERITY_ADMIN_BINARY (meson sets them).
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SERVER = os.environ["VERITY_SERVER_BINARY"]
NEXT_SERVER = os.environ.get("VERITY_NEXT_SERVER_BINARY")
ADMIN = os.environ["VERITY_ADMIN_BINARY"]
PATIENCE = 60  # seconds; generous, because machines that test are busy
LONG = os.environ.get("VERITY_E2E_LONG") == "1"
long_only = unittest.skipUnless(LONG, "only in the long set: tools/dev test --long")


def clean_environment(extra=None):
    """Without the VERITY_ names of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VERITY_")}
    kept.update(extra or {})
    return kept


def run(binary, *arguments, env=None, stdin=None, cwd=None, timeout=PATIENCE):
    """The finished process; output as text."""
    return subprocess.run([binary, *arguments], env=clean_environment(env), input=stdin, cwd=cwd,
                          capture_output=True, text=True, timeout=timeout)


class Server:
    """One running verity-server, perhaps on another machine (`inside`). Its log lines are collected as they come."""

    def __init__(self, data_dir, *arguments, env=None, cwd=None, binary=SERVER, inside=()):
        environment = {"VERITY_BIND_ADDRESS": "127.0.0.1:0", "VERITY_METRICS_ADDRESS": "127.0.0.1:0"}
        environment.update(env or {})
        self.run([*inside, binary, "--data-dir", str(data_dir), *arguments], environment, cwd)

    def run(self, command, environment, cwd=None):
        self.process = subprocess.Popen(command, cwd=cwd, env=clean_environment(environment), stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    def _collect(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def log(self):
        """The log so far, as objects; every line must be one."""
        with self.changed:
            return [json.loads(line) for line in self.lines if line is not None]

    def messages(self):
        return [line["message"] for line in self.log()]

    def wait_said(self, *words):
        """The message with all of these words, once it is there: a line may be read here later than what it tells of is seen."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for line in self.lines:
                    if line is not None and all(word in (said := json.loads(line)["message"]) for word in words):
                        return said
                if self.lines[-1:] == [None] or not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"never said: {words}; " + "".join(line for line in self.lines if line))

    def wait_ready(self):
        return self._wait_line("Ready")

    def wait_listening(self):
        """Health, status and metrics are answered from here on."""
        return self._wait_line("Listening; requests are served when the node has started")

    def _wait_line(self, message):
        """The line that tells the addresses."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for line in self.lines:
                    if line is not None and f'"message":"{message}"' in line:
                        fields = json.loads(line)["fields"]
                        self.address = fields["bind_address"]
                        self.metrics_address = fields["metrics_address"]
                        return self
                    if line is None:
                        raise AssertionError("the server ended: " + "".join(l for l in self.lines if l))
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError("not ready in time: " + "".join(l for l in self.lines if l))

    def request(self, method, path, body=None, headers=None, address=None):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection(address or self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()
        except ConnectionRefusedError as error:
            error.add_note(f"the last words of the server: {self.messages()[-5:]}")
            raise
        finally:
            connection.close()

    def admin(self, *arguments, **options):
        return run(ADMIN, "--server", self.address, *arguments, **options)

    def wait_exit(self):
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        return self.wait_exit()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.wait_exit()


class TestCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="verity-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data_dir = self.folder / "data"

    def skipTest(self, reason):
        print(f"skipped {self.id()}: {reason}", file=sys.stderr)
        super().skipTest(reason)

    def start(self, *arguments, data_dir=None, **options):
        """A server that may or may not come up."""
        server = Server(data_dir or self.data_dir, *arguments, **options)
        self.addCleanup(server.process.stderr.close)
        self.addCleanup(server.kill)
        return server

    def ready(self, *arguments, **options):
        return self.start(*arguments, **options).wait_ready()

    def config(self, text):
        path = self.folder / "config.toml"
        path.write_text(text)
        return str(path)

    def assertFine(self, process):
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        return process
