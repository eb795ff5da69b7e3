"""Clients that publish without pause: single events and small batches, with ids and without."""

import enum
import json
import random
import threading
import time

from api_client import ApiClient
from checker import canonical

TYPES = (
    "user.created",
    "user.deleted",
    "group.created",
    "group.deleted",
    "auth.login_failed",
    "auth.login_succeeded",
    "session.created",
    "application.created",
)
EVENTS = "/api/v1/events"
NDJSON = {"Content-Type": "application/x-ndjson"}

BATCHES = 0.25  # of all publications
WITHOUT_IDS = 0.25
LONGEST_BREAK = 0.06  # seconds between two publications


class Outcome(enum.Enum):
    KNOWN = enum.auto()
    UNKNOWN = enum.auto()  # no answer, or 503: it may have been stored


class Client(threading.Thread):
    """Publishes one event after the other; repeats most of those whose outcome it did not learn,
    if they have ids of their own."""

    def __init__(self, number, token, ledger, seed):
        super().__init__(daemon=True)
        self._number, self._door, self._token, self._ledger = number, None, token, ledger
        self._random, self._api = random.Random(seed), None
        self._may_run, self._stopped, self._resting = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )
        self._resting.set()
        self.faults = []

    def go(self, door):
        self._door = door
        self._resting.clear()
        self._may_run.set()

    def rest(self):
        """No request is under way when it returns; a thread that has died rests too."""
        self._may_run.clear()
        while self.is_alive() and not self._resting.wait(0.1):
            pass

    def stop(self):
        self._stopped.set()
        self._may_run.set()

    def run(self):
        try:
            self._publish_until_stopped()
        except Exception as error:
            self.faults.append(f"client {self._number} ended: {error!r}")

    def _publish_until_stopped(self):
        for count in range(1 << 60):
            if not self._may_run.is_set():
                self._hang_up()
                self._resting.set()
                self._may_run.wait()
            if self._stopped.is_set():
                self._hang_up()
                self._resting.set()
                return
            self._publish(f"{self._number}-{count}")
            self._stopped.wait(self._random.uniform(0, LONGEST_BREAK))

    def _hang_up(self):
        if self._api:
            self._api.close()
        self._api = None

    def _publish(self, name):
        with_ids = self._random.random() >= WITHOUT_IDS
        if self._random.random() < BATCHES:
            keys = [f"{name}.{place}" for place in range(self._random.randint(2, 6))]
        else:
            keys = [name]
        events = [self._event(key, with_ids) for key in keys]
        for place, (key, event) in enumerate(zip(keys, events)):
            self._ledger.submit(key, event, place)
        while not self._stopped.is_set():
            if self._send(keys, events) is Outcome.KNOWN:
                return
            # Without an id a second try could make a second event.
            if not with_ids or self._random.random() < 0.3 or not self._may_run.is_set():
                return  # its outcome stays unknown
            self._stopped.wait(0.02)

    def _event(self, key, with_id):
        event = {
            "event_type": self._random.choice(TYPES),
            "timestamp": "2026-11-23T09:00:00.000Z",
            "data": {"key": key, "s": "ü" * self._random.randint(0, 100)},
        }
        if with_id:
            event["event_id"] = f"evt_{key.replace('.', '_')}"
        return event

    def _send(self, keys, events):
        api, self._api = self._api or ApiClient(self._door, self._token), None
        began = time.monotonic()
        try:
            if len(events) == 1:
                answer = api.request("POST", EVENTS, canonical(events[0]))
            else:
                body = b"\n".join(map(canonical, events))
                answer = api.request("POST", f"{EVENTS}/batch", body, NDJSON)
        except OSError:
            return Outcome.UNKNOWN
        self._api = api  # what failed is not used again: the daemon may have another port by then
        return self._outcome(keys, answer, began)

    def _outcome(self, keys, answer, began):
        if answer.status in (200, 202):
            told = json.loads(answer.body)
            items = told["items"] if len(keys) > 1 else [told]
            if not all(item["duplicate"] for item in items):
                self._ledger.accepted(began)
            for key, item in zip(keys, items, strict=True):
                self._ledger.acknowledge(key, item["event_id"])
            return Outcome.KNOWN
        if answer.status != 503:
            self.faults.append(f"{keys[0]} was answered {answer}")
            return Outcome.KNOWN
        if not answer.headers["Retry-After"]:
            self.faults.append(f"{keys[0]} was answered 503 without Retry-After")
        self._ledger.refuse()
        return Outcome.UNKNOWN
