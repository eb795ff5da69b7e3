"""What the daemon publishes about webhooks: webhook.disabled and webhook.recovered."""

import json
import unittest

from e2e import DaemonTest
from polling import eventually
from receiver import Reply


class OwnEventsTest(DaemonTest):
    def watchers(self, count=1, events=("webhook.*",), **fields):
        """Webhooks that want such events, by path. Several, so that every loop has one."""
        paths = []
        for _ in range(count):
            watcher, path = self.webhook(events=events, **fields)
            paths.append((watcher, path))
        return paths

    def disabled(self, webhook):
        eventually(
            lambda: self.api.webhook(webhook["id"])["status"] == "disabled", "disabled by the daemon"
        )
        return self.api.webhook(webhook["id"])

    def open_circuit(self, *more, **fields):
        """A webhook whose five attempts failed and whose sixth will succeed."""
        webhook, path = self.webhook(*[Reply(500)] * 5, *more, retry_schedule=[600], **fields)
        for _ in range(5):
            self.api.publish(tenant_id=webhook["tenant_id"])
        self.delivered(path, 5)
        self.failures_recorded(webhook, 5)
        self.assertEqual("open", self.api.webhook(webhook["id"])["circuit"]["state"])
        return webhook, path

    def retry_first(self, webhook):
        first = self.api.deliveries(webhook["id"])["items"][-1]["id"]
        self.api.retry(webhook["id"], first)

    def test_410_is_told_to_everyone_who_wants_to_know(self):
        watchers = self.watchers(6)
        gone, _ = self.webhook(Reply(410), metadata={"k": "v"})
        self.api.publish()
        shown = self.disabled(gone)
        for watcher, path in watchers:
            request = self.delivered(path)[0]
            self.assert_signed(watcher["secret"], request)
            body = json.loads(request.body)
            self.assertEqual("webhook.disabled", body["event_type"])
            self.assertEqual({"type": "webhook", "id": gone["id"]}, body["resource"])
            self.assertEqual({"type": "daemon", "id": "webhookd"}, body["actor"])
            self.assertEqual(
                {
                    "webhook_id": gone["id"],
                    "name": gone["name"],
                    "url": gone["url"],
                    "reason": shown["disabled_reason"],
                    "disabled_at": shown["disabled_at"],
                    "consecutive_failures": 1,
                    "failing_since": shown["last_failure_at"],
                },
                body["data"],
            )
        event = self.api.request("GET", f"/api/v1/admin/events/{body['event_id']}").json()
        self.assertEqual(6, len(event["deliveries"]))

    def test_a_recovery_is_told_also_when_the_circuit_opened_before_a_crash(self):
        (watcher, path), = self.watchers()
        webhook, _ = self.open_circuit()
        self.daemon.kill()
        self.daemon.start()
        self.retry_first(webhook)
        body = json.loads(self.delivered(path)[0].body)
        self.assertEqual("webhook.recovered", body["event_type"])
        self.assertEqual(webhook["id"], body["data"]["webhook_id"])
        self.assertEqual(5, body["data"]["consecutive_failures"])
        self.assertLessEqual(body["data"]["failing_since"], body["data"]["recovered_at"])
        self.daemon.wait_deliveries(watcher["id"], 1, status="succeeded")
        self.daemon.kill()
        self.daemon.start()
        self.api.publish()
        eventually(lambda: self.api.webhook(webhook["id"])["backlog"] == 4, "the next one sent")
        self.assertEqual(1, len(self.receiver.requests(path)))

    def test_a_webhook_of_every_type_hears_nothing_of_itself(self):
        (_, path), = self.watchers()
        webhook, own_path = self.open_circuit(events=("*",))
        self.retry_first(webhook)
        self.delivered(path)
        self.assertEqual(
            {"user.created"},
            {json.loads(r.body)["event_type"] for r in self.receiver.requests(own_path)},
        )
        self.assertEqual(5, self.api.deliveries(webhook["id"])["total"])

    def test_the_events_are_the_tenants(self):
        (mine, path), = self.watchers(tenant_id="tnt_a")
        (other, _), = self.watchers(tenant_id="tnt_b")
        gone, _ = self.webhook(Reply(410), tenant_id="tnt_a")
        self.api.publish(tenant_id="tnt_a")
        self.assertEqual("tnt_a", json.loads(self.delivered(path)[0].body)["tenant_id"])
        self.assertEqual(0, self.api.deliveries(other["id"])["total"])
        self.assertEqual(1, self.api.deliveries(mine["id"])["total"])
        self.disabled(gone)

    def test_an_operators_disabling_is_told_to_nobody(self):
        (watcher, path), = self.watchers()
        webhook, _ = self.webhook()
        self.api.update(webhook["id"], status="disabled")
        self.api.update(webhook["id"], status="active")
        gone, _ = self.webhook(Reply(410))
        self.api.publish()
        self.disabled(gone)
        self.assertEqual(gone["id"], json.loads(self.delivered(path)[0].body)["data"]["webhook_id"])
        self.assertEqual(1, self.api.deliveries(watcher["id"])["total"])

    def test_enabled_again_its_health_begins_anew(self):
        webhook, path = self.webhook(*[Reply(500)] * 5, Reply(410), retry_schedule=[600])
        for _ in range(5):
            self.api.publish()
        self.delivered(path, 5)
        eventually(
            lambda: self.api.webhook(webhook["id"])["circuit"]["state"] == "open", "circuit open"
        )
        self.retry_first(webhook)
        self.disabled(webhook)
        self.api.update(webhook["id"], status="active")
        shown = self.api.webhook(webhook["id"])
        self.assertEqual(
            (0, "closed", None, None),
            (
                shown["consecutive_failures"],
                shown["circuit"]["state"],
                shown["disabled_reason"],
                shown["disabled_at"],
            ),
        )
        self.api.publish()
        self.delivered(path, 7)

    def test_nobody_but_the_daemon_publishes_them(self):
        for event_type in ("webhook.disabled", "webhook.recovered"):
            answer = self.api.request(
                "POST", "/api/v1/events", {"event_type": event_type, "data": {}}
            )
            self.assert_faults(answer, ("value_error", ("body", "event_type")))


if __name__ == "__main__":
    unittest.main()
