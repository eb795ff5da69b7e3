"""The same event published more than once."""

import threading
import unittest

from api_client import ApiClient
from e2e import DaemonTest
from polling import PATIENCE

EVENTS = "/api/v1/events"


class IdempotencyTest(DaemonTest):
    def publish(self, event_id, api=None, **fields):
        body = {"event_type": "user.created", "data": {"n": 1}, "event_id": event_id, **fields}
        return (api or self.api).request("POST", EVENTS, body)

    def bystander(self):
        _, path = self.webhook()
        self.api.publish()
        self.delivered(path)

    def test_the_same_again_is_a_duplicate_and_delivered_once(self):
        webhook, path = self.webhook()
        first, second = self.publish("evt_same"), self.publish("evt_same")
        self.assertEqual((202, 200), (first.status, second.status))
        self.assertEqual(
            {
                "event_id": "evt_same",
                "event_type": "user.created",
                "deliveries": 1,
                "duplicate": False,
            },
            first.json(),
        )
        self.assertEqual({**first.json(), "duplicate": True}, second.json())
        self.delivered(path)
        self.bystander()
        self.assertEqual(
            1,
            len([r for r in self.receiver.requests(path) if r.header("webhook-id") == "evt_same"]),
        )

    def test_the_same_content_may_be_spelled_otherwise(self):
        text = (
            b'{"event_id":"evt_spelled","event_type":"user.created","data":{"a":1,"b":"\xc3\xa9"}}'
        )
        other = b'{ "data": {"b": "\\u00e9", "a": 1}, "event_type": "user.created", '
        other += b'"event_id": "evt_spelled" }'
        self.assertEqual(202, self.api.request("POST", EVENTS, text).status)
        answer = self.api.request("POST", EVENTS, other)
        self.assertEqual((200, True), (answer.status, answer.json()["duplicate"]))

    def test_the_same_id_with_other_content_is_409_and_changes_nothing(self):
        _, path = self.webhook()
        self.assertEqual(202, self.publish("evt_clash").status)
        for other in (
            {"data": {"n": 2}},
            {"event_type": "user.deleted"},
            {"actor": {"id": "a", "type": "t"}},
            {"data": {"n": 1.0}},
        ):
            self.assert_detail(self.publish("evt_clash", **other), 409)
        self.assertEqual(200, self.publish("evt_clash").status)
        self.bystander()
        self.assertEqual(
            1,
            len([r for r in self.receiver.requests(path) if r.header("webhook-id") == "evt_clash"]),
        )

    def test_an_id_is_unique_within_its_tenant_and_partner(self):
        for binding in (
            {},
            {"tenant_id": "t1"},
            {"tenant_id": "t2"},
            {"partner_id": "p"},
            {"tenant_id": "t1", "partner_id": "p"},
        ):
            self.assertEqual(202, self.publish("evt_shared", **binding).status, binding)
            self.assertEqual(200, self.publish("evt_shared", **binding).status, binding)

    def test_what_the_principal_fills_in_belongs_to_the_content(self):
        tenant = self.daemon.minted(role="tenant_admin", tenant_id="t_own")
        self.assertEqual(202, self.publish("evt_filled", tenant).status)
        self.assertEqual(200, self.publish("evt_filled", tenant, tenant_id="t_own").status)

    def test_many_at_once_with_one_id_make_one_event(self):
        webhook, path = self.webhook()
        barrier = threading.Barrier(12)
        answers = []

        def send():
            api = ApiClient(self.daemon.socket)
            api.request("GET", "/healthz")  # the connection is open before all start together
            barrier.wait(10 * PATIENCE)
            answers.append(self.publish("evt_race", api))
            api.close()

        threads = [threading.Thread(target=send) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30 * PATIENCE)
        self.assertEqual([200] * 11 + [202], sorted(a.status for a in answers))
        self.assertEqual({1}, {a.json()["deliveries"] for a in answers})
        self.delivered(path)
        self.bystander()
        self.assertEqual(
            1,
            len([r for r in self.receiver.requests(path) if r.header("webhook-id") == "evt_race"]),
        )
        self.assertEqual(2, self.api.deliveries(webhook["id"])["total"])

    def test_a_duplicate_survives_a_restart(self):
        _, path = self.webhook()
        self.assertEqual(202, self.publish("evt_restart").status)
        self.delivered(path)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(200, self.publish("evt_restart").status)
        self.assert_detail(self.publish("evt_restart", data={}), 409)

    def test_ids_that_are_no_ids_are_refused(self):
        for event_id in (
            "",
            "a" * 65,
            "a b",
            "a/b",
            "é",
            "a\x00b",
            "a\nb",
            "'; DROP TABLE events; --",
        ):
            answer = self.publish(event_id)
            self.assertEqual(422, answer.status, answer)
            self.assertEqual(["body", "event_id"], answer.json()["detail"][0]["loc"])


if __name__ == "__main__":
    unittest.main()
