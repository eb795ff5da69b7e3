"""A secret is replaced while its receivers still know the old one."""

import threading
import unittest

import signatures
from api_client import BASE
from e2e import DaemonTest
from polling import eventually
from receiver import Reply


class RotationTest(DaemonTest):
    def latest(self, path):
        """The request of an event that is published now."""
        sent = self.api.publish()
        matching = lambda: [
            r
            for r in self.receiver.requests(path)
            if r.header("webhook-id") == sent["event_id"]
            or r.header("X-ScaiKey-Event-ID") == sent["event_id"]
        ]
        return eventually(matching, f"{sent['event_id']} arrives")[-1]

    def test_during_the_grace_period_old_and_new_secret_verify(self):
        webhook, path = self.webhook()
        rotated = self.api.rotate(webhook["id"], grace_period_seconds=3600)
        self.assertEqual(["id", "secret", "previous_secret_expires_at"], list(rotated))
        self.assertNotEqual(webhook["secret"], rotated["secret"])
        self.assertTrue(rotated["secret"].startswith("whsec_"))
        request = self.latest(path)
        self.assert_signed(rotated["secret"], request)
        self.assert_signed(webhook["secret"], request)
        timestamp = request.header("X-ScaiKey-Timestamp")
        digests = [
            signatures.scaikey(s, timestamp, request.body)
            for s in (rotated["secret"], webhook["secret"])
        ]
        self.assertEqual(
            f"t={timestamp},v1={digests[0]},v1={digests[1]}", request.header("X-ScaiKey-Signature")
        )
        self.assertEqual(2, len(request.header("webhook-signature").split(" ")))

    def test_without_a_grace_period_only_the_new_secret_verifies(self):
        webhook, path = self.webhook()
        rotated = self.api.rotate(webhook["id"], grace_period_seconds=0)
        request = self.latest(path)
        self.assert_signed(rotated["secret"], request)
        self.assert_not_signed(webhook["secret"], request)
        self.assertEqual(1, request.header("X-ScaiKey-Signature").count("v1="))
        self.assertEqual(1, len(request.header("webhook-signature").split(" ")))

    def test_when_the_grace_period_is_over_the_old_secret_is_gone(self):
        webhook, path = self.webhook()
        rotated = self.api.rotate(webhook["id"], grace_period_seconds=1)
        eventually(
            lambda: self.latest(path).header("X-ScaiKey-Signature").count("v1=") == 1,
            "one signature again",
            interval=0.2,
        )
        request = self.latest(path)
        self.assert_signed(rotated["secret"], request)
        self.assert_not_signed(webhook["secret"], request)

    def test_a_second_rotation_keeps_one_old_secret_at_most(self):
        webhook, path = self.webhook()
        second = self.api.rotate(webhook["id"])["secret"]
        third = self.api.rotate(webhook["id"])["secret"]
        request = self.latest(path)
        self.assert_signed(third, request)
        self.assert_signed(second, request)
        self.assert_not_signed(webhook["secret"], request)

    def test_a_retry_is_signed_with_the_secret_of_its_own_moment(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        webhook, path = self.webhook(Reply(500, gate=gate))
        self.api.publish()
        self.delivered(path)
        rotated = self.api.rotate(webhook["id"], grace_period_seconds=0)
        gate.set()
        first, second = self.delivered(path, 2)
        self.assert_signed(webhook["secret"], first)
        self.assert_signed(rotated["secret"], second)
        self.assert_not_signed(webhook["secret"], second)

    def test_rotation_to_a_secret_of_the_callers_own(self):
        webhook, path = self.webhook()
        secret = "my own secret, 2nd"
        rotated = self.api.rotate(webhook["id"], secret=secret, grace_period_seconds=60)
        self.assertEqual(secret, rotated["secret"])
        self.assertEqual(secret[-4:], self.api.webhook(webhook["id"])["secret_hint"])
        request = self.latest(path)
        timestamp = request.header("X-ScaiKey-Timestamp")
        self.assertIn(
            signatures.scaikey(secret, timestamp, request.body),
            request.header("X-ScaiKey-Signature"),
        )
        # The old one signs in both schemes; the new one has no key for Standard Webhooks.
        self.assert_signed(webhook["secret"], request)
        self.assertEqual(1, len(request.header("webhook-signature").split(" ")))
        self.api.rotate(webhook["id"], secret="my own secret, 3rd", grace_period_seconds=60)
        self.assertIsNone(self.latest(path).header("webhook-signature"))

    def test_a_bad_rotation_changes_nothing(self):
        webhook, path = self.webhook()
        for body, kind, field in (
            ({"grace_period_seconds": -1}, "greater_than_equal", "grace_period_seconds"),
            ({"grace_period_seconds": 604801}, "less_than_equal", "grace_period_seconds"),
            ({"grace_period_seconds": "60"}, "int_type", "grace_period_seconds"),
            ({"secret": "whsec_not base64!!!!!!!!"}, "value_error", "secret"),
            ({"grace": 1}, "extra_forbidden", "grace"),
        ):
            answer = self.api.request("POST", f"{BASE}/{webhook['id']}/rotate-secret", body)
            self.assert_faults(answer, (kind, ["body", field]))
            self.assertNotIn(b"not base64", answer.body)
        answer = self.api.request("PATCH", f"{BASE}/{webhook['id']}", {"secret": "x" * 20})
        self.assertEqual(422, answer.status, answer)
        self.assertNotIn(b"x" * 20, answer.body)
        request = self.latest(path)
        self.assert_signed(webhook["secret"], request)
        self.assertEqual(1, request.header("X-ScaiKey-Signature").count("v1="))

    def test_rotating_nothing_is_404(self):
        answer = self.api.request("POST", f"{BASE}/whk_0000000000000000/rotate-secret")
        self.assert_detail(answer, 404, "Webhook not found")


if __name__ == "__main__":
    unittest.main()
