"""A wall clock that is set while the daemon runs, and while it does not."""

import unittest

from e2e import DaemonTest
from polling import eventually
from preload import Clock
from receiver import Reply

DAY = 24 * 3600


class ClockTest(DaemonTest):
    @classmethod
    def setUpClass(cls):
        cls.clock = Clock()
        cls.addClassCleanup(cls.clock.close)
        cls.daemon_options = {"env": cls.clock.env}
        super().setUpClass()

    def setUp(self):
        self.clock.set(0)
        self.noticed = self.daemon.stderr().count("the clock was set")

    def jump(self, seconds):
        """Sets the clock, and waits until every loop has noticed."""
        loops = len(self.api.request("GET", "/api/v1/admin/status").json()["loops"])
        self.clock.set(seconds)
        self.noticed += loops
        eventually(
            lambda: self.daemon.stderr().count("the clock was set") >= self.noticed, "clock noticed"
        )

    def bystander(self):
        """Returns once what was due for anybody has been sent: events come and go meanwhile."""
        other, path = self.webhook(events=("group.created",))
        for _ in range(5):
            self.api.publish("group.created")
        self.daemon.wait_deliveries(other["id"], 5, status="succeeded")
        self.delivered(path, 5)

    def test_set_forward_by_a_day_no_retry_is_due_early(self):
        webhook, path = self.webhook(*[Reply(500)] * 3, retry_schedule=[3600])
        for _ in range(3):
            self.api.publish()
        self.delivered(path, 3)
        self.daemon.wait_deliveries(webhook["id"], 3, status="pending", response_status="500")
        self.jump(DAY)
        self.bystander()
        self.assertEqual(3, len(self.receiver.requests(path)))
        self.assertEqual("active", self.api.webhook(webhook["id"])["status"])
        self.api.publish()
        self.delivered(path, 4)
        self.jump(0)

    def test_set_back_by_a_day_retries_come_when_they_would_have(self):
        webhook, path = self.webhook(Reply(500), retry_schedule=[3])
        self.api.publish()
        self.delivered(path)
        self.daemon.wait_deliveries(webhook["id"], 1, status="pending", response_status="500")
        self.jump(-DAY)
        first, second = self.delivered(path, 2)
        self.assertGreater(second.at - first.at, 2.6)
        self.jump(0)

    def test_a_pause_that_a_receiver_asked_for_is_neither_longer_nor_shorter(self):
        for seconds in (DAY, -DAY):
            replies = Reply(503, (("Retry-After", "3"),))
            webhook, path = self.webhook(replies, retry_schedule=[1])
            self.api.publish()
            self.delivered(path)
            eventually(lambda: self.api.webhook(webhook["id"])["held_until"], "held")
            self.jump(seconds)
            first, second = self.delivered(path, 2)
            self.assertGreater(second.at - first.at, 2.6)
            self.jump(0)

    def test_publishing_goes_on_through_jumps_and_each_event_arrives_once(self):
        webhook, path = self.webhook()
        ids = []
        for seconds in (DAY, 2 * DAY, -DAY, 0):
            ids += [self.api.publish()["event_id"] for _ in range(10)]
            self.jump(seconds)
            ids += [self.api.publish()["event_id"] for _ in range(10)]
        requests = self.delivered(path, 80)
        self.daemon.wait_deliveries(webhook["id"], 80, status="succeeded", per_page=1)
        self.assertEqual(sorted(ids), sorted(r.header("webhook-id") for r in requests))

    def test_set_back_while_the_daemon_is_down_nothing_waits_for_a_day(self):
        webhook, path = self.webhook(
            Reply(500), Reply(503, (("Retry-After", "2"),)), retry_schedule=[2, 2]
        )
        for _ in range(2):
            self.api.publish()
        self.delivered(path, 2)
        self.failures_recorded(webhook, 2)
        self.daemon.kill()
        self.clock.set(-DAY)
        self.daemon.start()
        self.delivered(path, 4)
        self.daemon.wait_deliveries(webhook["id"], 2, status="succeeded")
        self.daemon.kill()
        self.clock.set(0)
        self.daemon.start()
        self.noticed = 0


if __name__ == "__main__":
    unittest.main()
