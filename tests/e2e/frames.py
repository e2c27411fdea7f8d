"""What nodes say to one another on the cluster port, made by hand (docs/format/frame.md)."""

import ctypes
import os
import socket
import struct

MAGIC = 0x4D465256
HELLO, WELCOME, REFUSED, PING, PONG = 1, 2, 3, 4, 5
CONTROL = 0


XXHASH = ctypes.CDLL("libxxhash.so.0")
XXHASH.XXH3_64bits.restype = ctypes.c_uint64
XXHASH.XXH3_64bits.argtypes = ctypes.c_char_p, ctypes.c_size_t


def checksum(data):
    return XXHASH.XXH3_64bits(data, len(data))


def frame(kind, payload=b"", sequence=0, lane=CONTROL, version=1, payload_bytes=None):
    size = len(payload) if payload_bytes is None else payload_bytes
    header = struct.pack("<IBBHIIQQ", MAGIC, version, lane, kind, size, 0, sequence, checksum(payload))
    return header + struct.pack("<Q", checksum(header)) + payload


def hello(node_id, cluster_id, epoch, incarnation=None, boot=1, name="production", number_from=77):
    fields = struct.pack("<HHQ", 1, 1, node_id) + (incarnation or os.urandom(16))
    fields += struct.pack("<Q", boot) + os.urandom(16) + cluster_id + epoch
    fields += struct.pack("<IIIQ", 1, 1, 1, 0) + struct.pack("<BQ", CONTROL, number_from)
    for text in (name, "127.0.0.1:1"):
        fields += bytes([len(text)]) + text.encode()
    return fields


class Connection:
    """One to a cluster port."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.sequence = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # refused already

    def read(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except OSError:
                return None
            if not more:
                return None
            data += more
        return data

    def receive(self):
        """(type, payload), or nothing: it ended."""
        header = self.read(40)
        if header is None:
            return None
        _, _, _, kind, size = struct.unpack_from("<IBBHI", header)
        return kind, self.read(size)

    def greet(self, *about, **more):
        """Says hello: the code and sentence of the refusal, or nothing when it is welcome."""
        self.send(frame(HELLO, hello(*about, **more)))
        answer = self.receive()
        assert answer is not None, "neither welcome nor refused"
        kind, payload = answer
        if kind == REFUSED:
            code, _, size = struct.unpack_from("<HQH", payload)
            return code, payload[12:12 + size].decode()
        assert kind == WELCOME, kind
        # number_from stands behind the lane, in front of two texts.
        at = 4 + 8 + 16 + 8 + 16 + 32 + 20 + 1
        self.sequence, = struct.unpack_from("<Q", payload, at)
        self.say(PING, struct.pack("<Q", 1))
        return None

    def say(self, kind, payload):
        self.send(frame(kind, payload, self.sequence))
        self.sequence += 1

    def is_ended(self):
        """By the other side, whatever it still said."""
        while True:
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionError:
                return True
            except OSError:
                return False
