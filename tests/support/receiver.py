"""A receiver of webhooks over plain sockets: keeps every request byte for byte, and answers (or
misbehaves) as the test says."""

import collections
import dataclasses
import itertools
import socket
import struct
import threading
import time

from polling import PATIENCE

MAX_HEAD = 1 << 20
TLS_HANDSHAKE = b"\x16"
REASONS = {200: "OK", 204: "No Content", 302: "Found", 410: "Gone", 429: "Too Many Requests"}


@dataclasses.dataclass
class Received:
    """A request as it came. Header names keep their case; `header` looks them up without."""

    method: str
    path: str
    version: str
    headers: list
    body: bytes
    at: float  # time.monotonic() when its last byte was read
    wall: float  # time.time() at the same moment
    number: int  # 1, 2, ... among the requests of its path

    def header(self, name):
        values = self.all(name)
        return values[0] if values else None

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclasses.dataclass
class Reply:
    """What is answered. All of it in this order: wait, then headers, then body, then the end."""

    status: int = 200
    headers: tuple = ()
    body: bytes = b""
    delay: float = 0.0  # before the first byte
    gate: threading.Event = None  # waits for it before the first byte
    extra_headers: int = 0  # so many headers that nobody asked for
    drip: float = 0.0  # seconds between single bytes of the body
    endless: bool = False  # the body never ends (until the peer leaves)
    close: bool = False  # no answer, connection closed
    reset: bool = False  # no answer, connection reset
    raw: bytes = None  # these bytes in place of an answer


class Closed(Exception):
    """The peer has gone."""


class Receiver:
    """Listens on 127.0.0.1. Thread-safe. stop() ends every thread and connection."""

    def __init__(self, host="127.0.0.1"):
        self._changed = threading.Condition()
        self._requests = []
        self._counts = collections.Counter()
        self._scripts = {}
        self._sockets = set()
        self._stopped = threading.Event()
        self.connections = 0
        self.malformed = []  # heads that were no HTTP
        self._listener = socket.create_server((host, 0), backlog=1024)
        self.host, self.port = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, path="/hook"):
        return f"http://{self.host}:{self.port}{path}"

    def script(self, path, *replies, then=Reply()):
        """Answers the next requests of `path` with `replies`, one each, later ones with `then`.

        A reply may be a function that takes the request and gives a Reply.
        """
        with self._changed:
            self._scripts[path] = itertools.chain(replies, itertools.repeat(then))

    def requests(self, path=None):
        with self._changed:
            return [r for r in self._requests if path is None or r.path == path]

    def clear(self):
        with self._changed:
            self._requests.clear()
            self._counts.clear()

    def wait_for(self, count, path=None, timeout=20.0):
        """At least `count` requests (of `path`), all there are. AssertionError when they fail to
        come."""
        matching = []

        def arrived():
            matching[:] = [r for r in self._requests if path is None or r.path == path]
            return len(matching) >= count

        with self._changed:
            if not self._changed.wait_for(arrived, timeout * PATIENCE):
                raise AssertionError(f"{len(matching)} of {count} requests at {path or 'any path'}")
            return list(matching)

    def stop(self):
        self._stopped.set()
        for name in ("shutdown", "close"):
            try:
                getattr(self._listener, name)(*((socket.SHUT_RDWR,) if name == "shutdown" else ()))
            except OSError:
                pass
        with self._changed:
            for connection in self._sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._thread.join(5)

    # ---- connections

    def _accept(self):
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._sockets.add(connection)
                self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        buffer = bytearray()
        try:
            while not self._stopped.is_set():
                request = self._read(connection, buffer)
                if request is None:
                    return
                if not self._answer(connection, self._take(request)):
                    return
        except (OSError, Closed):
            pass
        finally:
            with self._changed:
                self._sockets.discard(connection)
            connection.close()

    def _fill(self, connection, buffer):
        data = connection.recv(65536)
        if not data:
            raise Closed
        buffer += data

    def _read(self, connection, buffer):
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if len(buffer) > MAX_HEAD:
                return None
            if buffer[:1] == TLS_HANDSHAKE:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                return None
            self._fill(connection, buffer)
        first, *lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
        del buffer[: end + 4]
        if first.count(" ") != 2:
            self.malformed.append(first)
            return None
        method, path, version = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (l.partition(":") for l in lines)]
        length = sum(int(value) for name, value in headers if name.lower() == "content-length")
        while len(buffer) < length:
            self._fill(connection, buffer)
        body = bytes(buffer[:length])
        del buffer[:length]
        return Received(method, path, version, headers, body, time.monotonic(), time.time(), 0)

    def _take(self, request):
        """Records the request and picks its reply."""
        with self._changed:
            self._counts[request.path] += 1
            request.number = self._counts[request.path]
            self._requests.append(request)
            script = self._scripts.get(request.path)
            reply = next(script) if script else Reply()
            self._changed.notify_all()
        return reply(request) if callable(reply) else reply

    # ---- answers; False: the connection ends

    def _answer(self, connection, reply):
        if reply.delay:
            self._stopped.wait(reply.delay)
        while reply.gate and not reply.gate.wait(0.05):
            if self._stopped.is_set():
                return False
        if reply.reset:
            # Lingering for no time makes close() send RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if reply.close:
            return False
        if reply.raw is not None:
            connection.sendall(reply.raw)
            return False
        connection.sendall(self._head(reply) + (b"" if reply.drip else reply.body))
        if reply.drip:
            self._drip(connection, reply)
        while reply.endless and not self._stopped.is_set():
            connection.sendall(b"x" * 65536)
        return not reply.endless

    def _head(self, reply):
        lines = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Whatever')}"]
        if reply.endless:
            lines.append("Connection: close")
        elif reply.status != 204:
            lines.append(f"Content-Length: {len(reply.body)}")
        lines += [f"{name}: {value}" for name, value in reply.headers]
        lines += [f"X-Extra-{n}: {n}" for n in range(reply.extra_headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _drip(self, connection, reply):
        for position in range(len(reply.body)):
            if self._stopped.wait(reply.drip):
                raise Closed
            connection.sendall(reply.body[position : position + 1])
