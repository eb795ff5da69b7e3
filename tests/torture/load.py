"""Clients that publish without pause, and receivers that are not always well."""

import json
import random
import threading

import signatures
from api_client import ApiClient
from checker import Observed
from receiver import Reply

TYPES = ("user.created", "user.deleted", "group.created", "auth.login_failed")
PATTERNS = {"users": "user.*", "groups": "group.created", "all": "*"}

# A receiver's requests between two failures of its own: five in a row would open the circuit, and
# its first probe comes after ten seconds.
CALM = 12


class Endpoints:
    """The receiving side of all webhooks. Thread-safe."""

    def __init__(self, receiver, seed):
        self._receiver, self._random = receiver, random.Random(seed)
        self._lock = threading.Lock()
        self._calm = dict.fromkeys(PATTERNS, 0)
        self._got = []
        self.secrets = {}

    def create_webhooks(self, api):
        for name, pattern in PATTERNS.items():
            made = api.create(
                self._receiver.url(f"/{name}"), [pattern], name=name, timeout_seconds=2
            )
            self.secrets[name] = made["secret"]
            self._receiver.script(f"/{name}", then=self._answer)

    def _answer(self, request):
        name = request.path[1:]
        with self._lock:
            reply = self._reply(name)
            failed = reply.status != 200 or reply.reset or reply.close
            self._calm[name] = 0 if failed else self._calm[name] + 1
            self._got.append((name, request, not failed))
        return reply

    def _reply(self, name):
        chance = self._random.random()
        if chance < 0.02:
            return Reply(delay=self._random.uniform(0.05, 0.8))
        if self._calm[name] < CALM or chance > 0.12:
            return Reply()
        return self._random.choice(
            [Reply(500), Reply(503, body=b"busy"), Reply(reset=True), Reply(close=True)]
        )

    def take(self):
        """What was received so far; begins anew."""
        with self._lock:
            taken, self._got = self._got, []
        self._receiver.clear()
        return [
            Observed(
                name,
                request.header("X-ScaiKey-Event-ID"),
                request.body,
                signatures.fault(self.secrets[name], request),
                answered,
            )
            for name, request, answered in taken
        ]


class Client(threading.Thread):
    """Publishes one event after the other; repeats most of those whose outcome it did not learn."""

    def __init__(self, number, door, token, ledger, seed):
        super().__init__(daemon=True)
        self._number, self._door, self._token, self._ledger = number, door, token, ledger
        self._random, self._api = random.Random(seed), None
        self._may_run, self._stopped, self._resting = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )
        self._resting.set()
        self.faults = []

    def go(self, door):
        self._door, self._api = door, None
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
                self._resting.set()
                self._may_run.wait()
            if self._stopped.is_set():
                self._resting.set()
                return
            self._publish(f"evt_{self._number}_{count}")

    def _publish(self, event_id):
        event_type = self._random.choice(TYPES)
        event = {
            "event_type": event_type,
            "event_id": event_id,
            "timestamp": "2026-11-23T09:00:00.000Z",
            "data": {"n": self._random.random(), "s": "ü" * self._random.randint(0, 100)},
        }
        body = json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
        self._ledger.submit(event_id, event_type, body)
        while not self._stopped.is_set():
            status = self._send(body)
            if status in (200, 202):
                self._ledger.acknowledge(event_id)
                return
            if status is not None and status != 503:
                self.faults.append(f"{event_id} was answered {status}")
                return
            if self._random.random() < 0.3 or not self._may_run.is_set():
                return  # its outcome stays unknown
            self._stopped.wait(0.01)

    def _send(self, body):
        """The status; None when no answer came."""
        api, self._api = self._api or ApiClient(self._door, self._token), None
        try:
            status = api.request("POST", "/api/v1/events", body).status
        except OSError:
            return None
        self._api = api  # what failed is not used again: the daemon may have another port by then
        return status
