"""The receiving side: webhooks whose receivers each misbehave in a way of their own."""

import dataclasses
import json
import random
import threading
import time

import signatures
from api_client import BASE
from checker import Observed, Subscription, crowd
from polling import PATIENCE
from receiver import Reply

TIMEOUT = 2  # seconds of an attempt
BUSY = (("Retry-After", "1"),)

# A receiver's requests between two failures of its own: five in a row would open the circuit, and
# its first probe comes after ten seconds.
CALM = 12

# An attempt may have been signed so long before it was seen.
SIGNED_BEFORE = 6.0 * PATIENCE
# What was sent before a pause has arrived by then.
SETTLED = 1.0 * PATIENCE

MANY_HEADERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    + b"".join(b"X-Extra-%d: %d\r\n" % (n, n) for n in range(400_000))
    + b"\r\n"
)


@dataclasses.dataclass(frozen=True)
class Misbehaviour:
    reply: Reply
    # Whether the attempt succeeds; None: it depends on who is faster.
    answered: bool = False


FAILURES = (
    Misbehaviour(Reply(500)),
    Misbehaviour(Reply(429, BUSY)),
    Misbehaviour(Reply(503, BUSY, b"busy")),
)
CUTS = (Misbehaviour(Reply(reset=True)), Misbehaviour(Reply(close=True)))
# The daemon has given up by then.
STALL = Misbehaviour(Reply(delay=TIMEOUT * 2, close=True))
DRIPS = (
    # The deadline covers everything: past it an attempt has failed, whatever its status was.
    Misbehaviour(Reply(200, body=b"x" * 60, drip=1.0)),
    # Done in good time, unless the machine is slow.
    Misbehaviour(Reply(200, body=b"x", drip=1.0), None),
)
# Read up to a bound, and then as the status says.
ENDLESS = (
    Misbehaviour(Reply(200, endless=True), True),
    Misbehaviour(Reply(500, endless=True), False),
)
HEADERS = (Misbehaviour(Reply(raw=MANY_HEADERS)),)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    pattern: str
    misbehaves: tuple = ()
    chance: float = 0.1
    settings: dict = dataclasses.field(default_factory=dict)


LIMIT = 20.0  # a second

ENDPOINTS = {
    "steady": Endpoint("*"),
    "failing": Endpoint("user.*", FAILURES),
    "resetting": Endpoint("auth.*", CUTS),
    "stalling": Endpoint("user.deleted", (STALL,), 0.05),
    "dripping": Endpoint("session.*", DRIPS, 0.05),
    "endless": Endpoint("group.created", ENDLESS),
    "headers": Endpoint("auth.*", HEADERS, 0.05),
    "ordered": Endpoint("group.*", (*FAILURES, *CUTS), 0.1, {"ordered": True}),
    "limited": Endpoint("session.*", settings={"rate_limit_per_second": LIMIT}),
}
SUBSCRIPTIONS = {
    name: Subscription(one.pattern, one.settings.get("ordered", False))
    for name, one in ENDPOINTS.items()
}


@dataclasses.dataclass
class Secret:
    """Current from one moment to the other, both as far as they can be known."""

    text: str
    since: float
    until: float = None  # None: it still may be


class Keyring:
    """Which secrets a webhook may have had when. Thread-safe."""

    def __init__(self, secret):
        self._lock = threading.Lock()
        self._secrets = [Secret(secret, 0.0)]

    def begin(self, secret):
        """A rotation is asked for; it may happen, or not."""
        with self._lock:
            self._secrets.append(Secret(secret, time.monotonic()))

    def done(self):
        """It was answered: only the newest is current now."""
        with self._lock:
            for secret in self._secrets[:-1]:
                secret.until = secret.until or time.monotonic()

    def newest(self):
        with self._lock:
            return self._secrets[-1].text

    def fault(self, request):
        """What is wrong with its signatures, when no secret of its time has made them."""
        with self._lock:
            current = [
                secret.text
                for secret in self._secrets
                if secret.since <= request.at
                and (secret.until is None or secret.until >= request.at - SIGNED_BEFORE)
            ]
        faults = [signatures.fault(secret, request) for secret in reversed(current)]
        return faults[0] if all(faults) else None


class Endpoints:
    """The receiving side of all webhooks. Thread-safe."""

    def __init__(self, receiver, seed):
        self._receiver, self._random = receiver, random.Random(seed)
        self._lock = threading.Lock()
        self._calm = dict.fromkeys(ENDPOINTS, 0)
        self._got = []
        self._quiet = []  # of whom from when to when nothing may come
        self.ids, self.keyrings = {}, {}
        self.new_secrets = 0  # requests that were signed with a secret that was rotated in

    def create_webhooks(self, api):
        for name, one in ENDPOINTS.items():
            made = api.create(
                self._receiver.url(f"/{name}"),
                [one.pattern],
                name=name,
                timeout_seconds=TIMEOUT,
                **one.settings,
            )
            self.ids[name] = made["id"]
            self.keyrings[name] = Keyring(made["secret"])
            self._receiver.script(f"/{name}", then=self._answer)

    def _answer(self, request):
        name = request.path[1:]
        with self._lock:
            chosen = self._choose(name, ENDPOINTS[name])
            self._calm[name] = 0 if not chosen.answered else self._calm[name] + 1
            self._got.append((name, request, chosen.answered))
        return chosen.reply

    def _choose(self, name, endpoint):
        chance = self._random.random()
        if endpoint.misbehaves and self._calm[name] >= CALM and chance < endpoint.chance:
            return self._random.choice(endpoint.misbehaves)
        if endpoint.misbehaves and chance > 0.98:
            return Misbehaviour(Reply(delay=self._random.uniform(0.05, 0.5)), True)
        return Misbehaviour(Reply(), True)

    def received(self):
        with self._lock:
            return len(self._got)

    # ---- what is done to webhooks; OSError or AssertionError as the API says

    def rotate(self, api, name, grace):
        secret = f"whsec_{signatures.base64.b64encode(self._random.randbytes(32)).decode()}"
        self.keyrings[name].begin(secret)
        api.rotate(self.ids[name], secret=secret, grace_period_seconds=grace)
        self.keyrings[name].done()

    def pause(self, api, name):
        """The moment from which on nothing may arrive."""
        api.update(self.ids[name], status="paused")
        return time.monotonic() + SETTLED

    def resume(self, api, name, quiet_since):
        with self._lock:
            self._quiet.append((name, quiet_since, time.monotonic()))
        api.update(self.ids[name], status="active")

    def not_active(self, api):
        """Sentences about webhooks that nobody has stopped."""
        items = api.request("GET", f"{BASE}/").json()["items"]
        return [
            f"{item['name']} is {item['status']}: {item['disabled_reason']}"
            for item in items
            if item["status"] != "active"
        ]

    # ---- what came

    def take(self):
        """What was received so far, and sentences about what came when it should not; begins
        anew."""
        with self._lock:
            taken, self._got = self._got, []
            quiet, self._quiet = self._quiet, []
        self._receiver.clear()
        faults = [
            f"{name} was sent a request while it was paused"
            for name, since, until in quiet
            if any(got == name and since < r.at < until for got, r, _ in taken)
        ]
        crowded = crowd(sorted(r.at for got, r, _ in taken if got == "limited"), LIMIT)
        return [self._observed(*one) for one in taken], faults + ([crowded] if crowded else [])

    def _observed(self, name, request, answered):
        try:
            body = json.loads(request.body)
            key, event_type = body["data"].get("key"), body["event_type"]
        except (ValueError, KeyError, TypeError, AttributeError):
            key, event_type = None, ""  # the checker will say what it thinks of it
        return Observed(
            name,
            key,
            request.header("X-ScaiKey-Event-ID"),
            request.body,
            self.keyrings[name].fault(request),
            answered,
            event_type,
        )
