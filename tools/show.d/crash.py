"""kill -9 under 64 clients: every acknowledged event is present exactly once, and the log verifies, 20 times in a row.

    tools/show node.3 [--rounds N] [--clients N] [--seed N]

One data directory goes through all rounds. Each client appends to one of eight streams, one event or a few at a time,
half of them with an Idempotency-Key. At a random moment the server is killed and started again. Then: what had no
answer and had a key is sent again and must be answered; the whole log is read; every acknowledged event stands at the
position and revision it was acknowledged with, with the bytes it was sent with, and nowhere else; nothing stands there
that nobody sent; revisions have no gaps; verity-admin log verify beside the running server exits 0.
"""
import http.client
import json
import random
import threading
import time

from building import build, options_of
from server import Server, require


class Client(threading.Thread):
    """Appends until its server is gone. Keeps what was sent and what was answered."""

    def __init__(self, number, round_number, port, seed):
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.number, self.round_number, self.port = number, round_number, port
        self.stream = f"stream-{number % 8}"
        self.acknowledged = []  # (receipt, [data, ...])
        self.unanswered = None  # (headers, body, [data, ...]) of the one request under way
        self.problem = None
        self.stopping = False

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sequence = 0
        while not self.stopping:
            datas = []
            for _ in range(self.random.choice((1, 1, 1, 2, 5))):
                sequence += 1
                # Spelled in a way that would not survive being parsed and written again.
                datas.append(f'{{"round": {self.round_number}, "client":{self.number},  "n":{sequence}.0,'
                             f' "pad":"{"x" * self.random.randrange(300)}"}}')
            body = "[" + ",".join(f'{{"type":"counted","data":{data}}}' for data in datas) + "]"
            headers = {"Content-Type": "application/json"}
            if self.random.random() < 0.5:
                headers["Idempotency-Key"] = f"{self.round_number}-{self.number}-{sequence}"
            self.unanswered = (headers, body, datas)
            try:
                connection.request("POST", f"/v1/tenants/default/streams/{self.stream}/events", body, headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 201:
                self.acknowledged.append((json.loads(text), datas))
                self.unanswered = None
            elif answer.status not in (429, 503):
                self.problem = f"client {self.number} was answered {answer.status}: {text[:300]!r}"
                return


def show(arguments):
    options = options_of(arguments, {"rounds": 20, "clients": 64, "seed": 0})
    seed = options["seed"] or random.randrange(1 << 32)
    print(f"  seed {seed} (the moments are real time: the same seed is not the same run)")
    build("verity-server", "verity-admin")
    chance = random.Random(seed)
    expected, maybe = {}, {}  # data -> (stream, position, revision);  data -> stream, sent without an answer
    with Server(environment={"VERITY_SEGMENT_SIZE": "1MB", "VERITY_MAX_BATCH_SIZE": "256KB",
                             "VERITY_MAX_RECORD_SIZE": "64KB"}) as server:
        server.start()
        for number in range(1, options["rounds"] + 1):
            clients = [Client(n, number, server.port, f"{seed}/{number}/{n}") for n in range(options["clients"])]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.1, 1.5))
            server.kill()
            for client in clients:
                client.join(60)
                require(not client.is_alive(), f"client {client.number} hangs")
                require(client.problem is None, client.problem)
                for receipt, datas in client.acknowledged:
                    remember(expected, client.stream, receipt, datas)
            begin = time.monotonic()
            server.start()
            ready_ms = (time.monotonic() - begin) * 1000
            again, replayed = send_again(server, [c for c in clients if c.unanswered], expected, maybe)
            present = check_log(server, expected, maybe)
            _, verified = server.admin("log", "verify", "--data-dir", server.data_dir)
            acknowledged = sum(len(c.acknowledged) for c in clients)
            print(f"  round {number:2}: {acknowledged} appends acknowledged, ready again in {ready_ms:.0f} ms, {again} sent again "
                  f"({replayed} had happened); {len(expected)} acknowledged events in all, each present exactly once among "
                  f"{present}; verify: {verified.strip().splitlines()[-1][:80]}", flush=True)
        require(server.stop() == 0, "the last SIGTERM did not end with 0")


def remember(expected, stream, receipt, datas):
    require(receipt["last_revision"] - receipt["first_revision"] + 1 == len(datas),
            f"{len(datas)} events were sent, the receipt says {receipt}")
    for offset, data in enumerate(datas):
        expected[data] = (stream, receipt["position"], receipt["first_revision"] + offset)


def send_again(server, clients, expected, maybe):
    """Requests without an answer: with a key they are sent again, without one their outcome stays open."""
    again = replayed = 0
    for client in clients:
        headers, body, datas = client.unanswered
        if "Idempotency-Key" not in headers:
            maybe.update(dict.fromkeys(datas, client.stream))
            continue
        status, answered, text = server.request("POST", f"/v1/tenants/default/streams/{client.stream}/events", body, headers)
        require(status in (200, 201), f"a request sent again was answered {status}: {text[:300]!r}")
        remember(expected, client.stream, json.loads(text), datas)
        again += 1
        replayed += {k.lower(): v for k, v in answered.items()}.get("idempotent-replayed") == "true"
    return again, replayed


def raw_events(page):
    """The events of a page with the exact bytes of their data: {"…": …, "data":<slice>, …}."""
    decoder = json.JSONDecoder()
    for event in json.loads(page)["events"]:
        at = page.index(f'"position":{event["position"]},', raw_events.at)
        at = page.index('"data":', at) + len('"data":')
        _, end = decoder.raw_decode(page, at)
        raw_events.at = end
        yield event, page[at:end]


def check_log(server, expected, maybe):
    """Reads the tenant's whole log; the number of events in it."""
    seen, revisions, next_page = set(), {}, None
    while True:
        status, body = server.get("/v1/tenants/default/events?limit=1000" + (f"&from={next_page}" if next_page else ""))
        require(status == 200, f"reading the log was answered {status}: {body[:300]!r}")
        text = body.decode()
        raw_events.at = 0
        count = 0
        for event, data in raw_events(text):
            count += 1
            stream, place = event["stream"], (event["stream"], event["position"], event["revision"])
            require(event["revision"] == revisions.get(stream, -1) + 1,
                    f"{stream}: revision {event['revision']} follows {revisions.get(stream, 'nothing')}")
            revisions[stream] = event["revision"]
            require(data not in seen, f"present twice: {data[:100]} at {place}")
            seen.add(data)
            if data in expected:
                require(expected[data] == place, f"acknowledged as {expected[data]}, found as {place}")
            else:
                require(maybe.get(data) == stream, f"nobody sent this to {stream}: {data[:100]} at {place}")
        page_next = json.loads(text).get("next")
        if not count or page_next in (None, next_page):
            break
        next_page = page_next
    lost = [data for data in expected if data not in seen]
    require(not lost, f"{len(lost)} acknowledged events are lost, one of them {expected[lost[0]] if lost else ''}")
    return len(seen)
