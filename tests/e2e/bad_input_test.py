"""What is wrong gets a clear error and changes nothing."""

import json
import unittest
import urllib.parse

from api_client import BASE, raw_exchange, raw_status
from e2e import RefusalTest

HOOK = {"url": "http://127.0.0.1:9/", "events": ["user.created"]}
EVENT = {"event_type": "user.created", "data": {}}


class BadInputTest(RefusalTest):
    def post(self, path, body, **headers):
        return self.api.request("POST", path, body, headers)

    # ---- JSON

    def test_broken_json_is_named_with_its_place(self):
        for text in (
            b"{",
            b"}",
            b"[1",
            b'{"a"}',
            b'{"a":}',
            b'{"a":1,}',
            b"{'a':1}",
            b"nul",
            b'"',
            b'{"a":1}x',
            b'{"a":1}{"b":2}',
            b"\x00",
            b'{"url":"http://h/"',
            b"<xml/>",
            b'{"a":"\n"}',
        ):
            for path in (f"{BASE}/", "/api/v1/events"):
                answer = self.post(path, text)
                self.assertEqual(422, answer.status, (text, answer))
                self.assertEqual(1, len(answer.json()["detail"]), (path, text, answer))
                [fault] = answer.json()["detail"]
                self.assertEqual(["type", "loc", "msg", "input", "ctx"], list(fault), text)
                self.assertEqual(
                    ("json_invalid", "body", "JSON decode error", {}),
                    (fault["type"], fault["loc"][0], fault["msg"], fault["input"]),
                )
                self.assertIsInstance(fault["loc"][1], int)
                self.assertTrue(fault["ctx"]["error"])

    def test_a_body_that_is_no_object_or_not_there(self):
        for text in (b"[]", b'"x"', b"1", b"true"):
            self.assert_faults(self.post(f"{BASE}/", text), ("model_attributes_type", ["body"]))
        for text in (b"", b"null"):
            answer = self.post(f"{BASE}/", text)
            self.assert_faults(answer, ("missing", ["body"]))
            self.assertIsNone(answer.json()["detail"][0]["input"])

    def test_every_fault_of_a_request_is_told_at_once(self):
        answer = self.post(
            f"{BASE}/",
            {
                "url": "ftp://h/",
                "events": [],
                "name": "",
                "timeout_seconds": "15",
                "max_in_flight": 0,
                "ordered": 1,
                "retry_schedule": [1.5],
                "rate_limit_per_second": 0,
                "headers": [],
                "status": "on",
                "expires_at": "tomorrow",
                "metadata": {"k": 1},
                "description": 5,
                "colour": "red",
            },
        )
        self.assert_faults(
            answer,
            ("url_scheme", ["body", "url"]),
            ("too_short", ["body", "events"]),
            ("string_too_short", ["body", "name"]),
            ("int_type", ["body", "timeout_seconds"]),
            ("greater_than_equal", ["body", "max_in_flight"]),
            ("bool_type", ["body", "ordered"]),
            ("int_from_float", ["body", "retry_schedule", 0]),
            ("greater_than_equal", ["body", "rate_limit_per_second"]),
            ("dict_type", ["body", "headers"]),
            ("literal_error", ["body", "status"]),
            ("datetime_parsing", ["body", "expires_at"]),
            ("string_type", ["body", "metadata", "k"]),
            ("string_type", ["body", "description"]),
            ("extra_forbidden", ["body", "colour"]),
        )

    def test_missing_fields_are_named(self):
        answer = self.post(f"{BASE}/", {"name": "n"})
        self.assert_faults(answer, ("missing", ["body", "url"]), ("missing", ["body", "events"]))
        self.assertEqual({"name": "n"}, answer.json()["detail"][0]["input"])
        self.assert_faults(
            self.post("/api/v1/events", {}),
            ("missing", ["body", "event_type"]),
            ("missing", ["body", "data"]),
        )

    def test_secrets_and_headers_are_masked_in_what_is_echoed(self):
        answer = self.post(
            f"{BASE}/",
            {**HOOK, "secret": "tooshort-pw", "headers": {"X-A": "va\x00lue-pw"}, "x": 1},
        )
        self.assertEqual(422, answer.status, answer)
        self.assertNotIn(b"-pw", answer.body)
        answer = self.post(
            f"{BASE}/", {"secret": "a-long-enough-pw-secret", "headers": {"X-A": "hidden-pw"}}
        )
        self.assertNotIn(b"-pw", answer.body)

    def test_what_is_echoed_is_cut(self):
        answer = self.post(f"{BASE}/", {**HOOK, "name": "n" * 100_000})
        self.assert_faults(answer, ("string_too_long", ["body", "name"]))
        self.assertLess(len(answer.body), 3000)

    def test_another_media_type_is_415(self):
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ):
            answer = self.api.request("POST", f"{BASE}/", b"{}", {"Content-Type": kind})
            self.assert_detail(answer, 415)

    # ---- values

    def test_urls_that_lead_nowhere_good_are_refused(self):
        for url, kind in (
            ("http://u:p@127.0.0.1/", "value_error"),
            ("http://u@127.0.0.1/", "value_error"),
            ("http://127.0.0.1/#f", "value_error"),
            ("http://169.254.169.254/latest", "value_error"),
            ("http://[::ffff:169.254.169.254]/", "value_error"),
            ("http://0xa9fea9fe/", "value_error"),
            ("ftp://h/", "url_scheme"),
            ("file:///etc/passwd", "url_scheme"),
            ("gopher://h/", "url_scheme"),
            ("javascript:alert(1)", "url_scheme"),
            ("", None),
            ("h", None),
            ("http://", None),
            ("http:///p", None),
            ("//h/", None),
            ("http://a b/", None),
            ("http://h:99999/", None),
            ("http://h/\r\nX: y", None),
            ("http://h/ x", None),
            ("http://" + "h" * 2100, None),
        ):
            answer = self.post(f"{BASE}/", {**HOOK, "url": url})
            self.assertEqual(422, answer.status, (url, answer))
            [fault] = answer.json()["detail"]
            self.assertEqual(["body", "url"], fault["loc"], url)
            if kind:
                self.assertEqual(kind, fault["type"], url)
            self.assertNotIn("u:p@", fault["msg"])

    def test_headers_that_would_change_the_request_are_refused(self):
        for name in (
            "Host",
            "host",
            "Content-Length",
            "Content-Type",
            "Transfer-Encoding",
            "Connection",
            "User-Agent",
            "X-ScaiKey-Signature",
            "webhook-id",
            "Upgrade",
            "TE",
            "Keep-Alive",
            "a b",
            "a:b",
            "",
            "é",
            "a\r\nb",
        ):
            answer = self.post(f"{BASE}/", {**HOOK, "headers": {name: "v"}})
            self.assertEqual(422, answer.status, (name, answer))
        for value in ("a\r\nX-Injected: 1", "a\nb", "a\x00"):
            self.assertEqual(
                422, self.post(f"{BASE}/", {**HOOK, "headers": {"X-A": value}}).status, value
            )
        answer = self.post(f"{BASE}/", {**HOOK, "headers": {f"X-{n}": "v" for n in range(21)}})
        self.assertEqual(422, answer.status)

    def test_patterns_that_match_nothing_are_refused_with_the_nearest_type(self):
        for pattern, near in (
            ("user.creatd", "user.created"),
            ("usr.created", "user.created"),
            ("USER.CREATED", ""),
            ("user.", ""),
            ("*.created", ""),
            ("user.*.x", ""),
            ("**", ""),
            ("", ""),
        ):
            answer = self.post(f"{BASE}/", {**HOOK, "events": ["user.created", pattern]})
            self.assertEqual(422, answer.status, (pattern, answer))
            [fault] = answer.json()["detail"]
            self.assertEqual(["body", "events", 1], fault["loc"], pattern)
            self.assertIn(near, fault["msg"])

    def test_query_parameters_out_of_range_are_named(self):
        for query, kind, name in (
            ("page=0", "greater_than_equal", "page"),
            ("page=-1", "greater_than_equal", "page"),
            ("per_page=0", "greater_than_equal", "per_page"),
            ("per_page=201", "less_than_equal", "per_page"),
            ("per_page=1000000000", "less_than_equal", "per_page"),
            ("per_page=99999999999999999999", "less_than_equal", "per_page"),
            ("per_page=1e9", "int_parsing", "per_page"),
            ("page=x", "int_parsing", "page"),
            ("page=", "int_parsing", "page"),
            ("page=1.5", "int_parsing", "page"),
            ("status=on", "literal_error", "status"),
        ):
            answer = self.api.request("GET", f"{BASE}/?{query}")
            self.assert_faults(answer, (kind, ["query", name]))
            self.assertNotIn(b"Traceback", answer.body)
        answer = self.api.request("GET", f"{BASE}/?page=0&per_page=0")
        self.assertEqual(2, len(answer.json()["detail"]))
        empty = self.api.request("GET", f"{BASE}/?page=1000000").json()
        self.assertEqual(([], 1000000), (empty["items"], empty["page"]))
        deepest = self.api.request("GET", f"{BASE}/?page=99999999999999999999")
        self.assertEqual((200, []), (deepest.status, deepest.json()["items"]))

    def test_ids_that_are_sql_or_paths_are_not_found(self):
        for text in (
            "' OR 1=1 --",
            "'; DROP TABLE webhooks; --",
            "../../etc/passwd",
            "..",
            "%",
            "whk_%",
            "\x00",
            "a\x00b",
            "whk_" + "a" * 5000,
            "é",
            "😀",
            "*",
            "whk_0000000000000000",
            "null",
            "-1",
            "<script>",
        ):
            path = f"{BASE}/{urllib.parse.quote(text, safe='')}"
            for method in ("GET", "DELETE", "PATCH"):
                answer = self.api.request(method, path, {} if method == "PATCH" else None)
                self.assertIn(answer.status, (400, 404, 414, 422), (text, method, answer))
                self.assertNotIn(b"sql", answer.body.lower())
        for raw in (b"%ff", b"%", b"%zz", b"%2", b"..%2f..%2fetc", b"a//b", b"./x", b"\xff"):
            line = (
                b"GET "
                + f"{BASE}/".encode()
                + raw
                + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            self.assertIn(raw_status(raw_exchange(self.daemon.socket, line)), (400, 404), raw)

    def test_delivery_ids_that_are_no_numbers_are_named(self):
        made = self.watching
        for text in ("abc", "1.5", "1e3", "0x1", "1;--", " ", "99999999999999999999999"):
            path = f"{BASE}/{made['id']}/deliveries/{urllib.parse.quote(text, safe='')}"
            answer = self.api.request("GET", path)
            self.assertIn(answer.status, (404, 422) if text.isdigit() else (422,), (text, answer))
        self.assert_detail(
            self.api.request("GET", f"{BASE}/{made['id']}/deliveries/-5"), 404, "Delivery not found"
        )

    def test_unknown_paths_and_methods(self):
        for path in (
            "/",
            "/api",
            "/api/v2/events",
            f"{BASE}/x/y/z",
            "/etc/passwd",
            "/api/v1/admin/webhooksx",
        ):
            self.assert_detail(self.api.request("GET", path), 404, "Not Found")
        for method, path, allowed in (
            ("PUT", f"{BASE}/", {"GET", "POST"}),
            ("DELETE", f"{BASE}/", {"GET", "POST"}),
            ("POST", f"{BASE}/whk_0000000000000000", {"GET", "PATCH", "DELETE"}),
            ("GET", "/api/v1/events", {"POST"}),
            ("BREW", f"{BASE}/", {"GET", "POST"}),
        ):
            answer = self.api.request(method, path, b"")
            self.assert_detail(answer, 405, "Method Not Allowed")
            self.assertLessEqual(allowed, {m.strip() for m in answer.headers["Allow"].split(",")})


if __name__ == "__main__":
    unittest.main()
