"""Hurts webhookd in every way that the contract speaks of, while clients publish and receivers
misbehave, and checks that no acknowledged event is lost and nothing arrives that nobody sent."""

import argparse
import collections
import contextlib
import dataclasses
import multiprocessing
import pathlib
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

from api_client import BASE
from checker import KINDS, Ledger, Verdict, judge
from daemon import Daemon
from endpoints import SUBSCRIPTIONS, Endpoints
from faults import DRAIN, FAULTS, deck
from load import Client
from polling import PATIENCE, eventually
from preload import Clock, Disk, environment
from receiver import Receiver

CLIENTS = 6
LONGEST_RESTART = 5.0  # seconds from start to ready
SHOWN = 5  # sentences of each kind of what must not be
LEAST_ACKNOWLEDGED = 10  # events in a cycle, or it has shown nothing
TOKEN_SECONDS = 300 * 86400  # the clock is set, by days


@dataclasses.dataclass
class Totals:
    verdict: Verdict = dataclasses.field(default_factory=Verdict)
    faults: list = dataclasses.field(default_factory=list)
    restarts: list = dataclasses.field(default_factory=list)
    took_effect: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    cycles: int = 0
    kills: int = 0
    submitted: int = 0
    acknowledged: int = 0
    refused: int = 0

    def add(self, other):
        self.verdict.add(other.verdict)
        self.faults += other.faults
        self.restarts += other.restarts
        self.took_effect += other.took_effect
        for name in ("cycles", "kills", "submitted", "acknowledged", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def all_faults(self):
        found = list(self.faults)
        found += [
            f"{took:.1f} s from start to ready"
            for took in self.restarts
            if took >= LONGEST_RESTART * PATIENCE
        ]
        if self.cycles >= len(FAULTS):
            found += [f"{kind} never took effect" for kind in FAULTS if not self.took_effect[kind]]
        if self.acknowledged < LEAST_ACKNOWLEDGED * self.cycles:
            found.append("hardly anything was published: this proves nothing")
        return found

    def sentences(self):
        """What must not be, in words."""
        found = [f"{kind}: {said}" for kind in KINDS for said in getattr(self.verdict, kind)]
        return found + [f"fault: {said}" for said in self.faults]

    def exit_status(self):
        return 0 if self.verdict.clean() and not self.all_faults() else 1

    def last_line(self):
        found = [f"{name}={len(getattr(self.verdict, name))}" for name in KINDS]
        found += [
            f"faults={len(self.all_faults())}",
            f"duplicates={self.verdict.duplicates}",
            f"kills={self.kills}",
        ]
        return " ".join(found)


def integrity_fault(state):
    """What SQLite finds wrong with a copy of the state directory's database; None: nothing. No
    daemon may be running on it."""
    with tempfile.TemporaryDirectory(prefix="webhookd-copy-") as folder:
        for file in pathlib.Path(state).glob("webhookd.db*"):
            shutil.copy(file, folder)
        path = pathlib.Path(folder) / "webhookd.db"
        if not path.exists():
            return f"no webhookd.db in {state}"
        # Not mode=ro: what is left in the log of a killed daemon must be read too.
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA query_only = 1")
            found = connection.execute("PRAGMA integrity_check").fetchall()
            return None if found == [("ok",)] else str(found[:3])
        except sqlite3.DatabaseError as error:
            return str(error)
        finally:
            connection.close()


class World:
    """A daemon, those who publish to it, those who receive from it, and what can be done to it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.receiver = Receiver()
        self.daemon = Daemon(
            "--retry-schedule",
            ",".join(["1"] * 20),
            "--log-level",
            "warn",
            "--drain-timeout",
            f"{DRAIN:g}s",
        )
        self.clock, self.disk = Clock(), Disk(self.daemon.state)
        self.daemon.env = environment(self.clock, self.disk)
        self.endpoints = Endpoints(self.receiver, self.random.random())
        self.ledger, self.totals, self.clients = Ledger(), Totals(), []
        self._clock_is_ahead = 0

    def open(self):
        self.daemon.start()
        self.endpoints.create_webhooks(self.daemon.api)
        token = self.daemon.api.token(role="super_admin", ttl_seconds=TOKEN_SECONDS)
        for number in range(CLIENTS):
            # Half of them by the socket, half by TCP, whose port changes with each start.
            seed = self.random.random()
            self.clients.append(Client(number, token if number % 2 else None, self.ledger, seed))
            self.clients[-1].start()

    def cycle(self, kind):
        """A fault under load, a start, and the account of all that was published."""
        self.let_publish()
        time.sleep(self.random.uniform(0.1, 0.8))
        self.suffer(kind)
        if self.daemon.is_running():
            self.end()
        fault = integrity_fault(self.daemon.state)
        if fault:
            self.totals.faults.append(f"after {kind}: integrity_check: {fault}")
        self.start()
        self.let_publish()
        time.sleep(self.random.uniform(0.05, 0.2))
        self.account_for_all(kind)
        self.totals.cycles += 1

    def suffer(self, kind):
        try:
            FAULTS[kind](self)
            self.totals.took_effect[kind] += 1
        except (AssertionError, OSError) as error:
            self.totals.faults.append(f"{kind}: {error!r}")
        finally:
            self.disk.fail()

    def account_for_all(self, kind):
        for client in self.clients:
            client.rest()
        try:
            self.wait_for_backlog()
            self.totals.faults += self.endpoints.not_active(self.daemon.api)
        except (AssertionError, OSError) as error:
            self.totals.faults.append(f"after {kind}: {error}; {self.daemon.stderr()[-500:]}")
        observed, faults = self.endpoints.take()
        verdict = judge(self.ledger.take(), observed, SUBSCRIPTIONS)
        for client in self.clients:
            faults += client.faults
            client.faults = []
        faults += self.ledger.faults
        self.ledger.faults = []
        for name in KINDS:
            sentences = getattr(verdict, name)
            sentences[:] = [f"after {kind}: {sentence}" for sentence in sentences]
        self.totals.verdict.add(verdict)
        for name in ("submitted", "acknowledged", "refused"):
            setattr(self.totals, name, getattr(self.ledger, name))
        self.totals.faults += [f"after {kind}: {sentence}" for sentence in faults]

    def wait_for_backlog(self):
        def backlog():
            items = self.daemon.api.request("GET", f"{BASE}/").json()["items"]
            return {item["name"]: item["backlog"] for item in items if item["backlog"]}

        waiting = {}

        def is_worked_off():
            waiting.clear()
            waiting.update(backlog())
            return not waiting

        try:
            eventually(is_worked_off, "the backlog is worked off", timeout=60, interval=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; backlog {waiting}") from None

    # ---- what can be done to it

    def let_publish(self):
        for number, client in enumerate(self.clients):
            client.go(self.daemon.tcp if number % 2 else self.daemon.socket)

    def kill(self):
        self.daemon.kill()
        self.totals.kills += 1

    def start(self):
        self.totals.restarts.append(self.daemon.start())

    def end(self):
        """After a fault that a daemon survives: often as in a crash, now and then as it should."""
        if self.random.random() < 0.7:
            return self.kill()
        code = self.daemon.terminate()
        if code != 0:
            self.totals.faults.append(f"SIGTERM: it ended with {code}: {self.daemon.stderr()}")
        return None

    def stop(self):
        self.daemon.process.send_signal(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self.daemon.process.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(") ")[2][0] == "T", "it stands still")

    def resume(self):
        self.daemon.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def disk_that(self, *faults):
        self.disk.fail(*faults)
        try:
            yield
        finally:
            self.disk.fail()

    def set_clock(self, by):
        self._clock_is_ahead += by
        self.clock.set(self._clock_is_ahead)

    def close(self):
        for client in self.clients:
            client.stop()
        try:
            self.daemon.close()
        except AssertionError as error:
            self.totals.faults.append(str(error))
        self.receiver.stop()
        self.clock.close()
        self.disk.close()


def run_world(number, cycles, seed):
    """The totals of one world."""
    world = World(f"{seed} {number}")
    try:
        world.open()
        told = collections.Counter()
        for done, kind in enumerate(deck(world.random, cycles), 1):
            world.cycle(kind)
            new = collections.Counter(world.totals.sentences()) - told
            told += new
            for sentence in list(new)[:SHOWN]:
                print(f"{number}: {sentence}")
            print(f"{number}: {done}/{cycles} {kind}: {world.totals.last_line()}", flush=True)
    except Exception as error:  # what has been found so far must be told
        world.totals.faults.append(f"world {number} ended: {error!r}")
    finally:
        world.close()
    return world.totals


def shares(cycles, jobs):
    """How many cycles each of so many worlds makes."""
    return [share for share in (cycles // jobs + (n < cycles % jobs) for n in range(jobs)) if share]


def run(cycles, seed, jobs):
    worlds = [(number, share, seed) for number, share in enumerate(shares(cycles, jobs))]
    totals = Totals()
    if len(worlds) == 1:
        totals.add(run_world(*worlds[0]))
        return totals
    # Threads and forks do not mix: each world is a process from its beginning.
    with multiprocessing.get_context("spawn").Pool(len(worlds)) as pool:
        for one in pool.starmap(run_world, worlds, chunksize=1):
            totals.add(one)
    return totals


def report(totals, seed):
    restarts = sorted(totals.restarts) or [0.0]
    per_kill = totals.verdict.duplicates / max(totals.kills, 1)
    print(f"cycles {totals.cycles}, submitted {totals.submitted}", end=", ")
    print(f"acknowledged {totals.acknowledged}, refused {totals.refused}", end=", ")
    print(f"delivered {totals.verdict.delivered}, own events {totals.verdict.own}")
    print(", ".join(f"{kind} {totals.took_effect[kind]}" for kind in FAULTS))
    print(f"kills {totals.kills}, duplicates per kill {per_kill:.2f}")
    print(
        f"start to ready: median {restarts[len(restarts) // 2]:.3f} s, longest {restarts[-1]:.3f} s"
    )
    for kind in KINDS:
        for sentence in getattr(totals.verdict, kind)[:SHOWN]:
            print(f"{kind}: {sentence}")
    for sentence in totals.all_faults()[:SHOWN]:
        print(f"fault: {sentence}")
    print(f"seed {seed}")
    print(totals.last_line(), flush=True)


def arguments_of(parser):
    parser.add_argument("--cycles", type=int, default=20, help="how many faults (default 20)")
    parser.add_argument("--seed", type=int, help="repeat a run's random choices")
    parser.add_argument(
        "--jobs", type=int, default=1, help="so many daemons side by side (default 1)"
    )
    arguments = parser.parse_args()
    if min(arguments.cycles, arguments.jobs) < 1:
        parser.error("--cycles and --jobs begin at 1")
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1 << 32)
    return arguments


def main():
    arguments = arguments_of(argparse.ArgumentParser(prog="./dev torture", description=__doc__))
    print(f"seed {arguments.seed}, {arguments.cycles} cycles", flush=True)
    totals = run(arguments.cycles, arguments.seed, arguments.jobs)
    report(totals, arguments.seed)
    return totals.exit_status()


if __name__ == "__main__":
    sys.exit(main())
