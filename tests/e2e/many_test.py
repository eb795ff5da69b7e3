"""Retry, cancel and replay of many deliveries, over the API and by the command line."""

import json
import threading
import unittest

from api_client import BASE, ApiClient
from e2e import DaemonTest
from receiver import Reply

LONG_AGO = "2020-01-01T00:00:00Z"


class ManyTest(DaemonTest):
    def post(self, webhook, what, **body):
        answer = self.api.request("POST", f"{BASE}/{webhook['id']}/{what}", body)
        self.assertEqual(200, answer.status, answer)
        return answer.json()

    def publish_many(self, count, event_type):
        """Their ids, in order."""
        ids = []
        while len(ids) < count:
            events = [
                {"event_type": event_type, "data": {"n": n}}
                for n in range(len(ids), min(count, len(ids) + 500))
            ]
            answer = self.api.request("POST", "/api/v1/events/batch", events)
            self.assertEqual(202, answer.status, answer)
            ids += [item["event_id"] for item in answer.json()["items"]]
        return ids

    def received(self, path, count):
        return [r.header("webhook-id") for r in self.delivered(path, count)]

    def ctl(self, *arguments):
        done = self.daemon.ctl(*arguments, "-o", "json")
        self.assertEqual(0, done.code, done)
        return json.loads(done.out)

    def test_an_outage_is_made_good_in_one_call_and_in_order(self):
        webhook, path = self.webhook(*[Reply(500)] * 4, retry_schedule=[], max_in_flight=1)
        ids = [self.api.publish()["event_id"] for _ in range(4)]
        self.daemon.wait_deliveries(webhook["id"], 4, status="failed")
        counted = self.post(webhook, "deliveries/retry", dry_run=True)
        self.assertEqual((4, 4), (counted["matched"], counted["retried"]))
        done = self.post(webhook, "deliveries/retry", response_status="5xx")
        self.assertEqual(
            {"matched": 4, "retried": 4, "skipped": 0, "next_cursor": None}, done
        )
        self.assertEqual(ids, self.received(path, 8)[4:])
        self.daemon.wait_deliveries(webhook["id"], 4, status="succeeded")
        self.assertEqual(0, self.post(webhook, "deliveries/retry")["matched"])

    def test_what_was_missed_while_disabled_is_replayed_once(self):
        webhook, path = self.webhook(events=["user.activated"])
        first = self.api.publish("user.activated")["event_id"]
        self.delivered(path)
        self.daemon.wait_deliveries(webhook["id"], 1, status="succeeded")
        self.api.update(webhook["id"], status="disabled")
        missed = [self.api.publish("user.activated")["event_id"] for _ in range(3)]
        replay = {"since": LONG_AGO, "missed_only": True, "replay_id": "outage"}
        refused = self.api.request("POST", f"{BASE}/{webhook['id']}/replay", replay)
        self.assert_detail(refused, 409)
        self.api.update(webhook["id"], status="active")
        self.assertEqual(3, self.post(webhook, "replay", **replay)["created"])
        self.assertEqual(0, self.post(webhook, "replay", **replay)["created"])
        received = self.received(path, 4)
        self.assertEqual((first, sorted(missed)), (received[0], sorted(received[1:])))
        self.daemon.wait_deliveries(webhook["id"], 4, status="succeeded")
        self.assertEqual(4, len(self.receiver.requests(path)))

    def test_an_ordered_webhook_gets_a_replay_behind_what_waits(self):
        old = [self.api.publish("user.suspended")["event_id"] for _ in range(2)]
        webhook, path = self.webhook(events=["user.suspended"], ordered=True, status="paused")
        live = self.api.publish("user.suspended")["event_id"]
        self.post(webhook, "replay", since=LONG_AGO, missed_only=True)
        last = self.api.publish("user.suspended")["event_id"]
        self.api.update(webhook["id"], status="active")
        self.assertEqual([live, *old, last], self.received(path, 4))

    def test_a_poisoned_type_is_cancelled_and_the_line_goes_on(self):
        webhook, path = self.webhook(
            events=["group.*"], ordered=True, status="paused", retry_schedule=[3600]
        )
        for event_type in ("group.created", "group.created", "group.deleted"):
            self.api.publish(event_type)
        done = self.post(webhook, "deliveries/cancel", event_type="group.created")
        self.assertEqual((2, 2), (done["matched"], done["cancelled"]))
        self.api.update(webhook["id"], status="active")
        [request] = self.delivered(path)
        self.assertEqual("group.deleted", request.header("X-ScaiKey-Event-Type"))

    def test_a_replay_that_a_crash_broke_off_is_run_again_and_repeats_nothing(self):
        ids = self.publish_many(3000, "session.created")
        webhook, _ = self.webhook(events=["session.created"], status="paused")
        body = {"since": LONG_AGO, "limit": 10_000, "replay_id": "broken"}

        def replay():
            try:
                self.api.request("POST", f"{BASE}/{webhook['id']}/replay", body)
            except OSError:
                pass  # the daemon is gone

        call = threading.Thread(target=replay)
        call.start()
        # Some of it is done; the rest may be too by now, which is as well.
        while self.api.deliveries(webhook["id"])["total"] == 0 and call.is_alive():
            pass
        self.daemon.kill()
        call.join()
        self.daemon.start()
        done = self.post(webhook, "replay", **body)
        self.assertEqual((3000, None), (done["matched"], done["next_cursor"]))
        self.assertEqual(3000, done["created"] + done["skipped"])
        self.assertEqual(3000, self.api.deliveries(webhook["id"])["total"])
        self.assertEqual(3000, self.post(webhook, "replay", **body)["skipped"])
        oldest = self.api.deliveries(webhook["id"], page=15, per_page=200)["items"]
        self.assertEqual(ids[:200], [d["event_id"] for d in reversed(oldest)])

    def broken_off(self, what, webhook, has_begun, **body):
        """Makes a call for 10,000 and kills the daemon once some of it is done; it may be all."""
        path, body = f"{BASE}/{webhook['id']}/{what}", {"limit": 10_000, **body}
        caller = ApiClient(self.daemon.socket)

        def call():
            try:
                caller.request("POST", path, body)
            except OSError:
                pass  # the daemon is gone

        thread = threading.Thread(target=call)
        thread.start()
        while thread.is_alive() and not has_begun():
            pass
        self.daemon.kill()
        thread.join()
        self.daemon.start()

    def pages(self, what, changed, webhook, limit, **body):
        """Goes from cursor to cursor: what each of the calls matched, and what all have changed."""
        matched, sum_of_changed, cursor = [], 0, None
        while len(matched) < 20:
            page = self.post(webhook, what, limit=limit, cursor=cursor, **body)
            matched.append(page["matched"])
            sum_of_changed += page[changed]
            cursor = page["next_cursor"]
            if cursor is None:
                return matched, sum_of_changed
        self.fail(f"no end after {matched}")

    def assert_bounded(self, matched, limit):
        self.assertEqual([limit] * (len(matched) - 1), matched[:-1])
        self.assertLessEqual(matched[-1], limit)

    def test_each_call_is_bounded_and_after_a_crash_halfway_nothing_is_lost_or_doubled(self):
        ids = self.publish_many(2500, "session.revoked")
        webhook, path = self.webhook(events=["session.revoked"], status="paused")

        def count(status):
            return self.api.deliveries(webhook["id"], status=status, per_page=1)["total"]

        replay = {"since": LONG_AGO, "event_type": "session.revoked", "replay_id": "halfway"}
        for limit in (0, 10_001):
            answer = self.api.request(
                "POST", f"{BASE}/{webhook['id']}/replay", {**replay, "limit": limit}
            )
            self.assertEqual(422, answer.status, answer)
        self.broken_off("replay", webhook, lambda: count("pending") > 0, **replay)
        made = count("pending")
        matched, created = self.pages("replay", "created", webhook, 700, **replay)
        self.assert_bounded(matched, 700)
        self.assertEqual((2500, 2500 - made, 2500), (sum(matched), created, count("pending")))

        self.broken_off("deliveries/cancel", webhook, lambda: count("cancelled") > 0)
        done = count("cancelled")
        matched, cancelled = self.pages("deliveries/cancel", "cancelled", webhook, 700)
        self.assert_bounded(matched, 700)
        self.assertEqual((2500 - done, 2500), (cancelled, count("cancelled")))

        retry = {"status": "cancelled"}
        self.broken_off("deliveries/retry", webhook, lambda: count("pending") > 0, **retry)
        done = count("pending")
        matched, retried = self.pages("deliveries/retry", "retried", webhook, 700, **retry)
        self.assert_bounded(matched, 700)
        self.assertEqual((2500 - done, 2500), (retried, count("pending")))

        self.api.update(webhook["id"], status="active")
        self.daemon.wait_deliveries(webhook["id"], 2500, 60, status="succeeded", per_page=1)
        self.assertEqual(sorted(ids), sorted(self.received(path, 2500)))

    def test_the_command_line_retries_replays_and_cancels(self):
        webhook, path = self.webhook(
            *[Reply(500)] * 2, events=["tenant.created"], retry_schedule=[]
        )
        for _ in range(2):
            self.api.publish("tenant.created")
        self.daemon.wait_deliveries(webhook["id"], 2, status="failed")
        name = webhook["name"]
        self.assertEqual(2, self.ctl("retry", name, "--since", "1h", "--http", "500")["retried"])
        self.daemon.wait_deliveries(webhook["id"], 2, status="succeeded")
        counted = self.ctl("replay", name, "--since", "1h", "--dry-run")
        self.assertEqual((2, 2), (counted["matched"], counted["created"]))
        done = self.ctl("replay", name, "--since", "1h", "--missed-only")
        self.assertEqual(0, done["matched"])
        replayed = self.daemon.ctl("replay", name, "--since", "1h", "--replay-id", "r1")
        self.assertEqual((0, "field\tvalue\nmatched\t2\ncreated\t2\nskipped\t0\n"), (replayed.code, replayed.out))
        self.assertIn("--replay-id r1", replayed.err)
        self.assertEqual(2, self.ctl("replay", name, "--since", "1h", "--replay-id", "r1")["skipped"])
        self.daemon.wait_deliveries(webhook["id"], 4, status="succeeded")
        self.assertEqual(6, len(self.receiver.requests(path)))
        self.ctl("pause", name)
        self.api.publish("tenant.created")
        self.assertEqual(1, self.ctl("cancel", name, "--status", "pending")["cancelled"])
        missing = self.daemon.ctl("replay", "nobody", "--since", "1h")
        self.assertEqual(3, missing.code, missing)


if __name__ == "__main__":
    unittest.main()
