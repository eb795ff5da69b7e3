"""Pausing, resuming, disabling, deleting, and changing a webhook."""

import threading
import unittest

from api_client import BASE
from e2e import DaemonTest
from receiver import Reply


class WebhookStatusTest(DaemonTest):
    def gate(self):
        """Holds a receiver's answer back until it is set, at the test's end at the latest."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        return gate

    def bystander(self):
        """Publishes, and returns once another webhook has got the event: what was to be sent to
        anybody has been sent by then."""
        other, path = self.webhook()
        sent = self.api.publish()
        self.delivered(path)
        self.api.delete(other["id"])
        return sent

    def test_a_paused_webhook_keeps_its_deliveries_and_sends_them_when_resumed(self):
        webhook, path = self.webhook()
        self.assertEqual("paused", self.api.update(webhook["id"], status="paused")["status"])
        ids = [self.bystander()["event_id"] for _ in range(3)]
        self.assertEqual([], self.receiver.requests(path))
        self.assertEqual(
            ["pending"] * 3, [d["status"] for d in self.api.deliveries(webhook["id"])["items"]]
        )
        self.assertEqual(3, self.api.webhook(webhook["id"])["backlog"])
        self.api.update(webhook["id"], status="active")
        self.assertEqual(
            sorted(ids), sorted(r.header("webhook-id") for r in self.delivered(path, 3))
        )
        self.daemon.wait_deliveries(webhook["id"], 3, status="succeeded")

    def test_a_retry_that_is_due_waits_while_the_webhook_is_paused(self):
        gate = self.gate()
        webhook, path = self.webhook(Reply(500, gate=gate))
        self.api.publish()
        self.delivered(path)
        self.api.update(webhook["id"], status="paused")
        gate.set()
        self.daemon.wait_deliveries(webhook["id"], 1, status="pending")
        # A retry of the same age elsewhere has come and gone.
        _, other = self.webhook(Reply(500), Reply(500))
        self.api.publish()
        self.delivered(other, 3)
        self.assertEqual(1, len(self.receiver.requests(path)))
        self.api.update(webhook["id"], status="active")
        self.delivered(path, 3)

    def test_a_disabled_webhook_makes_no_deliveries_and_loses_what_waits(self):
        webhook, path = self.webhook()
        self.api.update(webhook["id"], status="paused")
        self.bystander()
        self.api.update(webhook["id"], status="disabled")
        self.assertEqual("cancelled", self.only_delivery(webhook)["status"])
        self.bystander()
        self.assertEqual(1, self.api.deliveries(webhook["id"])["total"])
        self.assertIsNotNone(self.api.webhook(webhook["id"])["disabled_at"])
        self.api.update(webhook["id"], status="active")
        self.assertIsNone(self.api.webhook(webhook["id"])["disabled_at"])
        sent = self.bystander()
        self.assertEqual([sent["event_id"]], [r.header("webhook-id") for r in self.delivered(path)])

    def test_once_a_deletion_is_answered_nothing_is_sent_any_more(self):
        gate = self.gate()
        webhook, path = self.webhook(Reply(500, gate=gate), retry_schedule=[1], max_in_flight=1)
        for _ in range(2):  # one under way that will fail, one that waits for it
            self.api.publish()
        self.delivered(path)
        self.api.delete(webhook["id"])
        gate.set()
        _, other = self.webhook(Reply(500), Reply(500))
        self.api.publish()
        self.delivered(other, 3)  # two seconds of retries
        self.assertEqual(1, len(self.receiver.requests(path)))
        for method, rest in (
            ("GET", ""),
            ("DELETE", ""),
            ("PATCH", ""),
            ("GET", "/deliveries"),
            ("GET", "/stats"),
            ("POST", "/test"),
            ("POST", "/rotate-secret"),
            ("GET", "/deliveries/1"),
        ):
            answer = self.api.request(
                method, f"{BASE}/{webhook['id']}{rest}", {} if method == "PATCH" else None
            )
            self.assert_detail(answer, 404, "Webhook not found")

    def test_a_deleted_name_is_free_again(self):
        made, _ = self.webhook(name="phoenix")
        taken = self.api.request(
            "POST", f"{BASE}/", {"url": "http://127.0.0.1/", "events": ["*"], "name": "phoenix"}
        )
        self.assert_detail(taken, 409)
        self.api.delete(made["id"])
        again, _ = self.webhook(name="phoenix")
        self.assertNotEqual(made["id"], again["id"])

    def test_a_change_applies_to_what_is_sent_next(self):
        webhook, path = self.webhook(headers={"X-A": "1"})
        moved = self.path()
        self.api.update(webhook["id"], url=self.receiver.url(moved), headers={"X-B": "2"})
        self.api.publish()
        [request] = self.delivered(moved)
        self.assertEqual((None, "2"), (request.header("X-A"), request.header("X-B")))
        self.assertEqual([], self.receiver.requests(path))

    def test_only_the_fields_that_were_sent_change_and_null_resets(self):
        webhook, _ = self.webhook(
            description="d", retry_schedule=[5], rate_limit_per_second=2.5, metadata={"k": "v"}
        )
        before = self.api.webhook(webhook["id"])
        after = self.api.update(webhook["id"], description=None, retry_schedule=None)
        changed = {k for k in after if after[k] != before[k]} - {"updated_at"}
        self.assertEqual({"description", "retry_schedule"}, changed)
        self.assertEqual(
            (None, None, 2.5, {"k": "v"}),
            (
                after["description"],
                after["retry_schedule"],
                after["rate_limit_per_second"],
                after["metadata"],
            ),
        )

    def test_a_masked_header_that_is_sent_back_keeps_its_value(self):
        webhook, path = self.webhook(headers={"X-Token": "t-777", "X-Open": "o"})
        shown = self.api.webhook(webhook["id"])["headers"]
        self.assertEqual({"X-Token": "***", "X-Open": "o"}, shown)
        self.api.update(webhook["id"], headers={**shown, "X-New": "n"})
        self.api.publish()
        [request] = self.delivered(path)
        self.assertEqual(
            ("t-777", "o", "n"), tuple(request.header(n) for n in ("X-Token", "X-Open", "X-New"))
        )

    def test_at_most_max_in_flight_attempts_run_at_once(self):
        webhook, path = self.webhook(*[Reply(200, delay=0.5)] * 3, max_in_flight=3)
        for _ in range(6):
            self.api.publish()
        requests = self.delivered(path, 6)
        self.assertGreater(requests[3].at - requests[0].at, 0.4)
        self.daemon.wait_deliveries(webhook["id"], 6, status="succeeded")

    def test_an_ordered_webhook_gets_events_in_order_past_a_failure(self):
        webhook, path = self.webhook(Reply(200), Reply(500), ordered=True)
        ids = [self.api.publish()["event_id"] for _ in range(5)]
        requests = self.delivered(path, 6)
        self.assertEqual(
            [ids[0], ids[1], ids[1], *ids[2:]], [r.header("webhook-id") for r in requests]
        )

    def test_a_rate_limit_spreads_deliveries(self):
        webhook, path = self.webhook(rate_limit_per_second=4)
        for _ in range(9):
            self.api.publish()
        requests = self.delivered(path, 9)
        # A burst of at most one second's worth is allowed at the start.
        self.assertGreater(requests[-1].at - requests[0].at, 1.0)
        self.daemon.wait_deliveries(webhook["id"], 9, status="succeeded")


if __name__ == "__main__":
    unittest.main()
