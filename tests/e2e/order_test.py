"""Webhooks that are ordered: one at a time, as the events were accepted."""

import threading
import unittest

from api_client import BASE
from e2e import DaemonTest
from polling import eventually
from receiver import Reply


class OrderTest(DaemonTest):
    def ordered(self, *replies, **fields):
        return self.webhook(*replies, ordered=True, **fields)

    def publish(self, count):
        return [self.api.publish(data={"n": n})["event_id"] for n in range(count)]

    def arrived(self, path, count):
        return [r.header("webhook-id") for r in self.delivered(path, count)]

    def held(self, webhook, **wanted):
        """The webhook once its first delivery has failed and holds the others back."""
        eventually(lambda: self.api.webhook(webhook["id"])["hold_reason"], "held by its head")
        return self.api.webhook(webhook["id"])

    def ids(self, webhook):
        """Ids of its deliveries in the order of their events."""
        return [d["id"] for d in reversed(self.api.deliveries(webhook["id"])["items"])]

    def test_kill_9_in_the_middle_loses_nothing_and_changes_no_order(self):
        webhook, path = self.ordered(*[Reply(200), Reply(500)] * 5)
        ids = self.publish(30)
        for count in (3, 9, 20):
            self.delivered(path, count)
            self.daemon.kill()
            self.daemon.start()
        self.daemon.wait_deliveries(webhook["id"], 30, status="succeeded", per_page=1)
        arrived = self.arrived(path, 30)
        first_arrivals = list(dict.fromkeys(arrived))
        self.assertEqual(ids, first_arrivals)
        # Once a later one has come, no earlier one comes again.
        places = [ids.index(i) for i in arrived]
        self.assertEqual(sorted(places), places)

    def test_one_that_was_in_flight_at_a_crash_comes_before_the_next(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.ordered(Reply(gate=gate))
        ids = self.publish(3)
        self.delivered(path)
        self.daemon.kill()
        gate.set()
        self.daemon.start()
        self.assertEqual([ids[0], *ids], self.arrived(path, 4))
        self.daemon.wait_deliveries(webhook["id"], 3, status="succeeded")

    def test_a_head_that_is_exhausted_or_cancelled_lets_the_next_one_go(self):
        webhook, path = self.ordered(Reply(500), Reply(200), Reply(500), retry_schedule=[600])
        ids = self.publish(4)
        self.delivered(path)
        self.held(webhook)
        first = self.ids(webhook)[0]
        answer = self.api.request("POST", f"{BASE}/{webhook['id']}/deliveries/{first}/cancel")
        self.assertEqual(200, answer.status, answer)
        self.assertEqual([ids[0], ids[1], ids[2]], self.arrived(path, 3))
        eventually(
            lambda: self.api.webhook(webhook["id"])["head_delivery_id"] == self.ids(webhook)[2],
            "the third is the head",
        )
        self.assertEqual(3, len(self.receiver.requests(path)))
        exhausted, other = self.ordered(Reply(500), retry_schedule=[])
        sent = self.publish(2)
        self.assertEqual(sent, self.arrived(other, 2))
        self.daemon.wait_deliveries(exhausted["id"], 1, status="failed")

    def test_a_retry_by_hand_of_what_had_ended_is_sent_past_a_head_that_waits(self):
        webhook, path = self.ordered(Reply(200), Reply(500), retry_schedule=[600])
        ids = self.publish(3)
        self.delivered(path, 2)
        self.held(webhook)
        first, second, third = self.ids(webhook)
        self.api.retry(webhook["id"], first, force="true")
        self.assertEqual([ids[0], ids[1], ids[0]], self.arrived(path, 3))
        self.daemon.wait_status(webhook["id"], first, "succeeded")
        self.assertEqual("pending", self.api.delivery(webhook["id"], third)["status"])
        self.assertEqual(second, self.api.webhook(webhook["id"])["head_delivery_id"])

    def test_a_webhook_that_is_held_back_says_why_in_detail_and_stats(self):
        webhook, path = self.ordered(Reply(500), retry_schedule=[600, 600])
        self.publish(3)
        self.delivered(path)
        shown = self.held(webhook)
        head = self.api.delivery(webhook["id"], self.ids(webhook)[0])
        self.assertEqual((head["id"], 3), (shown["head_delivery_id"], shown["backlog"]))
        for word in (str(head["id"]), "1 of its 3", head["next_attempt_at"]):
            self.assertIn(word, shown["hold_reason"])
        stats = self.api.stats(webhook["id"])
        for name in ("head_delivery_id", "backlog", "hold_reason", "held_until", "circuit"):
            self.assertEqual(shown[name], stats[name])
        self.assertEqual(head["created_at"], stats["oldest_pending_at"])
        for command in ("get", "stats"):
            told = self.daemon.ctl(command, webhook["id"], "-o", "table")
            self.assertEqual(0, told.code, told)
            self.assertIn(f"delivery {head['id']} comes first", told.out)

    def test_while_nothing_is_held_back_there_is_no_reason(self):
        webhook, path = self.ordered(Reply(500), retry_schedule=[600])
        self.publish(1)
        self.delivered(path)
        self.daemon.wait_deliveries(webhook["id"], 1, status="pending", response_status="500")
        self.assertIsNone(self.api.webhook(webhook["id"])["hold_reason"])


if __name__ == "__main__":
    unittest.main()
