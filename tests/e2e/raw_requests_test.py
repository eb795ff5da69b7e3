"""Requests that no client would make, byte for byte, at both doors."""

import json
import unittest

from api_client import BASE, connect, raw_exchange, raw_status
from e2e import RefusalTest

HOOK = {"url": "http://127.0.0.1:9/", "events": ["user.created"]}
EVENT = {"event_type": "user.created", "data": {}}


class RawRequestsTest(RefusalTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        token = f"Authorization: Bearer {cls.api.token(role='super_admin')}\r\n".encode()
        # Each door with the header that lets a super_admin in.
        cls.doors = ((cls.daemon.socket, b""), (cls.daemon.tcp, token))

    def raw(self, head, body=b"", door=None):
        """The status for a request written by hand; the connection is closed after it."""
        return raw_status(raw_exchange(door or self.daemon.socket, head + b"\r\n\r\n" + body))

    def test_a_body_over_the_limit_is_413_on_every_route_at_both_doors(self):
        two_mib = json.dumps({**EVENT, "data": {"x": "y" * (2 << 20)}}).encode()
        sized = b"Content-Length: %d" % len(two_mib)
        chunk = b"%x\r\n" % len(two_mib) + two_mib + b"\r\n0\r\n\r\n"
        one = f"{BASE}/{self.watching['id']}"
        for door, token in self.doors:
            for line in (
                "POST /api/v1/events",
                f"POST {BASE}/",
                f"PATCH {one}",
                f"DELETE {one}",
                f"POST {one}/rotate-secret",
                f"POST {one}/test",
                f"POST {one}/deliveries/1/retry",
                "POST /api/v1/admin/event-types",
                "POST /api/v1/admin/tokens",
                "GET /healthz",
            ):
                head = f"{line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
                self.assertEqual(413, self.raw(head + token + sized, two_mib, door), line)
                chunked = head + token + b"Transfer-Encoding: chunked"
                self.assertEqual(413, self.raw(chunked, chunk, door), line)
                huge = head + token + b"Content-Length: 99999999999"
                self.assertEqual(413, self.raw(huge, b"x", door), line)

    def test_too_many_or_too_long_headers_are_431_and_a_long_line_414_at_both_doors(self):
        many = b"".join(b"\r\nX-%d: 1" % n for n in range(10_000))
        for door, _ in self.doors:
            get = b"GET /healthz HTTP/1.1\r\nHost: x"
            self.assertEqual(431, self.raw(get + many, door=door))
            self.assertEqual(431, self.raw(get + b"\r\nX-A: " + b"a" * (4 << 20), door=door))
            line = b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x"
            self.assertEqual(414, self.raw(line, door=door))

    def test_framing_that_two_programs_could_read_differently_is_refused(self):
        post = b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        for head in (
            b"Content-Length: 2\r\nContent-Length: 3",
            b"Content-Length: 2\r\nTransfer-Encoding: chunked",
            b"Content-Length: -1",
            b"Content-Length: 0x2",
            b"Content-Length: 2 2",
            b"Content-Length: +2",
            b"Transfer-Encoding: gzip",
            b"Transfer-Encoding: chunked, chunked",
            b"Content-Length : 2",
            b"X-A: 1\r\n folded: 2\r\nContent-Length: 2",
            b" Content-Length: 2",
            b"X\x00: 1\r\nContent-Length: 2",
        ):
            self.assertIn(self.raw(post + head, b"{}"), (400, 501), head)
        for line in (
            b"GET /healthz",
            b"GET  /healthz HTTP/1.1",
            b"GET /healthz HTTP/1.1 x",
            b"GET /heal\x00thz HTTP/1.1",
            b"\x16\x03\x01\x02\x00",
            b"GET healthz HTTP/1.1",
            b"G\x7fT /healthz HTTP/1.1",
        ):
            self.assertEqual(400, self.raw(line + b"\r\nHost: x"), line)
        self.assertIn(self.raw(b"GET /healthz HTTP/3.0\r\nHost: x"), (400, 505))
        self.assertEqual(400, self.raw(b"GET /healthz HTTP/1.1"))  # no Host
        self.assertEqual(400, self.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y"))

    def test_what_follows_a_refused_request_is_not_read_as_the_next_one(self):
        smuggled = b"POST /api/v1/admin/webhooks/ HTTP/1.1\r\nHost: x\r\n"
        smuggled += b"Content-Type: application/json\r\n"
        body = json.dumps(HOOK).encode()
        smuggled += b"Content-Length: %d\r\n\r\n" % len(body) + body
        answer = raw_exchange(
            self.daemon.socket,
            b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Content-Length: 2\r\n\r\n" + smuggled,
        )
        self.assertEqual((400, 1), (raw_status(answer), answer.count(b"HTTP/1.1 ")))

    def test_clients_that_say_nothing_hold_nobody_up(self):
        silent = [connect(self.daemon.socket) for _ in range(100)] + [
            connect(self.daemon.tcp) for _ in range(100)
        ]
        try:
            for half in silent:
                half.sendall(
                    b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
                )
            self.api.close()
            self.assertEqual(200, self.api.request("GET", f"{BASE}/").status)
            self.assertEqual(200, self.daemon.tcp_api().request("GET", "/healthz").status)
        finally:
            for half in silent:
                half.close()


if __name__ == "__main__":
    unittest.main()
