"""Text that is none, in every field that takes text: refused where it stands, changing nothing."""

import json
import unittest
import urllib.parse

from api_client import BASE, raw_exchange
from e2e import RefusalTest

# Every route with a body, what such a body needs, and each of its fields that hold text, as the
# path to it. `{id}` is a webhook's.
BODIES = [
    (
        "POST",
        f"{BASE}/",
        {"url": "http://127.0.0.1:9/", "events": ["user.created"]},
        [
            ("name",),
            ("description",),
            ("url",),
            ("events", 0),
            ("tenant_id",),
            ("partner_id",),
            ("status",),
            ("secret",),
            ("headers", "X-A"),
            ("metadata", "k"),
            ("expires_at",),
        ],
    ),
    (
        "PATCH",
        f"{BASE}/{{id}}",
        {},
        [
            ("name",),
            ("description",),
            ("url",),
            ("events", 0),
            ("tenant_id",),
            ("partner_id",),
            ("status",),
            ("headers", "X-A"),
            ("metadata", "k"),
            ("expires_at",),
        ],
    ),
    (
        "POST",
        "/api/v1/events",
        {"event_type": "user.created", "data": {}},
        [
            ("event_type",),
            ("event_id",),
            ("timestamp",),
            ("tenant_id",),
            ("partner_id",),
            ("resource", "type"),
            ("resource", "id"),
            ("actor", "id"),
            ("actor", "type"),
        ],
    ),
    (
        "POST",
        "/api/v1/admin/event-types",
        {"event_type": "order.paid"},
        [("event_type",), ("description",), ("resource_type",)],
    ),
    (
        "POST",
        "/api/v1/admin/tokens",
        {"role": "tenant_admin", "tenant_id": "t"},
        [("role",), ("tenant_id",), ("partner_id",), ("scope",)],
    ),
    ("POST", f"{BASE}/{{id}}/rotate-secret", {}, [("secret",)]),
    ("POST", f"{BASE}/{{id}}/test", {}, [("event_type",)]),
]

# What is JSON of the caller's own, where any text that is one may stand.
DOCUMENTS = [
    ("POST", "/api/v1/events", {"event_type": "user.created"}, ("data", "k")),
    ("POST", f"{BASE}/{{id}}/test", {}, ("data", "k")),
    ("POST", "/api/v1/admin/event-types", {"event_type": "order.paid"}, ("schema", "title")),
]

NO_UTF8 = (
    b"\xff",
    b"\xc3",  # cut off
    b"\xed\xa0\x80",  # a surrogate
    b"\xc0\xaf",  # longer than need be
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
)


def with_text(body, path, text):
    """`body` with `text` at the field's place, and what else the field needs around it."""
    body = json.loads(json.dumps(body))
    first, *rest = path
    if not rest:
        body[first] = text
    elif isinstance(rest[0], int):
        body[first] = [text]
    elif first in ("resource", "actor"):
        body[first] = {"type": "user", "id": "1", rest[0]: text}
    else:
        body[first] = {rest[0]: text}
    return body


class StringsTest(RefusalTest):
    def fields(self):
        for method, path, body, fields in BODIES:
            for field in fields:
                yield method, path.format(id=self.watching["id"]), body, field

    def documents(self):
        for method, path, body, field in DOCUMENTS:
            yield method, path.format(id=self.watching["id"]), body, field

    def test_text_that_is_no_utf8_is_no_json_in_every_field(self):
        for method, path, body, field in (*self.fields(), *self.documents()):
            for bad in NO_UTF8:
                sent = json.dumps(with_text(body, field, "abc@@@")).encode().replace(b"@@@", bad)
                answer = self.api.request(method, path, sent)
                self.assertEqual(422, answer.status, (path, field, bad, answer))
                [fault] = answer.json()["detail"]
                self.assertEqual(
                    ("json_invalid", "body"), (fault["type"], fault["loc"][0]), (path, field, bad)
                )
                self.assertNotIn(bad, answer.body)

    def test_a_member_name_that_is_no_utf8_is_no_json_on_every_route(self):
        for method, path, body, _ in BODIES:
            sent = json.dumps({**body, "@@@": 1}).encode().replace(b"@@@", b"\xff")
            answer = self.api.request(method, path.format(id=self.watching["id"]), sent)
            self.assertEqual(422, answer.status, (path, answer))
            self.assertEqual(["json_invalid"], [f["type"] for f in answer.json()["detail"]])

    def test_nul_and_control_characters_are_refused_in_every_field(self):
        for method, path, body, field in self.fields():
            for bad in ("\x00", "\x1b[2J", "\x7f"):
                text = f"user{bad}abc-0123456789abc"
                answer = self.api.request(method, path, with_text(body, field, text))
                self.assertEqual(422, answer.status, (path, field, bad, answer))
                self.assertEqual(
                    [["body", *field]],
                    [fault["loc"] for fault in answer.json()["detail"]],
                    (path, field, bad),
                )

    def test_lone_surrogates_are_refused_in_every_field(self):
        for method, path, body, field in (*self.fields(), *self.documents()):
            for bad in ("\ud800", "\udc00", "\udc00\ud800"):
                answer = self.api.request(method, path, with_text(body, field, f"user.{bad}"))
                self.assertEqual(422, answer.status, (path, field, answer))

    def test_a_raw_control_character_inside_a_string_is_no_json_in_every_field(self):
        for method, path, body, field in (*self.fields(), *self.documents()):
            for bad in (b"\x00", b"\n", b"\x1f"):
                sent = json.dumps(with_text(body, field, "abc@@@")).encode().replace(b"@@@", bad)
                answer = self.api.request(method, path, sent)
                self.assertEqual(422, answer.status, (path, field, bad, answer))
                self.assertEqual(["json_invalid"], [f["type"] for f in answer.json()["detail"]])

    def test_nul_and_no_utf8_are_refused_in_every_query_parameter(self):
        one = f"{BASE}/{self.watching['id']}"
        for path, names in (
            (f"{BASE}/", ("page", "per_page", "tenant_id", "partner_id", "status", "event_type")),
            (f"{BASE}/", ("name", "q")),
            (f"{one}/deliveries", ("status", "event_type", "since", "until", "response_status")),
            (f"{one}/deliveries", ("cursor", "page", "per_page")),
            ("/api/v1/admin/deliveries", ("webhook_id", "tenant_id", "partner_id", "status")),
            ("/api/v1/admin/events/evt_1", ("tenant_id", "partner_id")),
            (f"{one}/stats", ("window",)),
            ("/api/v1/admin/audit", ("cursor", "per_page")),
        ):
            for name in names:
                for bad in (b"\x00", b"\xff", b"\xed\xa0\x80"):
                    query = urllib.parse.urlencode({name: bad})
                    answer = self.api.request("GET", f"{path}?{query}")
                    self.assertIn(answer.status, (400, 422), (path, name, bad, answer))
                    answer.body.decode()  # what is echoed is UTF-8

    def test_control_characters_in_a_header_are_400_and_only_a_sane_request_id_is_echoed(self):
        for value, status in (
            (b"\x00", b"400"),
            (b"a\x00b", b"400"),
            (b"\x7f", b"400"),
            (b"\x1b[2J", b"400"),
            (b"\xff", b"200"),
            (b"\xc3\xa9", b"200"),
            (b"a b", b"200"),
            (b"x" * 300, b"200"),
        ):
            head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + value
            answer = raw_exchange(self.daemon.socket, head + b"\r\nConnection: close\r\n\r\n")
            self.assertEqual(status, answer.split(b" ", 2)[1], value)
            self.assertEqual(1, answer.count(b"\r\nX-Request-ID: "), value)
            self.assertNotIn(b"X-Request-ID: " + value, answer)
        sane = self.api.request("GET", "/healthz", headers={"X-Request-ID": "ok-1"})
        self.assertEqual("ok-1", sane.headers["X-Request-ID"])


if __name__ == "__main__":
    unittest.main()
