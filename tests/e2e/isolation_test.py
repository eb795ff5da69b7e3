"""A bad receiver harms only its own webhook, also across restarts."""

import socket
import threading
import unittest

from e2e import DaemonTest
from polling import eventually
from receiver import Reply


class IsolationTest(DaemonTest):
    def restart(self):
        self.daemon.kill()
        self.daemon.start()

    def test_receivers_that_hang_hold_up_nobody_else(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        for _ in range(20):
            path = self.path()
            self.receiver.script(path, then=Reply(gate=gate))
            self.webhook(path=path, max_in_flight=256, timeout_seconds=60)
        for _ in range(10):
            self.api.publish()
        _, path = self.webhook(events=("group.created",))
        self.api.publish("group.created")
        self.delivered(path)

    def test_a_receiver_that_takes_no_connection_holds_up_nobody_else(self):
        silent = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.addCleanup(silent.close)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        made = self.api.create(url, ["user.created"], name=self.path(), timeout_seconds=60)
        self.addCleanup(self.api.delete, made["id"])
        for _ in range(50):
            self.api.publish()
        _, path = self.webhook(events=("group.created",))
        self.api.publish("group.created")
        self.delivered(path)

    def test_a_pause_that_a_receiver_asked_for_is_kept_over_a_restart(self):
        webhook, path = self.webhook(Reply(429, (("Retry-After", "4"),)))
        self.api.publish()
        self.delivered(path)
        self.failures_recorded(webhook, 1)
        held_until = self.api.webhook(webhook["id"])["held_until"]
        self.assertIsNotNone(held_until)
        self.api.publish()
        self.restart()
        shown = self.api.webhook(webhook["id"])
        self.assertEqual(held_until, shown["held_until"])
        self.assertTrue(shown["hold_reason"])
        first, *others = self.delivered(path, 3)
        for request in others:
            self.assertGreater(request.at - first.at, 3.8)

    def test_an_open_circuit_is_open_after_a_restart_and_probes_one_at_a_time(self):
        webhook, path = self.webhook(*[Reply(500)] * 6, retry_schedule=[600], max_in_flight=5)
        for _ in range(5):
            self.api.publish()
        self.delivered(path, 5)
        self.failures_recorded(webhook, 5)
        probe_at = self.api.webhook(webhook["id"])["circuit"]["next_probe_at"]
        ids = [self.api.publish()["event_id"] for _ in range(3)]
        self.restart()
        shown = self.api.webhook(webhook["id"])
        self.assertEqual(("open", probe_at), tuple(shown["circuit"].values()))
        requests = self.delivered(path, 6, timeout=40)
        self.assertGreater(requests[5].at - requests[4].at, 9)
        self.assertIn(requests[5].header("webhook-id"), ids)
        # That probe failed: the next one is twice as far away, and nobody goes in between.
        eventually(
            lambda: self.api.webhook(webhook["id"])["circuit"]["next_probe_at"] > probe_at,
            "the next probe",
        )
        _, other = self.webhook(events=("group.created",))
        self.api.publish("group.created")
        self.delivered(other)
        self.assertEqual(6, len(self.receiver.requests(path)))

    def delivered(self, path, count=1, timeout=20.0):
        return self.receiver.wait_for(count, path, timeout)


if __name__ == "__main__":
    unittest.main()
