"""Links between the nodes of a cluster that can be cut one way, both ways, or made slow: every node reaches every other one
through a relay of ours."""

import contextlib
import selectors
import socket
import threading
import time


class Links:
    """Relays between nodes on loopback: address(a, b) is where node a finds node b."""

    def __init__(self, addresses):
        self.selector = selectors.DefaultSelector()
        self.cut_ways = set()  # (from, to): what `from` says is kept from `to`, and so is the end of its connection
        self.delay = 0.0
        self.listeners, self.places, self.streams = {}, {}, []
        for a in addresses:
            for b, target in addresses.items():
                if a != b:
                    listener = socket.create_server(("127.0.0.1", 0))
                    listener.setblocking(False)
                    self.places[a, b] = "127.0.0.1:%d" % listener.getsockname()[1]
                    self.listeners[listener] = (a, b, target)
                    self.selector.register(listener, selectors.EVENT_READ)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def address(self, a, b):
        return self.places[a, b]

    def cut(self, a, b, both_ways=True):
        self.cut_ways |= {(a, b), (b, a)} if both_ways else {(a, b)}

    def isolate(self, node, others):
        for other in others:
            self.cut(node, other)

    def heal(self):
        self.cut_ways = set()
        self.delay = 0.0

    def close(self):
        self.stopping.set()
        self.thread.join(10)
        for listener in self.listeners:
            listener.close()
        for stream in self.streams:
            stream.close()
        self.selector.close()

    def _run(self):
        while not self.stopping.is_set():
            for key, _ in self.selector.select(0.005):
                if key.fileobj in self.listeners:
                    self._accept(key.fileobj)
                else:
                    key.data.receive()
            now = time.monotonic()
            for stream in self.streams:
                stream.forward(now)
            self.streams = [stream for stream in self.streams if not stream.is_over]

    def _accept(self, listener):
        a, b, target = self.listeners[listener]
        near, _ = listener.accept()
        host, port = target.rsplit(":", 1)
        try:
            if {(a, b), (b, a)} & self.cut_ways:
                raise OSError("cut")
            far = socket.create_connection((host, int(port)), timeout=1)
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there, back = Stream(self, near, far, (a, b)), Stream(self, far, near, (b, a))
        there.twin, back.twin = back, there
        self.streams += [there, back]


class Stream:
    """One direction of one connection."""

    def __init__(self, links, source, sink, way):
        self.links, self.source, self.sink, self.way = links, source, sink, way
        self.waiting = []  # [when it came, bytes]
        self.ended = self.is_over = False
        links.selector.register(source, selectors.EVENT_READ, self)

    def receive(self):
        data = b""
        with contextlib.suppress(OSError):
            data = self.source.recv(65536)
        if data:
            self.waiting.append([time.monotonic(), data])
        else:
            self.ended = True
            self.links.selector.unregister(self.source)

    def forward(self, now):
        if self.is_over or self.way in self.links.cut_ways:
            return
        while self.waiting and self.waiting[0][0] + self.links.delay <= now:
            try:
                sent = self.sink.send(self.waiting[0][1])
            except BlockingIOError:
                return
            except OSError:
                return self.end()
            self.waiting[0][1] = self.waiting[0][1][sent:]
            if self.waiting[0][1]:
                return
            del self.waiting[0]
        if self.ended and not self.waiting:
            self.end()

    def end(self):
        for stream in (self, self.twin):
            stream.is_over = True
            stream.close()

    def close(self):
        if not self.ended:
            with contextlib.suppress(KeyError, ValueError):
                self.links.selector.unregister(self.source)
            self.ended = True
        self.source.close()
