"""What becomes of an attempt that fails. The daemon's schedule is 1, 1, 2 seconds."""

import datetime
import email.utils
import socket
import threading
import time
import unittest

from e2e import DaemonTest
from polling import PATIENCE
from receiver import Reply

# Ten per cent of jitter, and 50 ms for whole milliseconds and the clock's own steps.
EARLY = 0.85


class RetriesTest(DaemonTest):
    def test_an_attempt_that_failed_is_made_again_with_the_same_body(self):
        webhook, path = self.webhook(Reply(500, body=b"broken"), Reply(503))
        self.api.publish(data={"n": 1})
        detail = self.finished(webhook, "succeeded")
        first, second, third = self.delivered(path, 3)
        self.assertEqual({first.body}, {second.body, third.body})
        self.assertEqual(
            ["1", "2", "3"], [r.header("X-ScaiKey-Attempt") for r in (first, second, third)]
        )
        self.assertEqual(1, len({r.header("webhook-id") for r in (first, second, third)}))
        for request in (first, second, third):
            self.assert_signed(webhook["secret"], request)
        for before, after in ((first, second), (second, third)):
            self.assertGreater(after.at - before.at, EARLY)
            self.assertLess(after.at - before.at, 4 * PATIENCE)
        self.assertEqual([500, 503, 200], [a["response_status"] for a in detail["attempts"]])
        self.assertEqual(
            ["http_status", "http_status"], [a["error"]["kind"] for a in detail["attempts"][:2]]
        )
        self.assertEqual("broken", detail["attempts"][0]["response_body"])
        self.assertIsNotNone(detail["attempts"][0]["next_attempt_at"])
        self.assertEqual(
            (3, 4, None), (detail["attempt_count"], detail["max_attempts"], detail["error"])
        )

    def test_when_the_schedule_is_used_up_the_delivery_has_failed(self):
        webhook, path = self.webhook(retry_schedule=[1])
        self.receiver.script(path, then=Reply(500))
        self.api.publish()
        detail = self.finished(webhook, "failed")
        self.assertEqual(
            (2, 2, None),
            (detail["attempt_count"], detail["max_attempts"], detail["next_attempt_at"]),
        )
        self.assertIsNotNone(detail["completed_at"])
        self.assertTrue(detail["diagnosis"])
        self.assertEqual(2, len(self.delivered(path, 2)))
        self.assertEqual(1, self.api.stats(webhook["id"])["failed"])
        self.assertEqual({"500": 2}, self.api.stats(webhook["id"])["status_codes"])

    def test_an_empty_schedule_means_one_attempt(self):
        webhook, path = self.webhook(Reply(500), retry_schedule=[])
        self.api.publish()
        self.assertEqual(1, self.finished(webhook, "failed")["attempt_count"])
        self.assertEqual(1, len(self.delivered(path)))

    def test_a_retry_after_longer_than_the_schedule_wins(self):
        webhook, path = self.webhook(Reply(500, (("Retry-After", "3"),)))
        self.api.publish()
        self.finished(webhook, "succeeded")
        first, second = self.delivered(path, 2)
        self.assertGreater(second.at - first.at, 2.9)

    def test_a_retry_after_may_be_a_date(self):
        def in_three_seconds(_):
            return Reply(
                500, (("Retry-After", email.utils.formatdate(time.time() + 4, usegmt=True)),)
            )

        webhook, path = self.webhook(in_three_seconds)
        self.api.publish()
        self.finished(webhook, "succeeded")
        first, second = self.delivered(path, 2)
        self.assertGreater(second.at - first.at, 2.8)

    def test_a_shorter_retry_after_does_not_shorten_the_schedule(self):
        webhook, path = self.webhook(Reply(500, (("Retry-After", "0"),)), retry_schedule=[2])
        self.api.publish()
        self.finished(webhook, "succeeded")
        first, second = self.delivered(path, 2)
        self.assertGreater(second.at - first.at, 2 * EARLY)

    def test_429_with_retry_after_holds_the_whole_webhook(self):
        webhook, path = self.webhook(Reply(429, (("Retry-After", "3"),)))
        self.api.publish()
        first = self.delivered(path)[0]
        self.api.publish()
        others = self.delivered(path, 3)[1:]
        for request in others:
            self.assertGreater(request.at - first.at, 2.9)

    def test_a_webhook_that_is_held_says_until_when(self):
        webhook, path = self.webhook(Reply(429, (("Retry-After", "3600"),)))
        self.assertIsNone(webhook["held_until"])
        self.api.publish()
        [request] = self.delivered(path)
        self.daemon.wait_deliveries(webhook["id"], 1, status="pending")
        shown = self.api.webhook(webhook["id"])
        until = datetime.datetime.fromisoformat(shown["held_until"].replace("Z", "+00:00"))
        self.assertAlmostEqual(request.wall + 3600, until.timestamp(), delta=30 * PATIENCE)
        self.assertTrue(shown["hold_reason"])

    def test_a_redirect_is_a_failure_and_not_followed(self):
        target = self.path()
        for status in (301, 302, 307, 308):
            webhook, path = self.webhook(
                Reply(status, (("Location", self.receiver.url(target)),)), retry_schedule=[]
            )
            self.api.publish()
            detail = self.finished(webhook, "failed")
            self.assertEqual(
                ("redirect", status), (detail["error"]["kind"], detail["response_status"])
            )
            self.api.delete(webhook["id"])
        self.assertEqual([], self.receiver.requests(target))

    def test_410_disables_the_webhook_and_cancels_what_waits(self):
        webhook, path = self.webhook(Reply(500), Reply(410), retry_schedule=[30], max_in_flight=1)
        self.api.publish()
        self.delivered(path)
        self.daemon.wait_deliveries(webhook["id"], 1, status="pending")
        self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 1, status="cancelled")
        shown = self.api.webhook(webhook["id"])
        self.assertEqual("disabled", shown["status"])
        self.assertTrue(shown["disabled_reason"])
        self.assertIsNotNone(shown["disabled_at"])
        self.assertEqual(0, shown["backlog"])
        self.assertEqual(0, self.api.publish()["deliveries"])

    def test_an_answer_that_comes_too_late_is_a_timeout(self):
        webhook, _ = self.webhook(Reply(200, delay=3), timeout_seconds=1, retry_schedule=[])
        self.api.publish()
        detail = self.finished(webhook, "failed")
        self.assertEqual(("timeout", None), (detail["error"]["kind"], detail["response_status"]))
        self.assertGreaterEqual(detail["duration_ms"], 950)
        self.assertLess(detail["duration_ms"], 2500 * PATIENCE)
        self.assertTrue(detail["diagnosis"])

    def test_a_body_that_drips_past_the_deadline_is_a_timeout_whatever_its_status(self):
        webhook, _ = self.webhook(
            Reply(200, body=b"x" * 100, drip=0.1), timeout_seconds=1, retry_schedule=[]
        )
        self.api.publish()
        self.assertEqual("timeout", self.finished(webhook, "failed")["error"]["kind"])

    def test_an_endless_body_ends_the_attempt_as_its_status_says(self):
        webhook, _ = self.webhook(
            Reply(200, endless=True), Reply(500, endless=True), retry_schedule=[]
        )
        self.api.publish()
        detail = self.finished(webhook, "succeeded")
        self.assertEqual("x" * 16384, detail["attempts"][0]["response_body"])
        self.api.publish()
        failed = self.daemon.wait_deliveries(webhook["id"], 1, status="failed")[0]
        self.assertEqual(("http_status", 500), (failed["error"]["kind"], failed["response_status"]))

    def test_a_connection_that_breaks_off_is_a_protocol_error(self):
        for reply in (
            Reply(close=True),
            Reply(reset=True),
            Reply(raw=b"220 smtp.example ESMTP\r\n"),
            Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ):
            webhook, _ = self.webhook(reply, reply, reply, retry_schedule=[])
            self.api.publish()
            self.assertEqual("protocol", self.finished(webhook, "failed")["error"]["kind"], reply)
            self.api.delete(webhook["id"])

    def test_a_flood_of_response_headers_is_a_protocol_error_and_not_kept(self):
        webhook, _ = self.webhook(Reply(200, extra_headers=50_000), retry_schedule=[])
        self.api.publish()
        detail = self.finished(webhook, "failed")
        self.assertEqual("protocol", detail["error"]["kind"])
        self.assertLess(len(str(detail)), 1 << 20)

    def test_a_port_that_nobody_listens_on_is_a_connect_error(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        webhook = self.api.create(f"http://127.0.0.1:{port}/", name="nobody", retry_schedule=[])
        self.addCleanup(self.api.delete, webhook["id"])
        self.api.publish()
        self.assertEqual("connect", self.finished(webhook, "failed")["error"]["kind"])

    def test_a_name_that_does_not_resolve_is_a_dns_error(self):
        webhook = self.api.create("http://no-such-host.invalid/", name="no-name", retry_schedule=[])
        self.addCleanup(self.api.delete, webhook["id"])
        self.api.publish()
        self.assertEqual("dns", self.finished(webhook, "failed")["error"]["kind"])

    def test_a_receiver_that_speaks_no_tls_is_a_tls_error(self):
        url = self.receiver.url("/tls").replace("http:", "https:")
        webhook = self.api.create(url, name="no-tls", retry_schedule=[])
        self.addCleanup(self.api.delete, webhook["id"])
        self.api.publish()
        self.assertEqual("tls", self.finished(webhook, "failed")["error"]["kind"])

    def test_five_failures_open_the_circuit_which_only_delays(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.webhook(*[Reply(500, gate=gate)] * 5, retry_schedule=[1] * 10)
        for _ in range(5):
            self.api.publish()
        self.delivered(path, 5)
        gate.set()  # all fail at once, before the first of them is due again
        self.daemon.wait_deliveries(webhook["id"], 5, status="pending")
        shown = self.api.webhook(webhook["id"])
        self.assertEqual("open", shown["circuit"]["state"])
        self.assertIsNotNone(shown["circuit"]["next_probe_at"])
        self.assertEqual(5, shown["consecutive_failures"])
        # Their own schedule says one second; the circuit's first probe comes after ten.
        self.daemon.wait_deliveries(webhook["id"], 5, status="succeeded", timeout=30)
        requests = self.delivered(path, 10)
        self.assertGreater(requests[5].at - requests[4].at, 8)
        self.assertEqual("closed", self.api.webhook(webhook["id"])["circuit"]["state"])


if __name__ == "__main__":
    unittest.main()
