"""Retention beside an ordered webhook that waits: what has ended goes, what is held back stays."""

import threading
import unittest

from e2e import DaemonTest
from polling import eventually
from receiver import Reply

EVENT = "/api/v1/admin/events/"


class RetentionOrderTest(DaemonTest):
    flags = ("--retention-succeeded", "1s", "--retention-failed", "1s", "--retention-events", "1s")

    def publish(self, count, event_type="user.created"):
        return [self.api.publish(event_type)["event_id"] for _ in range(count)]

    def kept(self, ids):
        return [i for i in ids if self.api.request("GET", EVENT + i).status == 200]

    def gone(self, ids):
        eventually(lambda: not self.kept(ids), "the events are removed")

    def totals(self, webhook):
        return self.api.deliveries(webhook["id"], per_page=1)["total"]

    def retention_has_passed(self, bystander):
        """Everything that may go and was made before this call has gone."""
        later = self.publish(1, "group.created") + self.publish(1, "group.deleted")
        self.gone(later)
        eventually(lambda: self.totals(bystander) == 0, "the bystander's history is removed")

    def test_what_is_held_back_keeps_its_event_and_its_place_while_all_around_is_removed(self):
        works = threading.Event()
        works.set()
        path = self.path()
        self.receiver.script(path, then=lambda _: Reply(200 if works.is_set() else 500))
        webhook, _ = self.webhook(path=path, ordered=True, retry_schedule=[3600, 3600])
        bystander, _ = self.webhook(events=("user.created", "group.created"))
        early = self.publish(3)
        self.delivered(path, 3)
        self.gone(early)
        self.assertEqual(0, self.totals(webhook))

        works.clear()
        held = self.publish(6)
        self.failures_recorded(webhook, 1)
        self.retention_has_passed(bystander)
        self.daemon.kill()
        self.daemon.start()
        self.retention_has_passed(bystander)
        self.assertEqual(held, self.kept(held))
        waiting = self.api.deliveries(webhook["id"], status="pending")["items"]
        self.assertEqual(held, [d["event_id"] for d in reversed(waiting)])
        head = waiting[-1]["id"]
        self.assertEqual(head, self.api.webhook(webhook["id"])["head_delivery_id"])

        works.set()
        self.api.retry(webhook["id"], head)
        received = [r.header("webhook-id") for r in self.delivered(path, 10)]
        self.assertEqual([*early, held[0], *held], received)
        self.gone(held)
        eventually(lambda: self.totals(webhook) == 0, "its own history is removed")
        self.assertEqual(10, len(self.receiver.requests(path)))


if __name__ == "__main__":
    unittest.main()
