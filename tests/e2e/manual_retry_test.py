"""A retry that an operator asks for."""

import threading
import unittest

from api_client import BASE
from e2e import DaemonTest
from receiver import Reply


class ManualRetryTest(DaemonTest):
    def retry(self, webhook, delivery, query=""):
        return self.api.request(
            "POST", f"{BASE}/{webhook['id']}/deliveries/{delivery}/retry{query}"
        )

    def test_a_failed_delivery_is_sent_again_at_once(self):
        webhook, path = self.webhook(Reply(500), retry_schedule=[])
        self.api.publish()
        failed = self.finished(webhook, "failed")
        answer = self.retry(webhook, failed["id"])
        self.assertEqual(
            (200, "pending", failed["id"]),
            (answer.status, answer.json()["status"], answer.json()["id"]),
        )
        detail = self.daemon.wait_status(webhook["id"], failed["id"], "succeeded")
        self.assertEqual(["automatic", "manual"], [a["trigger"] for a in detail["attempts"]])
        first, second = self.delivered(path, 2)
        self.assertEqual((first.body, "2"), (second.body, second.header("X-ScaiKey-Attempt")))
        self.assert_signed(webhook["secret"], second)

    def test_a_retry_that_fails_ends_as_failed_when_no_schedule_is_left(self):
        webhook, _ = self.webhook(Reply(500), Reply(502), retry_schedule=[])
        self.api.publish()
        failed = self.finished(webhook, "failed")
        self.api.retry(webhook["id"], failed["id"])
        detail = self.daemon.wait_status(webhook["id"], failed["id"], "failed")
        detail = self.daemon.wait_deliveries(webhook["id"], 1, response_status="502")[0]
        self.assertEqual(("failed", 2), (detail["status"], detail["attempt_count"]))

    def test_a_retry_that_waits_for_hours_can_be_made_now(self):
        webhook, path = self.webhook(Reply(500), retry_schedule=[7200, 1])
        self.api.publish()
        self.delivered(path)
        waiting = self.daemon.wait_deliveries(
            webhook["id"], 1, status="pending", response_status="500"
        )[0]
        self.api.retry(webhook["id"], waiting["id"])
        self.daemon.wait_status(webhook["id"], waiting["id"], "succeeded")

    def test_what_has_succeeded_is_sent_again_only_by_force(self):
        webhook, path = self.webhook()
        self.api.publish()
        done = self.finished(webhook, "succeeded")
        self.assert_detail(self.retry(webhook, done["id"]), 409)
        self.assert_detail(self.retry(webhook, done["id"], "?force=false"), 409)
        self.assertEqual(1, len(self.receiver.requests(path)))
        self.assertEqual(200, self.retry(webhook, done["id"], "?force=true").status)
        self.delivered(path, 2)
        self.daemon.wait_status(webhook["id"], done["id"], "succeeded")

    def test_what_is_in_flight_is_409(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.webhook(Reply(gate=gate))
        self.api.publish()
        self.delivered(path)
        delivery = self.daemon.wait_deliveries(webhook["id"], 1, status="in_flight")[0]
        self.assert_detail(self.retry(webhook, delivery["id"], "?force=true"), 409)
        gate.set()
        self.daemon.wait_status(webhook["id"], delivery["id"], "succeeded")
        self.assertEqual(1, len(self.receiver.requests(path)))

    def test_while_the_webhook_is_disabled_it_is_409_and_a_cancelled_one_may_go_later(self):
        webhook, path = self.webhook()
        self.api.update(webhook["id"], status="paused")
        self.api.publish()
        self.api.update(webhook["id"], status="disabled")
        cancelled = self.only_delivery(webhook)
        self.assertEqual("cancelled", cancelled["status"])
        self.assert_detail(self.retry(webhook, cancelled["id"]), 409)
        self.api.update(webhook["id"], status="active")
        self.assertEqual(200, self.retry(webhook, cancelled["id"]).status)
        self.daemon.wait_status(webhook["id"], cancelled["id"], "succeeded")
        self.assertEqual(1, len(self.delivered(path)))

    def test_it_passes_an_open_circuit(self):
        webhook, path = self.webhook(*[Reply(500)] * 5, retry_schedule=[600])
        for _ in range(5):
            self.api.publish()
        self.delivered(path, 5)
        waiting = self.daemon.wait_deliveries(webhook["id"], 5, response_status="500")
        self.assertEqual("open", self.api.webhook(webhook["id"])["circuit"]["state"])
        self.api.retry(webhook["id"], waiting[0]["id"])
        requests = self.delivered(path, 6)
        self.daemon.wait_status(webhook["id"], waiting[0]["id"], "succeeded")
        self.assertLess(requests[5].at - requests[4].at, 9)

    def test_it_stands_outside_the_order(self):
        webhook, path = self.webhook(Reply(500), Reply(500), ordered=True, retry_schedule=[600])
        first = self.api.publish()["event_id"]
        second = self.api.publish()["event_id"]
        self.delivered(path)
        waiting = {
            d["event_id"]: d["id"]
            for d in self.daemon.wait_deliveries(webhook["id"], 2, status="pending")
        }
        self.api.retry(webhook["id"], waiting[second])
        requests = self.delivered(path, 2)
        self.assertEqual([first, second], [r.header("webhook-id") for r in requests])

    def test_it_waits_for_nobody_while_the_webhook_is_held(self):
        webhook, path = self.webhook(Reply(503, (("Retry-After", "600"),)), retry_schedule=[1])
        self.api.publish()
        self.delivered(path)
        waiting = self.daemon.wait_deliveries(webhook["id"], 1, response_status="503")[0]
        self.api.retry(webhook["id"], waiting["id"])
        self.daemon.wait_status(webhook["id"], waiting["id"], "succeeded")

    def test_what_does_not_exist_is_404_and_what_is_no_number_422(self):
        webhook, _ = self.webhook()
        other, _ = self.webhook()
        self.api.publish()
        foreign = self.finished(other, "succeeded")["id"]
        for delivery in (foreign, 999_999_999, 0):
            self.assert_detail(
                self.retry(webhook, delivery, "?force=true"), 404, "Delivery not found"
            )
        self.assert_faults(self.retry(webhook, "abc"), ("int_parsing", ["path", "delivery_id"]))
        nobody = {"id": "whk_0000000000000000"}
        self.assert_detail(self.retry(nobody, foreign), 404, "Webhook not found")


if __name__ == "__main__":
    unittest.main()
