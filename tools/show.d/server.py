"""A verity-server of our own: free loopback ports, a data directory of its own, killed by its process id."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


class Failure(Exception):
    """What a show promises is not so."""


def require(condition, message):
    if not condition:
        raise Failure(message)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """Started with start(), as often as wanted, on the same data directory and ports."""

    def __init__(self, binaries="build/bin", data_dir=None, environment=None, wrapper=(), arguments=()):
        self.binaries = os.path.join(ROOT, binaries)
        self.program = os.path.join(self.binaries, "verity-server")  # of the next start
        self.scratch = tempfile.mkdtemp(prefix="verity-show-", dir=scratch_root())
        self.data_dir = data_dir or os.path.join(self.scratch, "data")
        self.port, self.metrics_port = free_port(), free_port()
        self.environment = dict(environment or {})
        self.wrapper, self.arguments = list(wrapper), list(arguments)
        self.process = None
        self.log_path = os.path.join(self.scratch, "server.log")
        self.log_begin = 0  # where the output of the last start begins

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.address}"

    def start(self, wait_ready=True, seconds=60):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VERITY_")}
        environment |= {"VERITY_METRICS_ADDRESS": f"127.0.0.1:{self.metrics_port}"} | self.environment
        self.log_begin = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, self.program, "--data-dir", self.data_dir,
                 "--bind", f"127.0.0.1:{self.port}", *self.arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        if wait_ready:
            self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"verity-server ended with {self.process.returncode}:\n{self.log()[-2000:]}")
            try:
                if self.get("/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise Failure(f"verity-server was not ready within {seconds} s:\n{self.log()[-2000:]}")

    def log(self):
        """What the server wrote since its last start."""
        with open(self.log_path, "rb") as file:
            file.seek(self.log_begin)
            return file.read().decode(errors="replace")

    def kill(self):
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    # ---- talking to it

    def request(self, method, path, body=None, headers=None, seconds=30):
        """(status, headers, body bytes) over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.request("GET", path)
        return status, body

    def get_text(self, path):
        status, body = self.get(path)
        require(status == 200, f"GET {path} answered {status}: {body[:300]!r}")
        return body.decode()

    def get_json(self, path):
        return json.loads(self.get_text(path))

    def append(self, stream, events, tenant="default", headers=None):
        """The receipt."""
        path = f"/v1/tenants/{tenant}/streams/{urllib.parse.quote(stream, safe='')}/events"
        status, _, body = self.request("POST", path, json.dumps(events).encode(),
                                       {"Content-Type": "application/json"} | (headers or {}))
        require(status in (200, 201), f"POST {path} answered {status}: {body[:300]!r}")
        return json.loads(body)

    def all_events(self, tenant="default", stream=None, limit=1000):
        """Every event of the tenant (or stream), page by page from the beginning."""
        path = f"/v1/tenants/{tenant}" + (f"/streams/{urllib.parse.quote(stream, safe='')}" if stream else "") + "/events"
        events, next_page = [], None
        while True:
            page = self.get_json(f"{path}?limit={limit}" + (f"&from={next_page}" if next_page else ""))
            events += page["events"]
            if not page["events"] or page.get("next") in (None, next_page):
                return events
            next_page = page["next"]

    def admin(self, *arguments, check=True, seconds=120):
        """Runs verity-admin against this server; (exit code, output)."""
        done = subprocess.run([os.path.join(self.binaries, "verity-admin"), *arguments], capture_output=True, text=True,
                              timeout=seconds, env=os.environ | {"VERITY_SERVER": f"127.0.0.1:{self.port}"})
        require(not check or done.returncode == 0,
                f"verity-admin {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.returncode, done.stdout + done.stderr


def scratch_root():
    """A folder on the disk the project stands on: /tmp may be memory."""
    folder = os.path.join(ROOT, "build", "scratch")
    os.makedirs(folder, exist_ok=True)
    return folder
