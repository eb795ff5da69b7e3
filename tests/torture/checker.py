"""What was submitted, what arrived, and whether the one explains the other."""

import dataclasses
import threading


@dataclasses.dataclass
class Submitted:
    """An event that a client has sent, or is about to."""

    event_type: str
    body: bytes  # the envelope that every receiver must get
    acknowledged: bool = False


@dataclasses.dataclass
class Observed:
    """A request that a receiver got."""

    webhook: str
    event_id: str
    body: bytes
    fault: str  # what is wrong with its signatures; None: nothing
    answered: bool  # with success


class Ledger:
    """What clients submit. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._events = {}
        self.submitted = self.acknowledged = 0

    def submit(self, event_id, event_type, body):
        """Before the first byte leaves: from then on it may arrive."""
        with self._lock:
            self._events[event_id] = Submitted(event_type, body)
            self.submitted += 1

    def acknowledge(self, event_id):
        """It was answered with success: from then on it must arrive."""
        with self._lock:
            self._events[event_id].acknowledged = True
            self.acknowledged += 1

    def take(self):
        """All events so far; the ledger begins anew."""
        with self._lock:
            taken, self._events = self._events, {}
            return taken


@dataclasses.dataclass
class Verdict:
    """Sentences about what must not be, and the number of deliveries made more than once."""

    lost: list = dataclasses.field(default_factory=list)
    unexpected: list = dataclasses.field(default_factory=list)
    unsigned: list = dataclasses.field(default_factory=list)
    delivered: int = 0
    duplicates: int = 0

    def add(self, other):
        for name in ("lost", "unexpected", "unsigned"):
            getattr(self, name).extend(getattr(other, name))
        self.delivered += other.delivered
        self.duplicates += other.duplicates

    def clean(self):
        return not (self.lost or self.unexpected or self.unsigned)


def matches(pattern, event_type):
    return pattern in ("*", event_type) or (
        pattern.endswith(".*") and event_type.startswith(pattern[:-1])
    )


def judge(events, observed, patterns):
    """`events`: Submitted by id; `patterns`: of each webhook, by its name. Everything that was
    submitted must have come to rest: what has not arrived now is lost."""
    verdict = Verdict()
    arrived = set()
    for one in observed:
        place = f"{one.event_id} at {one.webhook}"
        event = events.get(one.event_id)
        if event is None:
            verdict.unexpected.append(f"{place}: nobody submitted it")
        elif not matches(patterns[one.webhook], event.event_type):
            verdict.unexpected.append(f"{place}: {event.event_type} was not subscribed to")
        elif one.body != event.body:
            verdict.unexpected.append(f"{place}: the body differs: {one.body[:200]!r}")
        if one.fault:
            verdict.unsigned.append(f"{place}: {one.fault}")
        if one.answered:
            verdict.duplicates += (one.webhook, one.event_id) in arrived
            arrived.add((one.webhook, one.event_id))
    verdict.delivered = len(arrived)
    for event_id, event in events.items():
        for webhook, pattern in patterns.items():
            wanted = event.acknowledged and matches(pattern, event.event_type)
            if wanted and (webhook, event_id) not in arrived:
                verdict.lost.append(f"{event_id} at {webhook}: acknowledged and never delivered")
    return verdict
