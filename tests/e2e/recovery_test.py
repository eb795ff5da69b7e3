"""kill -9 and what is left afterwards."""

import os
import stat
import threading
import unittest

from daemon import Daemon, run_webhookd
from e2e import DaemonTest
from polling import PATIENCE, eventually
from receiver import Reply


class RecoveryTest(DaemonTest):
    def restart_killed(self):
        self.daemon.kill()
        return self.daemon.start()

    def test_what_was_in_flight_is_interrupted_and_sent_again(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.webhook(Reply(gate=gate))
        sent = self.api.publish(data={"n": 1})
        self.delivered(path)
        self.daemon.wait_deliveries(webhook["id"], 1, status="in_flight")
        self.restart_killed()
        detail = self.finished(webhook, "succeeded")
        first, second = self.delivered(path, 2)
        self.assertEqual((first.body, sent["event_id"]), (second.body, second.header("webhook-id")))
        self.assertEqual(["1", "2"], [r.header("X-ScaiKey-Attempt") for r in (first, second)])
        self.assertEqual("interrupted", detail["attempts"][0]["error"]["kind"])
        self.assertEqual((2, None), (len(detail["attempts"]), detail["attempts"][1]["error"]))
        self.assert_signed(webhook["secret"], second)

    def test_everything_that_was_acknowledged_is_still_there(self):
        webhook, path = self.webhook()
        self.api.update(webhook["id"], status="paused")
        ids = [self.api.publish(data={"n": n})["event_id"] for n in range(60)]
        before = self.api.webhook(webhook["id"])
        self.restart_killed()
        self.assertEqual(before, self.api.webhook(webhook["id"]))
        self.assertEqual(60, self.api.deliveries(webhook["id"], status="pending")["total"])
        self.api.update(webhook["id"], status="active")
        requests = self.delivered(path, 60)
        self.assertEqual(sorted(ids), sorted(r.header("webhook-id") for r in requests))
        self.daemon.wait_deliveries(webhook["id"], 60, status="succeeded", per_page=1)
        for request in requests:
            self.assert_signed(webhook["secret"], request)

    def test_what_has_succeeded_is_not_sent_again(self):
        webhook, path = self.webhook()
        for _ in range(20):
            self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 20, status="succeeded", per_page=1)
        self.restart_killed()
        _, other = self.webhook()
        self.api.publish()
        self.delivered(other)
        self.daemon.wait_deliveries(webhook["id"], 21, status="succeeded", per_page=1)
        self.assertEqual(21, len(self.receiver.requests(path)))

    def test_a_retry_that_waited_is_made_after_a_restart(self):
        webhook, path = self.webhook(Reply(500), retry_schedule=[2])
        self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 1, response_status="500")
        self.restart_killed()
        self.finished(webhook, "succeeded")
        first, second = self.delivered(path, 2)
        self.assertGreater(second.at - first.at, 1.7)

    def test_a_test_send_that_was_under_way_has_failed(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.webhook(Reply(gate=gate))
        caller = threading.Thread(target=self.lonely_test_send, args=(webhook["id"],))
        caller.start()
        self.delivered(path)
        self.restart_killed()
        caller.join(10 * PATIENCE)
        self.assertEqual("failed", self.only_delivery(webhook)["status"])
        self.assertEqual("interrupted", self.only_delivery(webhook)["error"]["kind"])
        self.assertTrue(self.api.test(webhook["id"])["success"])
        self.assertEqual(2, len(self.receiver.requests(path)))

    def lonely_test_send(self, webhook):
        try:
            self.api.request("POST", f"/api/v1/admin/webhooks/{webhook}/test")
        except OSError:
            pass  # the daemon is killed meanwhile

    def test_secrets_rotation_and_health_survive(self):
        webhook, path = self.webhook(Reply(500), retry_schedule=[600])
        rotated = self.api.rotate(webhook["id"])
        self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 1, response_status="500")
        eventually(
            lambda: self.api.webhook(webhook["id"])["consecutive_failures"] == 1, "health recorded"
        )
        self.restart_killed()
        self.assertEqual(1, self.api.webhook(webhook["id"])["consecutive_failures"])
        self.api.publish()
        request = self.delivered(path, 2)[1]
        self.assert_signed(webhook["secret"], request)
        self.assert_signed(rotated["secret"], request)

    def test_a_second_daemon_refuses_and_names_the_first_ones_pid(self):
        refused = run_webhookd(
            "--dev",
            "--state-dir",
            self.daemon.state,
            "--socket",
            self.daemon.home / "second.sock",
            "--listen",
            "none",
            home=self.daemon.home,
        )
        self.assertNotEqual(0, refused.code)
        self.assertIn(str(self.daemon.process.pid), refused.err)
        self.assertNotRegex(refused.err, r"(?m)^ready$")
        self.assertEqual(200, self.api.request("GET", "/readyz").status)

    def test_a_second_daemon_does_not_take_the_firsts_socket(self):
        refused = run_webhookd(
            "--dev",
            "--state-dir",
            self.daemon.home / "other",
            "--socket",
            self.daemon.socket,
            "--listen",
            "none",
            home=self.daemon.home,
        )
        self.assertNotEqual(0, refused.code, refused.err)
        self.assertIn(str(self.daemon.socket), refused.err)
        self.assertEqual(200, self.api.request("GET", "/readyz").status)

    def test_the_state_is_for_its_owner_alone(self):
        self.api.publish()
        modes = {}
        for folder, _, files in os.walk(self.daemon.state):
            modes[folder] = stat.S_IMODE(os.stat(folder).st_mode)
            for name in files:
                path = os.path.join(folder, name)
                modes[path] = stat.S_IMODE(os.lstat(path).st_mode)
        self.assertGreater(len(modes), 3)
        self.assertEqual(
            {}, {p: oct(m) for p, m in modes.items() if m != (0o700 if os.path.isdir(p) else 0o600)}
        )

    def test_no_secret_is_in_the_log(self):
        webhook, path = self.webhook(Reply(500), headers={"Authorization": "Bearer hush-hush"})
        token = self.api.token(role="super_admin")
        self.daemon.tcp_api(token).publish()
        self.delivered(path, 2)
        text = self.daemon.all_stderr()
        for secret in (webhook["secret"], token, "hush-hush"):
            self.assertNotIn(secret, text)


class FreshStartTest(unittest.TestCase):
    def test_a_daemon_that_is_ended_and_started_ten_times_keeps_its_webhook(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        daemon.start()
        made = daemon.api.create("http://127.0.0.1:9/hook", name="survivor")
        for turn in range(10):
            if turn % 2:
                daemon.kill()
            else:
                self.assertEqual(0, daemon.terminate())
            daemon.start()
        self.assertEqual("survivor", daemon.api.webhook(made["id"])["name"])


if __name__ == "__main__":
    unittest.main()
