"""The REST API over either door, and raw bytes for requests that no client would make."""

import http.client
import json
import socket
import threading
import urllib.parse

from polling import PATIENCE

BASE = "/api/v1/admin/webhooks"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


def query_text(query):
    sent = {key: value for key, value in query.items() if value is not None}
    return "?" + urllib.parse.urlencode(sent) if sent else ""


class ApiClient:
    """`door` is a socket path or (host, port). Thread-safe: each thread keeps a connection."""

    def __init__(self, door, token=None, timeout=30.0):
        self._door, self._token, self._timeout = door, token, timeout * PATIENCE
        self._local = threading.local()

    def _connection(self):
        if getattr(self._local, "connection", None) is None:
            if isinstance(self._door, tuple):
                made = http.client.HTTPConnection(*self._door, timeout=self._timeout)
            else:
                made = UnixConnection(self._door, self._timeout)
            self._local.connection = made
        return self._local.connection

    def __del__(self):
        self.close()

    def close(self):
        """The calling thread's connection."""
        if getattr(self._local, "connection", None) is not None:
            self._local.connection.close()
            self._local.connection = None

    def request(self, method, path, body=None, headers=None):
        """`body`: bytes as they are, anything else as JSON. OSError when no answer comes."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if self._token:
            sent.setdefault("Authorization", f"Bearer {self._token}")
        try:
            connection = self._connection()
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise error if isinstance(error, OSError) else OSError(repr(error)) from error

    def _expect(self, status, *request):
        answer = self.request(*request)
        if answer.status != status:
            raise AssertionError(f"{request[0]} {request[1]}: {status} expected, got {answer}")
        return answer.json() if answer.body else None

    # ---- the calls that tests make often; AssertionError for any other status

    def create(self, url, events=("*",), **fields):
        body = {"url": url, "events": list(events), **fields}
        return self._expect(201, "POST", f"{BASE}/", body)

    def webhook(self, webhook):
        return self._expect(200, "GET", f"{BASE}/{webhook}")

    def update(self, webhook, **fields):
        return self._expect(200, "PATCH", f"{BASE}/{webhook}", fields)

    def delete(self, webhook):
        return self._expect(204, "DELETE", f"{BASE}/{webhook}")

    def publish(self, event_type="user.created", data=None, **fields):
        body = {"event_type": event_type, "data": {} if data is None else data, **fields}
        return self._expect(202, "POST", "/api/v1/events", body)

    def deliveries(self, webhook, **query):
        return self._expect(200, "GET", f"{BASE}/{webhook}/deliveries{query_text(query)}")

    def delivery(self, webhook, delivery):
        return self._expect(200, "GET", f"{BASE}/{webhook}/deliveries/{delivery}")

    def retry(self, webhook, delivery, **query):
        path = f"{BASE}/{webhook}/deliveries/{delivery}/retry{query_text(query)}"
        return self._expect(200, "POST", path)

    def rotate(self, webhook, **body):
        return self._expect(200, "POST", f"{BASE}/{webhook}/rotate-secret", body)

    def test(self, webhook, **body):
        return self._expect(200, "POST", f"{BASE}/{webhook}/test", body)

    def stats(self, webhook, **query):
        return self._expect(200, "GET", f"{BASE}/{webhook}/stats{query_text(query)}")

    def token(self, **claims):
        return self._expect(200, "POST", "/api/v1/admin/tokens", claims)["token"]


def connect(door, timeout=30.0):
    """A plain socket to a door."""
    if isinstance(door, tuple):
        made = socket.create_connection(door, timeout=timeout * PATIENCE)
    else:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(timeout * PATIENCE)
        made.connect(str(door))
    return made


def raw_exchange(door, data, timeout=30.0):
    """All bytes that come back for `data`, until the peer closes. OSError on a timeout."""
    with connect(door, timeout) as connection:
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent: the answer is what counts
        received = bytearray()
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return bytes(received)


def raw_status(answer):
    """The status of the first answer in raw bytes; None when there is none."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) == 3 and words[0].startswith(b"HTTP/1.") else None
