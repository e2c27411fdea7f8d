"""A weaker mode says so: sync_mode = "async" and the fallback without io_uring, at start and in /status."""
import ctypes
import errno
import json
import os
import struct
import sys

from building import build
from server import Server, require


def show(_):
    build("verity-server", "verity-admin")
    with Server() as server:
        server.start()
        status = server.get_json("/status")
        require(status["sync_mode"] == "fsync", f"/status says {status['sync_mode']} for the default")
        print(f"  default: /status says sync_mode {status['sync_mode']}, io_backend {status['io_backend']}")
        server.stop()
    with Server(environment={"VERITY_SYNC_MODE": "async"}) as server:
        server.start()
        says(server, "async", "sync_mode", lambda value: value == "async")
    with Server(wrapper=[sys.executable, os.path.realpath(__file__)]) as server:
        server.start()
        says(server, "io_uring", "io_backend", lambda value: "thread" in value and "io_uring" in value)
        server.append("notes", [{"type": "noted", "data": {"through": "the fallback"}}])
        print("  and it accepts an append through the fallback")


def says(server, word, field, is_right):
    lines = [line for line in map(json.loads, server.log().splitlines()) if word in json.dumps(line)]
    require(lines, f"nothing printed at start mentions {word}:\n{server.log()}")
    warned = next((line for line in lines if line["level"] == "WARN"), lines[0])
    value = server.get_json("/status")[field]
    require(is_right(value), f"/status says {field} {value!r}")
    code, status = server.admin("status")
    require(any(line.startswith(field + ":") for line in status.splitlines()), f"verity-admin status has no line {field}:\n{status}")
    print(f"  at start: {warned['level']} {warned['message'][:200]}\n  /status and verity-admin status: {field}: {value}")


# ---- as a wrapper: refuses io_uring to the command that follows, as many containers do

def refuse_io_uring_and_run(command):
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    set_no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    io_uring_setup = 425
    load, jump_if_equal, ret = 0x20, 0x15, 0x06
    allow, fail = 0x7FFF0000, 0x00050000 | errno.EPERM
    program = b"".join(struct.pack("HBBI", *line) for line in [
        (load, 0, 0, 0),                       # the number of the system call
        (jump_if_equal, 0, 1, io_uring_setup),
        (ret, 0, 0, fail),
        (ret, 0, 0, allow),
    ])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    if prctl(set_no_new_privileges, 1, 0, 0, 0) or prctl(set_seccomp, filter_mode, ctypes.create_string_buffer(header), 0, 0):
        sys.exit(f"seccomp is refused: {os.strerror(ctypes.get_errno())}")
    os.execv(command[0], command)


if __name__ == "__main__":
    refuse_io_uring_and_run(sys.argv[1:])
