"""How verity-server starts, stops, dies and comes back."""

import ctypes
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import unittest

from harness import ADMIN, PATIENCE, TestCase, run


def append(server, number):
    """One acknowledged event; its answer."""
    status, _, body = server.request("POST", "/v1/tenants/default/streams/notes/events",
                                     json.dumps([{"type": "noted", "data": {"n": number}}]),
                                     {"Content-Type": "application/json"})
    if status != 201:
        raise AssertionError(f"{status}: {body}")
    return json.loads(body)


def numbers(server):
    status, _, body = server.request("GET", "/v1/tenants/default/streams/notes/events?limit=1000")
    if status != 200:
        raise AssertionError(f"{status}: {body}")
    return [event["data"]["n"] for event in json.loads(body)["events"]]


class Xxh128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def xxh3_128(data):
    """As docs/format/state.md writes it: 32 hexadecimal digits, high half first."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = Xxh128
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    result = library.XXH3_128bits(data, len(data))
    return b"%016x%016x" % (result.high, result.low)


class Starting(TestCase):
    def test_the_directory_is_made_and_the_start_is_told(self):
        server = self.ready()
        self.assertEqual(self.data_dir.stat().st_mode & 0o777, 0o700)
        self.assertEqual(server.request("GET", "/health/ready")[0], 200)
        self.assertEqual(server.request("GET", "/health/live")[0], 200)
        for line in server.log():
            self.assertEqual(list(line), ["timestamp", "level", "target", "message", "fields"])
            self.assertRegex(line["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        first = server.log()[0]
        self.assertEqual(first["message"], "Starting")
        for field in ("version", "process", "data_dir", "io_backend", "sync_mode"):
            self.assertIn(field, first["fields"])
        server.wait_said("Recovered")

    def test_a_relative_directory_is_relative_to_where_one_stands(self):
        self.ready(data_dir="here/data", cwd=self.folder)
        self.assertTrue((self.folder / "here" / "data" / "log").is_dir())

    def test_keys_acting_later_are_named(self):
        server = self.ready("--config", self.config('[projections]\ncache_size = "2GB"\n'))
        server.wait_said("[projections] cache_size is accepted but has no effect in this version")

    def test_async_says_what_may_be_lost(self):
        server = self.ready(env={"VERITY_SYNC_MODE": "async"})
        self.assertTrue(any("may lose" in line["message"] for line in server.log() if line["level"] == "WARN"))
        self.assertEqual(json.loads(server.request("GET", "/status")[2])["sync_mode"], "async")
        self.assertIn("sync_mode: async\n", self.assertFine(server.admin("status")).stdout)

    def test_the_fallback_says_so(self):
        server = self.ready(env={"VERITY_IO_BACKEND": "fallback"})
        server.wait_said("io_uring is not used")
        self.assertIn("epoll", json.loads(server.request("GET", "/status")[2])["io_backend"])

    def test_read_only_serves_reads_only(self):
        server = self.ready()
        append(server, 1)
        self.assertEqual(server.stop(), 0)
        server = self.ready("--read-only")
        self.assertEqual(numbers(server), [1])
        status, _, body = server.request("POST", "/v1/tenants/default/streams/notes/events",
                                         '[{"type":"noted","data":2}]', {"Content-Type": "application/json"})
        self.assertEqual((status, json.loads(body)["code"]), (503, "read_only"))

    def test_metrics_have_their_own_address(self):
        server = self.ready()
        status, headers, body = server.request("GET", "/metrics", address=server.metrics_address)
        self.assertEqual(status, 200)
        self.assertIn("verity_log_entries_total", body)
        self.assertEqual(server.request("GET", "/v1/head", address=server.metrics_address)[0], 404)


class Refusing(TestCase):
    def refusal(self, *arguments, **options):
        """The error a start ends with."""
        server = self.start(*arguments, **options)
        self.assertEqual(server.wait_exit(), 1)
        errors = [line for line in server.log() if line["level"] == "ERROR"]
        self.assertTrue(errors, server.log())
        return errors[-1]["message"]

    def test_a_second_server_on_the_same_directory(self):
        first = self.ready()
        message = self.refusal()
        self.assertIn(f"process {first.process.pid}", message)
        self.assertEqual(first.request("GET", "/health/ready")[0], 200)

    def test_a_busy_port_is_named_with_its_holder(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            message = self.refusal("--bind", address)
            self.assertIn(address, message)
            self.assertIn(str(os.getpid()), message)
            # The directory is free again at once.
            self.assertEqual(self.ready().stop(), 0)

    def test_a_directory_that_cannot_be_made(self):
        (self.folder / "file").write_text("in the way")
        message = self.refusal(data_dir=self.folder / "file" / "data")
        self.assertIn(str(self.folder / "file"), message)

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_directory_that_cannot_be_written(self):
        self.data_dir.mkdir(mode=0o500)
        self.assertIn("ermission", self.refusal())

    def test_a_directory_of_somebody_else(self):
        self.data_dir.mkdir()
        (self.data_dir / "holiday.jpg").write_bytes(b"\xff\xd8")
        message = self.refusal()
        self.assertIn("holiday.jpg", message)
        self.assertEqual(os.listdir(self.data_dir), ["holiday.jpg"])

    def test_a_directory_of_another_version(self):
        self.assertEqual(self.ready().stop(), 0)
        for name in ("state.json", "state.copy.json"):
            path = self.data_dir / "meta" / name
            text = path.read_bytes()
            self.assertRegex(text, rb'"format":\s*\d+')
            text = re.sub(rb'("format":\s*)\d+', rb"\g<1>999", text)
            signed = text[: text.rindex(b'"checksum"')]
            path.write_bytes(re.sub(rb'("checksum":\s*)"[0-9a-f]{32}"', rb'\1"%s"' % xxh3_128(signed), text))
        self.assertIn("format 999", self.refusal())

    def test_damage_in_the_tail_and_the_way_around_it(self):
        server = self.ready()
        for number in range(10):
            append(server, number)
        server.kill()
        segment = self.data_dir / "log" / "current.segment"
        content = bytearray(segment.read_bytes())
        content[content.index(b'{"n": 5}') + 6] ^= 1
        segment.write_bytes(content)
        message = self.refusal()
        for text in ("log/current.segment", "offset", "position 8", "--read-only"):
            self.assertIn(text, message)
        self.assertEqual(segment.read_bytes(), content)
        server = self.ready("--read-only")
        self.assertEqual(numbers(server), [0, 1, 2, 3, 4])
        self.assertEqual(server.request("GET", "/health/ready")[0], 503)
        self.assertIn("log/current.segment", server.request("GET", "/status")[2])

    def test_damage_that_is_read_makes_a_lone_node_read_only(self):
        """Nobody is there to repair it from, although the node could let others in."""
        small = {"VERITY_SEGMENT_SIZE": "64KB", "VERITY_MAX_BATCH_SIZE": "16KB",
                 "VERITY_MAX_RECORD_SIZE": "16KB"}
        server = self.ready(env=small)
        for number in range(200):
            append(server, number)
        self.assertEqual(server.stop(), 0)
        segment = self.data_dir / "log" / "00000000.segment"
        content = bytearray(segment.read_bytes())
        content[content.index(b'{"n": 5}') + 6] ^= 1
        segment.write_bytes(content)
        server = self.ready(env=small)
        self.assertEqual(server.request("GET", "/v1/tenants/default/streams/notes/events?from=5")[0], 500)
        self.assertEqual(server.request("GET", "/health/ready")[0], 503)
        status, _, text = server.request("POST", "/v1/tenants/default/streams/notes/events",
                                         json.dumps([{"type": "noted", "data": {"n": 11}}]),
                                         {"Content-Type": "application/json"})
        self.assertEqual((status, json.loads(text)["code"]), (503, "read_only"))
        self.assertEqual(json.loads(server.request("GET", "/status")[2])["state"], "read_only")

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small file system takes root")
    def test_a_full_disk(self):
        small = self.folder / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode:
            self.skipTest("mounting is not allowed here")
        try:
            self.assertIn("space", self.refusal(data_dir=small / "data"))
        finally:
            subprocess.run(["umount", small], check=True)


class Stopping(TestCase):
    def test_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.ready()
            append(server, int(number))
            self.assertEqual(server.stop(number), 0)
            self.assertEqual(server.messages()[-1], "Stopped")
        self.assertEqual(numbers(self.ready()), [int(signal.SIGTERM), int(signal.SIGINT)])

    def test_idle_connections_and_subscriptions_do_not_hold_it_up(self):
        server = self.ready()
        append(server, 1)
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))) as subscriber:
            subscriber.sendall(b"GET /v1/tenants/default/streams/notes/subscribe HTTP/1.1\r\nHost: x\r\n\r\n")
            subscriber.settimeout(PATIENCE)
            received = b""
            while b"data:" not in received:
                received += subscriber.recv(4096)
            server.process.send_signal(signal.SIGTERM)
            while subscriber.recv(4096):
                pass  # the server ends the stream
            self.assertEqual(server.wait_exit(), 0)

    def test_a_request_under_way_is_answered(self):
        server = self.ready()
        host, port = server.address.split(":")
        body = b'[{"type":"noted","data":{"n":7}}]'
        with socket.create_connection((host, int(port))) as client:
            client.settimeout(PATIENCE)
            client.sendall(b"POST /v1/tenants/default/streams/notes/events HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
            # Its header has been read once another request, sent later, is answered.
            self.assertEqual(server.request("GET", "/health/live")[0], 200)
            server.process.send_signal(signal.SIGTERM)
            threading.Timer(0.3, client.sendall, [body[10:]]).start()
            answer = b""
            while piece := client.recv(4096):
                answer += piece
        self.assertTrue(answer.startswith(b"HTTP/1.1 201 "), answer)
        self.assertEqual(server.wait_exit(), 0)
        self.assertEqual(numbers(self.ready()), [7])


class Dying(TestCase):
    def test_a_failing_disk_ends_the_process(self):
        server = self.ready()
        append(server, 1)
        # From now on no write goes beyond the first block of a file.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        with self.assertRaises((AssertionError, OSError, http.client.HTTPException)):
            append(server, 2)
        self.assertEqual(server.wait_exit(), 1)
        error = [line for line in server.log() if line["level"] == "ERROR"][-1]
        self.assertIn("The node cannot go on; the next start recovers what is durable", error["message"])
        self.assertEqual(numbers(self.ready()), [1])

    def test_what_was_acknowledged_survives_kill_9(self):
        acknowledged = []
        for round_number in range(3):
            server = self.ready()
            self.assertEqual(numbers(server) if acknowledged else [], acknowledged)
            done = threading.Event()

            def write():
                number = round_number * 100_000
                while True:
                    try:
                        append(server, number)
                    except (OSError, AssertionError, ValueError):
                        return
                    except Exception:
                        return  # an answer cut short
                    acknowledged.append(number)
                    number += 1
                    if number % 100_000 == 50:
                        done.set()

            writer = threading.Thread(target=write)
            writer.start()
            self.assertTrue(done.wait(PATIENCE))
            server.kill()
            writer.join(PATIENCE)
            # One request may have been carried out without its answer arriving.
            server = self.ready()
            found = numbers_all(server)
            self.assertEqual(found[: len(acknowledged)], acknowledged)
            self.assertLessEqual(len(found), len(acknowledged) + 1)
            acknowledged[:] = found
            for verify in (("log", "verify"), ("verify",)):
                self.assertFine(run(ADMIN, *verify, "--data-dir", str(self.data_dir)))
            server.kill()


def numbers_all(server):
    found, start = [], "0"
    while True:
        body = json.loads(server.request("GET", f"/v1/tenants/default/streams/notes/events?limit=1000&from={start}")[2])
        if not body["events"]:
            return found
        found += [event["data"]["n"] for event in body["events"]]
        start = body["next"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
