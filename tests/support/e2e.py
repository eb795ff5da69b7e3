"""The base of tests that drive a real daemon: one daemon and one receiver for a class."""

import itertools
import unittest

import signatures
from api_client import BASE
from daemon import Daemon
from polling import eventually
from receiver import Receiver

_numbers = itertools.count(1)


class DaemonTest(unittest.TestCase):
    flags = ("--retry-schedule", "1,1,2")
    daemon_options = {}

    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.stop)
        cls.daemon = Daemon(*cls.flags, **cls.daemon_options)
        cls.addClassCleanup(cls.daemon.close)
        cls.daemon.start()
        cls.api = cls.daemon.api

    def path(self):
        """A path of the receiver that nobody else uses."""
        return f"/{self._testMethodName}/{next(_numbers)}"

    def webhook(self, *replies, events=("user.created",), path=None, **fields):
        """A new webhook, whose receiver answers with `replies` and then 200, and its path. Deleted
        at the test's end, so that it does not receive what later tests publish."""
        path = path or self.path()
        if replies:
            self.receiver.script(path, *replies)
        fields.setdefault("name", path.strip("/"))
        made = self.api.create(self.receiver.url(path), events, **fields)
        self.addCleanup(self.api.request, "DELETE", f"{BASE}/{made['id']}")
        return made, path

    def delivered(self, path, count=1):
        """The requests at a path once there are `count`."""
        return self.receiver.wait_for(count, path)

    def failures_recorded(self, webhook, count):
        """Returns once the store has so many failures in a row: what the loops tell of circuits
        and pauses is known a moment before, and a crash in between forgets it."""
        eventually(
            lambda: self.api.webhook(webhook["id"])["consecutive_failures"] == count,
            f"{count} failures recorded",
        )

    def only_delivery(self, webhook):
        """The one delivery that a webhook has had."""
        return self.daemon.wait_deliveries(webhook["id"], 1)[0]

    def finished(self, webhook, *statuses):
        """The detail of a webhook's only delivery once it has come to an end."""
        delivery = self.only_delivery(webhook)
        statuses = statuses or ("succeeded", "failed", "cancelled")
        return self.daemon.wait_status(webhook["id"], delivery["id"], *statuses)

    def state(self):
        """All that a request may change, as the API shows it."""
        paths = (f"{BASE}/?per_page=200", f"{BASE}/events", "/api/v1/admin/deliveries?per_page=200")
        shown = [self.api.request("GET", path) for path in (*paths, "/api/v1/admin/audit")]
        self.assertEqual([200] * len(shown), [answer.status for answer in shown], shown)
        return [answer.body for answer in shown]

    def assert_signed(self, secret, request):
        self.assertIsNone(signatures.fault(secret, request))

    def assert_not_signed(self, secret, request):
        self.assertIsNotNone(signatures.fault(secret, request))

    def assert_detail(self, answer, status, detail=None):
        """An error of the form {"detail": "sentence"}."""
        self.assertEqual(status, answer.status, answer)
        self.assertEqual(["detail"], list(answer.json()), answer)
        self.assertIsInstance(answer.json()["detail"], str, answer)
        if detail is not None:
            self.assertEqual(detail, answer.json()["detail"])

    def assert_faults(self, answer, *type_and_loc):
        """A 422 that names exactly these faults, in any order."""
        self.assertEqual(422, answer.status, answer)
        found = sorted((f["type"], f["loc"]) for f in answer.json()["detail"])
        self.assertEqual(sorted((t, list(loc)) for t, loc in type_and_loc), found, answer)


class RefusalTest(DaemonTest):
    """Whatever a test sends, the daemon lives, and nothing has changed at the test's end.

    `watching` is a paused webhook that takes every event: its deliveries tell of any.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.watching = cls.api.create("http://127.0.0.1:9/", name="watching", status="paused")

    def setUp(self):
        self.before = self.state()

    def tearDown(self):
        self.assertEqual(self.before, self.state())
