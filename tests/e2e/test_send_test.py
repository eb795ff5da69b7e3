"""One attempt now, to see whether a webhook works."""

import json
import threading
import unittest

from api_client import BASE
from e2e import DaemonTest
from polling import PATIENCE, eventually
from receiver import Reply


class TestSendTest(DaemonTest):
    def test_it_sends_one_signed_event_and_says_how_it_went(self):
        webhook, path = self.webhook()
        result = self.api.test(webhook["id"])
        self.assertEqual(
            ["delivery_id", "success", "status_code", "duration_ms", "error"], list(result)
        )
        self.assertEqual(
            (True, 200, None), (result["success"], result["status_code"], result["error"])
        )
        [request] = self.delivered(path)
        body = json.loads(request.body)
        self.assertEqual("webhook.test", body["event_type"])
        self.assertEqual(str(result["delivery_id"]), request.header("X-ScaiKey-Webhook-ID"))
        self.assert_signed(webhook["secret"], request)
        detail = self.api.delivery(webhook["id"], result["delivery_id"])
        self.assertEqual(
            ("succeeded", ["test"]), (detail["status"], [a["trigger"] for a in detail["attempts"]])
        )
        self.assertEqual(request.body.decode(), detail["request"]["body"])

    def test_type_and_data_may_be_chosen(self):
        webhook, path = self.webhook()
        self.api.test(webhook["id"], event_type="user.deleted", data={"n": [1, "ä"]})
        body = json.loads(self.delivered(path)[0].body)
        self.assertEqual(("user.deleted", {"n": [1, "ä"]}), (body["event_type"], body["data"]))
        answer = self.api.request(
            "POST", f"{BASE}/{webhook['id']}/test", {"event_type": "user.delted", "data": []}
        )
        self.assert_faults(
            answer, ("value_error", ["body", "event_type"]), ("dict_type", ["body", "data"])
        )

    def test_a_failure_is_told_and_never_retried(self):
        webhook, path = self.webhook(Reply(503), retry_schedule=[1, 1])
        result = self.api.test(webhook["id"])
        self.assertEqual(
            (False, 503, "http_status"),
            (result["success"], result["status_code"], result["error"]["kind"]),
        )
        self.assertEqual(
            ("failed", None, 1),
            tuple(
                self.only_delivery(webhook)[k]
                for k in ("status", "next_attempt_at", "attempt_count")
            ),
        )
        by_hand = self.api.request(
            "POST", f"{BASE}/{webhook['id']}/deliveries/{result['delivery_id']}/retry"
        )
        self.assertEqual(409, by_hand.status)
        _, other = self.webhook(Reply(500), Reply(500))
        self.api.publish()
        self.delivered(other, 3)  # two seconds of retries
        self.assertEqual(
            [b"user.created"],
            [json.loads(r.body)["event_type"].encode() for r in self.receiver.requests(path)[1:]],
        )

    def test_it_works_on_a_paused_and_on_a_disabled_webhook(self):
        for status in ("paused", "disabled"):
            webhook, path = self.webhook()
            self.api.update(webhook["id"], status=status)
            self.assertTrue(self.api.test(webhook["id"])["success"], status)
            self.assertEqual(1, len(self.delivered(path)))
            self.assertEqual(status, self.api.webhook(webhook["id"])["status"])

    def test_it_counts_in_no_stats_and_no_health(self):
        webhook, _ = self.webhook(*[Reply(500)] * 6, Reply(410))
        for _ in range(7):
            self.assertFalse(self.api.test(webhook["id"])["success"])
        self.assertTrue(self.api.test(webhook["id"])["success"])
        stats = self.api.stats(webhook["id"])
        self.assertEqual(
            [0, 0, 0, 0, {}, None],
            [
                stats[k]
                for k in (
                    "total",
                    "succeeded",
                    "failed",
                    "attempts",
                    "status_codes",
                    "last_success_at",
                )
            ],
        )
        shown = self.api.webhook(webhook["id"])
        self.assertEqual(
            ("active", "closed", 0, None, None),
            (
                shown["status"],
                shown["circuit"]["state"],
                shown["consecutive_failures"],
                shown["last_success_at"],
                shown["last_failure_at"],
            ),
        )
        self.assertEqual(8, self.api.deliveries(webhook["id"])["total"])

    def test_a_receiver_that_does_not_answer_in_time(self):
        webhook, _ = self.webhook(Reply(delay=3), timeout_seconds=1)
        result = self.api.test(webhook["id"])
        self.assertEqual(
            (False, None, "timeout"),
            (result["success"], result["status_code"], result["error"]["kind"]),
        )

    def test_the_ninth_at_once_is_429(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.webhook(*[Reply(gate=gate)] * 8)
        outside = self.daemon.minted(role="super_admin")
        results = []

        def send():
            results.append(self.api.request("POST", f"{BASE}/{webhook['id']}/test"))
            self.api.close()

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.delivered(path, 8)
        for door in (self.api, outside):
            self.assert_detail(door.request("POST", f"{BASE}/{webhook['id']}/test"), 429)
        gate.set()
        for thread in threads:
            thread.join(30 * PATIENCE)
        self.assertEqual([200] * 8, [r.status for r in results])
        self.assertTrue(all(r.json()["success"] for r in results))
        self.assertTrue(
            eventually(lambda: self.api.test(webhook["id"])["success"], "room for another")
        )


if __name__ == "__main__":
    unittest.main()
