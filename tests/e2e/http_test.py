"""The HTTP interface from outside, byte by byte where it matters: what docs/http.md says, and what bad input gets."""

import http.client
import json
import resource
import shutil
import socket
import struct
import subprocess
import threading
import time
import unittest

from harness import PATIENCE, TestCase

JSON = {"Content-Type": "application/json"}
STREAM = "/v1/tenants/clinic/streams/ward%207"


class HttpTestCase(TestCase):
    def setUp(self):
        super().setUp()
        config = self.config("[limits]\nmax_tenants = 2\nmax_streams_per_tenant = 3\nmax_record_size = \"1KB\"\n"
                             "max_batch_size = \"4KB\"\n")
        self.server = self.ready("--config", config)
        status, _, body = self.server.request("PUT", "/v1/tenants/clinic")
        self.assertEqual(status, 201, body)

    def ask(self, method, path, body=None, headers=None):
        status, answered, text = self.server.request(method, path, body, headers)
        return status, answered, text

    def append(self, body, path=STREAM, **headers):
        fields = dict(JSON)
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.ask("POST", path + "/events", body, fields)

    def problem(self, answer, status, code, *words):
        self.assertEqual(answer[0], status, answer[2])
        self.assertEqual(answer[1]["Content-Type"], "application/problem+json")
        document = json.loads(answer[2])
        self.assertEqual(document["status"], status)
        self.assertEqual(document["code"], code, answer[2])
        for word in words:
            self.assertIn(word, document["detail"])
        return document

    def connect(self):
        host, port = self.server.address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def raw(self, request):
        """All that comes back for these bytes until the server closes."""
        connection = self.connect()
        connection.sendall(request)
        return self.until_close(connection)

    def until_close(self, connection):
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


class WhatIsKept(HttpTestCase):
    def test_bytes_of_every_format(self):
        data = '{"b" : 1.50,\t"b":2,"n":123456789012345678901234567890,"t":"\\u00e9\u00e9"}'
        self.assertEqual(self.append(('[{"type":"a","data":%s,"metadata":{ }}]' % data).encode())[0], 201)
        self.assertEqual(self.ask("POST", STREAM + "/events", '{"type":"b","data":[ ]}\n\n{"type":"c","data":null}\n',
                                  {"Content-Type": "application/x-ndjson"})[0], 201)
        event = '{"specversion":"1.0","type":"d","id":"1","source":"/s","subject":"p","ext":true,"data":1.0}'
        self.assertEqual(self.ask("POST", STREAM + "/events", f"[{event}]",
                                  {"Content-Type": "application/cloudevents-batch+json"})[0], 201)
        page = self.ask("GET", STREAM + "/events")[2]
        self.assertIn('"data":' + data + ',"metadata":{ }', page)
        self.assertIn('"type":"b","data":[ ]', page)
        self.assertIn('"data":1.0,"metadata":{"specversion":"1.0","source":"/s","ext":true},"id":"1"', page)
        events = json.loads(page)["events"]
        self.assertEqual([e["revision"] for e in events], [0, 1, 2, 3])
        self.assertEqual({e["stream"] for e in events}, {"ward 7"})

    def test_replays_conflicts_and_expectations(self):
        first = self.append('{"type":"a","data":1}', Idempotency_Key="k")
        again = self.append('{"type":"a","data":1}', Idempotency_Key="k")
        self.assertEqual((first[0], again[0], first[2]), (201, 201, again[2]))
        self.assertNotIn("Idempotent-Replayed", first[1])
        self.assertEqual(again[1]["Idempotent-Replayed"], "true")
        self.problem(self.append('{"type":"a","data":2}', Idempotency_Key="k"), 422, "idempotency_conflict")
        failed = self.problem(self.append('{"type":"a","data":1}', Expected_Revision="none"), 409, "expectation_failed")
        self.assertEqual(failed["failed_expectations"], [{"stream": "ward 7", "expected": "none", "actual": 0}])
        both = ('{"streams":[{"stream":"ward 7","expected_revision":9,"events":[{"type":"a","data":1}]},'
                '{"stream":"b","expected_revision":"exists","events":[{"type":"a","data":1}]},'
                '{"stream":"c","events":[{"type":"a","data":1,"subject":"s","expected_subject_revision":4}]}]}')
        failed = self.problem(self.append(both, path="/v1/tenants/clinic"), 409, "expectation_failed")
        self.assertEqual(failed["failed_expectations"], [
            {"stream": "ward 7", "expected": "9", "actual": 0}, {"stream": "b", "expected": "exists", "actual": None},
            {"stream": "c", "subject": "s", "expected": "4", "actual": None}])

    def test_pages_join_without_gap_or_repetition(self):
        for n in range(7):
            self.assertEqual(self.append(f'[{{"type":"a","data":{2 * n}}},{{"type":"a","data":{2 * n + 1}}}]')[0], 201)
        for direction, expected in (("forward", list(range(14))), ("backward", list(range(13, -1, -1)))):
            for path in (STREAM, "/v1/tenants/clinic"):
                seen, place = [], ""
                while True:
                    page = json.loads(self.ask("GET", f"{path}/events?direction={direction}&limit=3{place}")[2])
                    seen += [e["data"] for e in page["events"]]
                    if page["next"] is None or not page["events"]:
                        break
                    place = "&from=" + page["next"]
                self.assertEqual(seen, expected, (direction, path))

    def test_a_subscription_misses_nothing_across_restarts(self):
        seen, last = [], None
        for round_number in range(3):
            address = self.server.address
            connection = http.client.HTTPConnection(address, timeout=PATIENCE)
            if round_number == 0:
                self.append('{"type":"a","data":-1}')
            connection.request("GET", STREAM + "/subscribe", headers={"Last-Event-ID": last} if last else {})
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            writer = threading.Thread(target=lambda: [self.append('[{"type":"a","data":0},{"type":"a","data":0}]')
                                                      for _ in range(20)])
            writer.start()
            # Stops in the middle of an entry on purpose.
            wanted = len(seen) + (1 if round_number == 0 else 0) + 13
            while len(seen) < wanted:
                line = response.readline().decode()
                self.assertNotEqual(line, "", "the stream ended early")
                if line.startswith("id: "):
                    last = line[4:].strip()
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:])["revision"])
            writer.join()
            connection.close()
            if round_number == 1:
                self.assertEqual(self.server.stop(), 0)
                self.server = self.ready("--config", str(self.folder / "config.toml"))
        self.assertEqual(seen, list(range(len(seen))))


class BadInput(HttpTestCase):
    def test_limits_name_themselves(self):
        self.problem(self.append('{"type":"a","data":"%s"}' % ("x" * 2000)), 413, "limit_exceeded", "max_record_size",
                     "1024")
        big = ",".join('{"type":"a","data":"%s"}' % ("x" * 900) for _ in range(5))
        self.problem(self.append(f"[{big}]"), 413, "limit_exceeded", "max_batch_size", "4096")
        self.problem(self.append(b" " * 200_000), 413, "limit_exceeded", "200000 bytes", "max_batch_size")
        for name in "abc":
            self.assertEqual(self.append('{"type":"a","data":1}', path=f"/v1/tenants/clinic/streams/{name}")[0], 201)
        self.problem(self.append('{"type":"a","data":1}', path="/v1/tenants/clinic/streams/d"), 422, "limit_exceeded",
                     "max_streams_per_tenant")
        statuses = [self.ask("PUT", f"/v1/tenants/t{n}") for n in range(3)]
        self.problem(statuses[-1], 422, "limit_exceeded", "max_tenants")

    def test_names_and_paths(self):
        self.problem(self.ask("PUT", "/v1/tenants/Clinic"), 400, "invalid_request", "'C' at 0")
        self.problem(self.append('{"type":"a","data":1}', path="/v1/tenants/clinic/streams/a%2Fb"), 400,
                     "invalid_request", "a/b")
        self.problem(self.append('{"type":"a","data":1}', path="/v1/tenants/clinic/streams/%ff"), 400,
                     "invalid_request")
        self.problem(self.append('{"type":"a","data":1}', path="/v1/tenants/clinic/streams/" + "x" * 256), 400,
                     "invalid_request", "255")
        self.problem(self.append('{"type":"a","data":1}', path="/v1/tenants/nobody/streams/a"), 404, "tenant_not_found")
        self.problem(self.ask("GET", STREAM + "/events"), 404, "stream_not_found")
        self.problem(self.ask("GET", "/"), 404, "not_found")
        answer = self.ask("PATCH", STREAM + "/events")
        self.problem(answer, 405, "method_not_allowed")
        self.assertEqual(answer[1]["Allow"], "POST, GET, HEAD")
        self.problem(self.ask("POST", STREAM + "/events", "x", {"Content-Type": "text/plain"}), 415,
                     "unsupported_media_type", "text/plain")

    def test_absurd_revisions_and_tokens(self):
        self.append('{"type":"a","data":1}')
        for text in ("-1", "1e3", "18446744073709551616", "1.2.3", "abc", ""):
            self.problem(self.ask("GET", f"{STREAM}/events?from={text}"), 400, "invalid_request", f'from is "{text}"')
            self.problem(self.append('{"type":"a","data":1}', Expected_Revision=text), 400, "invalid_request",
                         f'Expected-Revision is "{text}"')
        # Large, but numbers: nothing is there yet.
        for text in ("18446744073709551615", "18446744073709551615.4294967295", "9999999.0"):
            for direction in ("forward", "backward"):
                status, _, body = self.ask("GET", f"{STREAM}/events?from={text}&direction={direction}")
                self.assertEqual(status, 200, body)
                self.assertEqual(len(json.loads(body)["events"]), 0 if direction == "forward" else 1, (text, body))

    def test_connections_that_misbehave(self):
        self.assertIn(b"HTTP/1.1 400", self.raw(b"nonsense\r\n\r\n"))
        self.assertTrue(self.raw(b"\x16\x03\x01\x02\x00\x01\x00").startswith(b"HTTP/1.1 400"))
        self.assertTrue(self.raw(struct.pack(">II", 8, 80877103)).startswith(b"E"))
        self.assertIn(b" 431 ", self.raw(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000))
        # The refusal arrives although most of the body was never read.
        self.assertIn(b" 413 ", self.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000))
        reset = self.connect()
        reset.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.close()
        half = self.connect()
        half.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        half.shutdown(socket.SHUT_WR)
        self.assertIn(b" 200 OK", self.until_close(half))
        pipelined = self.raw(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 50
                             + b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual((pipelined.count(b" 200 OK"), pipelined.count(b" 404 ")), (50, 1))
        self.assertEqual(self.ask("GET", "/health/ready")[0], 200)

    def test_a_slow_header_ends(self):
        connection = self.connect()
        start = time.monotonic()
        try:
            for _ in range(40):
                connection.sendall(b"G")
                time.sleep(0.5)
        except OSError:
            pass
        self.assertIn(b" 408 ", self.until_close_or_reset(connection))
        self.assertLess(time.monotonic() - start, 40)
        self.assertEqual(self.ask("GET", "/health/ready")[0], 200)

    def until_close_or_reset(self, connection):
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except OSError:
            pass
        return received

    def test_a_flood_is_turned_away_and_passes(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2048:
            self.skipTest(f"only {hard} descriptors are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        connections = [self.connect() for _ in range(1024)]
        self.assertIn(b"too_many_connections", self.until_close_or_reset(self.connect()))
        for connection in connections:
            connection.close()
        deadline = time.monotonic() + PATIENCE
        while self.ask_or_nothing() != 200:
            self.assertLess(time.monotonic(), deadline, "the server did not recover")
            time.sleep(0.1)

    def ask_or_nothing(self):
        try:
            return self.ask("GET", "/health/ready")[0]
        except (OSError, http.client.HTTPException):
            return None


class Metrics(HttpTestCase):
    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_nothing(self):
        self.append('{"type":"a","data":1}')
        status, _, text = self.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                               timeout=PATIENCE)
        self.assertEqual((check.returncode, check.stdout, check.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
