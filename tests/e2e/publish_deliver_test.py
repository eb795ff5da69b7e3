"""What a receiver gets for an event that was published."""

import json
import re
import time
import unittest

from api_client import BASE
from e2e import DaemonTest
from receiver import Reply

ULID = re.compile(r"evt_[0-9A-HJKMNP-TV-Z]{26}")
DIGITS = b'{"n": 0.10, "big": 123456789012345678901234567890, "\xc3\xbc": "\xc3\xa9"}'


class PublishDeliverTest(DaemonTest):
    def publish_raw(self, body):
        answer = self.api.request("POST", "/api/v1/events", body)
        self.assertEqual(202, answer.status, answer)
        return answer.json()

    def test_the_digits_of_every_number_arrive_as_they_were_published(self):
        webhook, path = self.webhook()
        sent = self.publish_raw(
            b'{"event_type":"user.created","data":' + DIGITS + b',"timestamp":'
            b'"2026-11-23T10:00:00.5+02:00","event_id":"evt_digits"}'
        )
        self.assertEqual(1, sent["deliveries"])
        [request] = self.delivered(path)
        self.assertEqual(
            b'{"data":{"big":123456789012345678901234567890,"n":0.10,"\\u00fc":"\\u00e9"},'
            b'"event_id":"evt_digits","event_type":"user.created",'
            b'"timestamp":"2026-11-23T08:00:00.500Z"}',
            request.body,
        )
        self.assert_signed(webhook["secret"], request)

    def test_the_body_is_what_python_writes_with_sorted_keys(self):
        webhook, path = self.webhook()
        event = {
            "event_type": "user.created",
            "event_id": "evt_full",
            "data": {"z": [1, None], "a": "ß€😀"},
            "timestamp": "2026-11-23T09:00:00.000Z",
            "resource": {"type": "user", "id": "usr_1"},
            "actor": {"type": "admin", "id": "usr_2"},
            "tenant_id": "tnt_1",
            "partner_id": "prt_1",
        }
        self.publish_raw(json.dumps(event, ensure_ascii=False).encode())
        [request] = self.delivered(path)
        self.assertEqual(
            json.dumps(event, separators=(",", ":"), sort_keys=True).encode(), request.body
        )
        self.assert_signed(webhook["secret"], request)

    def test_absent_and_null_members_are_left_out_and_defaults_filled_in(self):
        _, path = self.webhook()
        sent = self.api.publish(
            data={"k": None},
            actor=None,
            resource=None,
            tenant_id=None,
            event_id=None,
            timestamp=None,
        )
        [request] = self.delivered(path)
        body = json.loads(request.body)
        self.assertEqual(["data", "event_id", "event_type", "timestamp"], list(body))
        self.assertEqual({"k": None}, body["data"])
        self.assertRegex(sent["event_id"], ULID)
        self.assertEqual(sent["event_id"], body["event_id"])
        self.assertRegex(body["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_every_header_says_what_the_contract_says(self):
        webhook, path = self.webhook(headers={"X-Team": "blue", "Authorization": "Bearer hidden"})
        sent = self.api.publish()
        [request] = self.delivered(path)
        delivery = self.only_delivery(webhook)
        self.assertEqual(("POST", "HTTP/1.1"), (request.method, request.version))
        expected = {
            "Content-Type": "application/json",
            "User-Agent": "ScaiKey-Webhook/1.0",
            "X-ScaiKey-Webhook-ID": str(delivery["id"]),
            "X-ScaiKey-Event-ID": sent["event_id"],
            "X-ScaiKey-Event-Type": "user.created",
            "X-ScaiKey-Attempt": "1",
            "webhook-id": sent["event_id"],
            "Content-Length": str(len(request.body)),
            "X-Team": "blue",
            "Authorization": "Bearer hidden",
            "Host": f"127.0.0.1:{self.receiver.port}",
        }
        for name, value in expected.items():
            self.assertEqual([value], request.all(name), name)
        for name in ("X-ScaiKey-Timestamp", "webhook-timestamp"):
            self.assertAlmostEqual(time.time(), int(request.header(name)), delta=30)
        self.assertEqual([], request.all("Expect") + request.all("Transfer-Encoding"))
        self.assertEqual([], self.receiver.malformed)

    def test_one_secret_makes_one_signature_of_each_scheme(self):
        webhook, path = self.webhook()
        self.api.publish()
        [request] = self.delivered(path)
        self.assertEqual(1, request.header("X-ScaiKey-Signature").count("v1="))
        self.assertEqual(1, len(request.header("webhook-signature").split(" ")))
        self.assert_signed(webhook["secret"], request)
        self.assert_not_signed(webhook["secret"][:-4] + "AAA=", request)

    def test_a_secret_of_the_callers_own_has_no_standard_signature(self):
        secret = "correct horse battery staple"
        made, path = self.webhook(secret=secret)
        self.assertEqual((secret, "aple"), (made["secret"], made["secret_hint"]))
        self.api.publish()
        [request] = self.delivered(path)
        self.assertEqual([], [n for n, _ in request.headers if n.lower().startswith("webhook-")])
        self.assert_signed(secret, request)

    def test_the_secret_is_shown_only_when_it_is_made(self):
        webhook, _ = self.webhook()
        shown = [self.api.webhook(webhook["id"]), self.api.update(webhook["id"], description="x")]
        shown += self.api.request("GET", f"{BASE}/").json()["items"]
        self.assertNotIn(webhook["secret"], json.dumps(shown))
        self.assertEqual(webhook["secret"][-4:], shown[0]["secret_hint"])

    def test_only_matching_patterns_get_an_event(self):
        hooks = {}
        for patterns in (
            ["user.created"],
            ["user.*"],
            ["*"],
            ["group.*"],
            ["user.deleted", "user.*"],
        ):
            hooks[" ".join(patterns)] = self.webhook(events=patterns)[1]
        self.assertEqual(4, self.api.publish("user.created")["deliveries"])
        self.assertEqual(2, self.api.publish("group.created")["deliveries"])
        wanted = {"user.created": 1, "user.*": 1, "*": 2, "group.*": 1, "user.deleted user.*": 1}
        for patterns, count in wanted.items():
            self.assertEqual(count, len(self.delivered(hooks[patterns], count)), patterns)

    def test_what_is_bound_gets_only_events_of_its_tenant_and_partner(self):
        self.webhook()
        self.webhook(tenant_id="tnt_a")
        self.webhook(partner_id="prt_a")
        self.webhook(tenant_id="tnt_a", partner_id="prt_a")
        self.assertEqual(1, self.api.publish()["deliveries"])
        self.assertEqual(2, self.api.publish(tenant_id="tnt_a")["deliveries"])
        self.assertEqual(2, self.api.publish(partner_id="prt_a")["deliveries"])
        self.assertEqual(4, self.api.publish(tenant_id="tnt_a", partner_id="prt_a")["deliveries"])
        self.assertEqual(1, self.api.publish(tenant_id="tnt_b")["deliveries"])

    def test_each_event_arrives_exactly_once_in_normal_running(self):
        webhook, path = self.webhook()
        ids = [self.api.publish(data={"n": n})["event_id"] for n in range(300)]
        self.delivered(path, len(ids))
        self.daemon.wait_deliveries(webhook["id"], len(ids), status="succeeded", per_page=1)
        requests = self.receiver.requests(path)
        self.assertEqual(sorted(ids), sorted(r.header("X-ScaiKey-Event-ID") for r in requests))
        for request in requests:
            self.assert_signed(webhook["secret"], request)
        self.assertEqual(300, self.api.stats(webhook["id"])["succeeded"])

    def test_the_delivery_tells_what_was_sent_and_answered_with_secrets_masked(self):
        webhook, path = self.webhook(
            Reply(201, (("X-Trace", "abc"), ("Set-Cookie", "c=1")), b"th\xc3\xa4nks"),
            headers={"X-Api-Key": "k-12345", "X-Plain": "p"},
        )
        self.api.publish()
        detail = self.finished(webhook, "succeeded")
        [request] = self.delivered(path)
        [attempt] = detail["attempts"]
        self.assertEqual({"url": webhook["url"], "body": request.body.decode()}, detail["request"])
        self.assertEqual(
            (1, "automatic", 201),
            (attempt["number"], attempt["trigger"], attempt["response_status"]),
        )
        self.assertEqual("thänks", attempt["response_body"])
        self.assertEqual(f"127.0.0.1:{self.receiver.port}", attempt["remote_address"])
        text = json.dumps(detail)
        self.assertNotIn("k-12345", text)
        self.assertNotIn("c=1", text)
        self.assertIn('"p"', json.dumps(attempt["request_headers"]))
        self.assertIn('"abc"', json.dumps(attempt["response_headers"]))
        self.assertEqual(
            (1, 201, None), (detail["attempt_count"], detail["response_status"], detail["error"])
        )

    def test_a_body_that_is_no_text_is_kept_as_base64_and_cut_at_16_kib(self):
        webhook, _ = self.webhook(Reply(200, body=b"\xff\xfe\x00"), Reply(200, body=b"x" * 40000))
        for _ in range(2):
            self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 2, status="succeeded")
        attempts = [
            self.api.delivery(webhook["id"], d["id"])["attempts"][0]
            for d in self.api.deliveries(webhook["id"])["items"]
        ]
        bodies = {(a["response_body"], a.get("response_body_encoding")) for a in attempts}
        self.assertEqual({("//4A", "base64"), ("x" * 16384, None)}, bodies)

    def test_an_event_can_be_asked_for_with_its_deliveries(self):
        webhook, _ = self.webhook()
        sent = self.api.publish(data={"answer": 42})
        self.finished(webhook, "succeeded")
        answer = self.api.request("GET", f"/api/v1/admin/events/{sent['event_id']}")
        self.assertEqual(200, answer.status, answer)
        self.assertIn(webhook["id"], answer.body.decode())
        self.assert_detail(self.api.request("GET", "/api/v1/admin/events/evt_none"), 404)

    def test_an_unknown_type_is_refused_with_the_nearest_one_and_can_be_added(self):
        body = {"event_type": "order.paid", "data": {}}
        answer = self.api.request("POST", "/api/v1/events", {**body, "event_type": "user.creatd"})
        self.assert_faults(answer, ("value_error", ["body", "event_type"]))
        self.assertIn("user.created", answer.json()["detail"][0]["msg"])
        self.assertEqual(422, self.api.request("POST", "/api/v1/events", body).status)
        made = self.api.request("POST", "/api/v1/admin/event-types", {"event_type": "order.paid"})
        self.assertIn(made.status, (200, 201), made)
        _, path = self.webhook(events=["order.*"])
        self.assertEqual(1, self.api.publish("order.paid")["deliveries"])
        self.delivered(path)

    def test_an_event_of_almost_the_limit_arrives_whole(self):
        data = {"x": "y" * ((1 << 20) - 200)}
        _, path = self.webhook()
        self.api.publish(data=data)
        [request] = self.delivered(path)
        self.assertEqual(data, json.loads(request.body)["data"])

    def test_the_daemons_own_types_cannot_be_published(self):
        for event_type in ("webhook.test", "webhook.disabled", "webhook.recovered"):
            answer = self.api.request(
                "POST", "/api/v1/events", {"event_type": event_type, "data": {}}
            )
            self.assert_faults(answer, ("value_error", ["body", "event_type"]))


if __name__ == "__main__":
    unittest.main()
