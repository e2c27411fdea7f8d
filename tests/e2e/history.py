"""What clients of real servers were told, recorded as it happens and judged by the checkers of the simulator
(sim/recorded_history.h has the lines)."""

import json
import os
import tempfile
import threading
import time

from harness import run

SIM = os.environ["VERITY_SIM_BINARY"]


class History:
    """Lines in the order in which things happened; any thread may add one."""

    def __init__(self, clocks_are_kept=True):
        self.lines = ['{"clocks":"kept"}'] if clocks_are_kept else []
        self.lock = threading.Lock()
        self.count = 0

    def _add(self, line):
        with self.lock:
            self.lines.append(line.replace("\n", " "))  # of JSON: between its tokens

    def _number(self):
        with self.lock:
            self.count += 1
            return self.count

    def append(self, stream, events, key=None, expected=None):
        number = self._number()
        line = {"append": number, "at": now_us(), "tenant": "default", "stream": stream, "events": events}
        self._add(json.dumps(line | ({"key": key} if key else {}) | ({"expected": str(expected)} if expected is not None else {})))
        return number

    def answer(self, number, body, replayed):
        self._add(f'{{"answer":{number},"at":{now_us()},"replayed":{json.dumps(replayed)},"body":{body}}}')

    def refused(self, number):
        self._add(f'{{"refused":{number}}}')

    def failed(self, number, body):
        self._add(f'{{"failed":{number},"body":{body}}}')

    def read(self, process, parameters):
        number = self._number()
        self._add(json.dumps({"read": number, "process": process, "tenant": "default"} | parameters))
        return number

    def page(self, number, body):
        self._add(f'{{"page":{number},"at":{now_us()},"body":{body}}}')

    def missing(self, number):
        self._add(f'{{"missing":{number}}}')

    def whole(self, pages):
        self._add(f'{{"whole":"default","pages":[{",".join(pages)}]}}')

    def check(self):
        """What was seen, in words. A history that cannot be true is kept, for whoever wants to know why."""
        with self.lock, tempfile.NamedTemporaryFile("w", prefix="verity-history-", suffix=".jsonl", delete=False) as file:
            file.write("\n".join(self.lines) + "\n")
        judged = run(SIM, "--check-history", file.name)
        if judged.returncode != 0:
            raise AssertionError(f"{file.name}: {judged.stdout}{judged.stderr}")
        os.unlink(file.name)
        return judged.stdout.strip()


def now_us():
    return time.time_ns() // 1000
