"""What was submitted, what arrived, and whether the one explains the other."""

import bisect
import dataclasses
import json
import threading
import time


def canonical(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


@dataclasses.dataclass
class Submitted:
    """An event that a client has sent, or is about to. Its data has a `key` of its own, by which it
    is known also when the daemon made its id."""

    envelope: dict  # as published
    event_id: str = None  # as published or as answered; None: not known
    acknowledged: bool = False
    sent_at: float = 0.0  # before its first byte left
    acknowledged_at: float = 0.0
    place: int = 0  # in its batch

    def body(self, event_id):
        """What every receiver must get."""
        return canonical({**self.envelope, "event_id": event_id})


@dataclasses.dataclass
class Observed:
    """A request that a receiver got."""

    webhook: str
    key: str  # None: its data has none
    event_id: str
    body: bytes
    fault: str = None  # what is wrong with its signatures
    answered: bool = True  # with success; None: it depends on who was faster
    event_type: str = ""


@dataclasses.dataclass(frozen=True)
class Subscription:
    """What a webhook was promised."""

    pattern: str
    ordered: bool = False


class Ledger:
    """What clients submit. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._events = {}
        self._no_new_since = None
        self.submitted = self.acknowledged = self.refused = 0
        self.faults = []

    def submit(self, key, envelope, place=0):
        """Before the first byte leaves: from then on it may arrive."""
        event = Submitted(envelope, envelope.get("event_id"), place=place)
        with self._lock:
            event.sent_at = time.monotonic()
            self._events[key] = event
            self.submitted += 1

    def acknowledge(self, key, event_id):
        """It was answered with success: from then on it must arrive."""
        with self._lock:
            event = self._events[key]
            if event.event_id not in (None, event_id):
                self.faults.append(f"{event.event_id} was answered as {event_id}")
            event.event_id, event.acknowledged = event_id, True
            event.acknowledged_at = time.monotonic()
            self.acknowledged += 1

    def refuse(self):
        """It was answered with 503."""
        with self._lock:
            self.refused += 1

    def forbid_acceptance(self, forbidden):
        """While nothing can be made durable: what is sent from now on must not be accepted."""
        with self._lock:
            self._no_new_since = time.monotonic() if forbidden else None

    def accepted(self, began):
        """A request that began then was answered 202."""
        with self._lock:
            if self._no_new_since is not None and began > self._no_new_since:
                self.faults.append("a publication was accepted though every fsync failed")

    def take(self):
        """All events so far; the ledger begins anew."""
        with self._lock:
            taken, self._events = self._events, {}
            return taken


KINDS = ("lost", "unexpected", "unsigned", "disordered")


@dataclasses.dataclass
class Verdict:
    """Sentences about what must not be, and the number of deliveries made more than once."""

    lost: list = dataclasses.field(default_factory=list)
    unexpected: list = dataclasses.field(default_factory=list)
    unsigned: list = dataclasses.field(default_factory=list)
    disordered: list = dataclasses.field(default_factory=list)
    delivered: int = 0
    duplicates: int = 0
    own: int = 0  # the daemon's own events

    def add(self, other):
        for name in KINDS:
            getattr(self, name).extend(getattr(other, name))
        self.delivered += other.delivered
        self.duplicates += other.duplicates
        self.own += other.own

    def clean(self):
        return not any(getattr(self, name) for name in KINDS)


def matches(pattern, event_type):
    return pattern in ("*", event_type) or (
        pattern.endswith(".*") and event_type.startswith(pattern[:-1])
    )


def judge(events, observed, subscriptions):
    """`events`: Submitted by key; `observed`: in the order of arrival; `subscriptions`: of each
    webhook, by its name. Everything that was submitted must have come to rest: what has not arrived
    now is lost."""
    verdict, arrived, ids = Verdict(), set(), {}
    for one in observed:
        if one.fault:
            verdict.unsigned.append(f"{one.event_id} at {one.webhook}: {one.fault}")
        wrong = what_is_wrong(one, events, subscriptions, ids)
        if wrong:
            verdict.unexpected.append(f"{one.event_id} at {one.webhook}: {wrong}")
        if one.key not in events:
            verdict.own += not wrong
        elif one.answered is not False:
            verdict.duplicates += (one.webhook, one.key) in arrived
            arrived.add((one.webhook, one.key))
    verdict.delivered = len(arrived)
    for key, event in events.items():
        for webhook, promised in subscriptions.items():
            if not event.acknowledged or (webhook, key) in arrived:
                continue
            if matches(promised.pattern, event.envelope["event_type"]):
                verdict.lost.append(f"{event.event_id} at {webhook}: acknowledged, never delivered")
    for webhook, promised in subscriptions.items():
        if promised.ordered:
            here = [one for one in observed if one.webhook == webhook and one.key in events]
            verdict.disordered += disorder(events, here)
    return verdict


def what_is_wrong(one, events, subscriptions, ids):
    """Why this request should not have come; None: it should. `ids`: of each event, as far as
    they have been seen."""
    event, pattern = events.get(one.key), subscriptions[one.webhook].pattern
    if event is None:
        # A webhook that was failing says that it is well again; disabled is none here.
        is_own = one.key is None and one.event_type == "webhook.recovered"
        return None if is_own and matches(pattern, one.event_type) else "nobody submitted it"
    if not matches(pattern, event.envelope["event_type"]):
        return f"{event.envelope['event_type']} was not subscribed to"
    expected = event.event_id or ids.setdefault(one.key, one.event_id)
    if one.event_id != expected:
        return f"the same event has come as {expected}"
    if one.body != event.body(expected):
        return f"the body differs: {one.body[:200]!r}"
    return None


def disorder(events, observed):
    """Sentences about what an ordered webhook got before an event that was accepted earlier had
    been delivered. Events whose publications overlapped in time may come in any order."""
    first_seen, delivered_at = {}, {}
    for position, one in enumerate(observed):
        first_seen.setdefault(one.key, position)
        if one.answered is not False:
            delivered_at.setdefault(one.key, position)
    seen = sorted(first_seen, key=lambda key: events[key].acknowledged_at)
    accepted = [key for key in seen if events[key].acknowledged]
    times = [events[key].acknowledged_at for key in accepted]
    latest, slowest = [], None  # of those accepted so far, the one that was delivered last
    for key in accepted:
        place = delivered_at.get(key, len(observed))
        if slowest is None or place > delivered_at.get(slowest, len(observed)):
            slowest = key
        latest.append(slowest)
    found = []
    for key, place in first_seen.items():
        before = bisect.bisect_left(times, events[key].sent_at)
        if before and delivered_at.get(latest[before - 1], len(observed)) > place:
            found.append(f"{key} came before {latest[before - 1]}, which was accepted earlier")
    return found + batch_disorder(events, first_seen)


def batch_disorder(events, first_seen):
    """The same within batches, whose events have one time of sending."""
    found, batches = [], {}
    for key in first_seen:
        batch, dot, _ = key.rpartition(".")
        if dot:
            batches.setdefault(batch, []).append(key)
    for keys in batches.values():
        keys.sort(key=lambda key: events[key].place)
        for earlier, later in zip(keys, keys[1:]):
            if first_seen[later] < first_seen[earlier]:
                found.append(f"{later} came before {earlier}, which stood before it in its batch")
    return found


def crowd(times, rate, window=3.0, slack=1.0):
    """A sentence about more requests within `window` s than a limit of `rate` a second lets
    through, when each may be seen `slack` s late; None: there never were."""
    most = rate * (window * 1.05 + slack) + 1
    start = 0
    for end, at in enumerate(times):
        while times[start] < at - window:
            start += 1
        if end - start + 1 > most:
            return f"{end - start + 1} requests in {window:g} s, where {rate:g} a second may come"
    return None
