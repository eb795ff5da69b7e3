"""SIGTERM: what is under way is finished, nothing new is begun."""

import signal
import socket
import threading
import time
import unittest

from api_client import BASE
from daemon import Daemon
from polling import PATIENCE, eventually
from receiver import Receiver, Reply


class DrainTest(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)

    def started(self, *flags):
        daemon = Daemon("--retry-schedule", "1,1,1", *flags)
        self.addCleanup(daemon.close)
        daemon.start()
        return daemon, daemon.api.create(self.receiver.url(), ["user.created"], max_in_flight=1)

    def test_an_attempt_in_flight_is_finished_and_recorded_and_the_rest_waits(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.receiver.script("/hook", Reply(gate=gate))
        daemon, webhook = self.started()
        for _ in range(2):
            daemon.api.publish()
        self.receiver.wait_for(1)
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: not self.answers(daemon), "no request is taken any more")
        self.assertIsNone(daemon.process.poll())
        gate.set()
        self.assertEqual(0, daemon.wait())
        self.assertEqual(1, len(self.receiver.requests()))
        daemon.start()
        first, second = daemon.wait_deliveries(webhook["id"], 2, status="succeeded")
        self.assertEqual([1, 1], [first["attempt_count"], second["attempt_count"]])
        self.assertEqual(2, len(self.receiver.requests()))

    def answers(self, daemon):
        try:
            daemon.api.close()
            return daemon.api.request("GET", "/healthz").status == 200
        except OSError:
            return False

    def test_both_doors_close_at_once_although_one_has_a_request_under_way(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.receiver.script("/hook", Reply(gate=gate))
        daemon, webhook = self.started()
        caller = threading.Thread(target=self.send_test, args=(daemon, webhook["id"]))
        caller.start()
        self.addCleanup(caller.join)
        self.addCleanup(gate.set)  # before the caller is waited for
        self.receiver.wait_for(1)
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: not self.connects(daemon.tcp), "the TCP address is closed")
        self.assertIsNone(daemon.process.poll())
        self.assertTrue(caller.is_alive())
        gate.set()
        self.assertEqual(0, daemon.wait())

    def connects(self, address):
        try:
            socket.create_connection(address, timeout=5).close()
            return True
        except OSError:
            return False

    def test_what_does_not_end_in_time_is_as_after_a_crash(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.receiver.script("/hook", Reply(gate=gate))
        daemon, webhook = self.started("--drain-timeout", "1s")
        daemon.api.publish()
        self.receiver.wait_for(1)
        began = time.monotonic()
        self.assertEqual(0, daemon.terminate())
        took = time.monotonic() - began
        self.assertGreater(took, 0.9)
        self.assertLess(took, 8 * PATIENCE)
        daemon.start()
        delivery = daemon.wait_deliveries(webhook["id"], 1, status="succeeded")[0]
        detail = daemon.api.delivery(webhook["id"], delivery["id"])
        self.assertEqual("interrupted", detail["attempts"][0]["error"]["kind"])

    def terminated_during_a_test_send(self):
        """SIGTERM while somebody waits for a test send that would take a minute, and an attempt is
        under way that fails then and would be due again while the daemon drains. How long the
        daemon took to end."""
        never, gate = threading.Event(), threading.Event()
        self.addCleanup(never.set)
        self.addCleanup(gate.set)
        self.receiver.script("/slow", Reply(gate=never))
        self.receiver.script("/hook", Reply(500, gate=gate))
        daemon, _ = self.started("--drain-timeout", "4s")
        slow = daemon.api.create(
            self.receiver.url("/slow"), ["user.deleted"], name="slow", timeout_seconds=60
        )
        daemon.api.publish()
        self.receiver.wait_for(1, "/hook")
        caller = threading.Thread(target=self.send_test, args=(daemon, slow["id"]))
        caller.start()
        self.addCleanup(caller.join)
        self.receiver.wait_for(1, "/slow")
        signalled = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: not self.answers(daemon), "no request is taken any more")
        gate.set()
        self.assertEqual(0, daemon.wait())
        return time.monotonic() - signalled

    def send_test(self, daemon, webhook):
        try:
            daemon.api.request("POST", f"{BASE}/{webhook}/test")
        except OSError:
            pass  # whether it is still answered is not what counts here
        daemon.api.close()

    def test_no_attempt_begins_although_a_request_is_still_being_answered(self):
        self.assertGreater(self.terminated_during_a_test_send(), 3)
        self.assertEqual(1, len(self.receiver.requests("/hook")))

    def test_a_test_send_holds_the_end_up_no_longer_than_the_drain_timeout(self):
        self.assertLess(self.terminated_during_a_test_send(), 12 * PATIENCE)

    def test_an_idle_daemon_ends_at_once_on_sigterm_and_sigint(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon, _ = self.started()
            began = time.monotonic()
            daemon.process.send_signal(number)
            self.assertEqual(0, daemon.wait())
            self.assertLess(time.monotonic() - began, 3 * PATIENCE)
            self.assertFalse(daemon.socket.exists())


if __name__ == "__main__":
    unittest.main()
