"""Kills webhookd with SIGKILL at random moments while clients publish and receivers misbehave, and
checks that no acknowledged event is lost and nothing arrives that nobody sent."""

import argparse
import dataclasses
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time

from checker import Ledger, Verdict, judge
from daemon import Daemon
from load import PATTERNS, Client, Endpoints
from polling import PATIENCE, eventually
from receiver import Receiver

CLIENTS = 4
CYCLES_PER_ROUND = 5  # after so many kills everything is let come to rest, and counted
LONGEST_RESTART = 5.0  # seconds from start to ready
SHOWN = 5  # sentences of each kind of fault


@dataclasses.dataclass
class Totals:
    verdict: Verdict = dataclasses.field(default_factory=Verdict)
    faults: list = dataclasses.field(default_factory=list)
    restarts: list = dataclasses.field(default_factory=list)
    kills: int = 0

    def slow_restarts(self):
        return [took for took in self.restarts if took >= LONGEST_RESTART * PATIENCE]

    def exit_status(self):
        return 0 if self.verdict.clean() and not self.faults and not self.slow_restarts() else 1

    def last_line(self):
        found = self.verdict
        faults = len(self.faults) + len(self.slow_restarts())
        return (
            f"lost={len(found.lost)} unexpected={len(found.unexpected)} "
            f"unsigned={len(found.unsigned)} faults={faults} "
            f"duplicates={found.duplicates} kills={self.kills}"
        )


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


class Torture:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.receiver = Receiver()
        self.daemon = Daemon("--retry-schedule", ",".join(["1"] * 20), "--log-level", "error")
        self.endpoints = Endpoints(self.receiver, self.random.random())
        self.ledger, self.totals, self.clients = Ledger(), Totals(), []

    def run(self, cycles):
        self.daemon.start()
        self.endpoints.create_webhooks(self.daemon.api)
        token = self.daemon.api.token(role="super_admin", ttl_seconds=86400)
        for number in range(CLIENTS):
            # Half of them by the socket, half by TCP, whose port changes with each start.
            self.clients.append(
                Client(
                    number, None, token if number % 2 else None, self.ledger, self.random.random()
                )
            )
            self.clients[-1].start()
        done = 0
        while done < cycles:
            kills = min(CYCLES_PER_ROUND, cycles - done)
            self.round(kills)
            done += kills
            acknowledged = f"{self.ledger.acknowledged} acknowledged"
            print(f"{done}/{cycles} cycles, {acknowledged}, {self.totals.last_line()}", flush=True)

    def round(self, kills):
        for _ in range(kills):
            self.let_publish()
            time.sleep(self.random.uniform(0.2, 1.6))
            self.kill_and_restart()
        for client in self.clients:
            client.rest()
        self.come_to_rest()
        self.totals.verdict.add(judge(self.ledger.take(), self.endpoints.take(), PATTERNS))
        for client in self.clients:
            self.totals.faults += client.faults
            client.faults = []

    def let_publish(self):
        for number, client in enumerate(self.clients):
            client.go(self.daemon.tcp if number % 2 else self.daemon.socket)

    def kill_and_restart(self):
        self.daemon.kill()
        self.totals.kills += 1
        fault = integrity_fault(self.daemon.state)
        if fault:
            self.totals.faults.append(f"integrity_check: {fault}")
        if self.random.random() < 0.25:
            # Once more in the midst of its recovery.
            self.daemon.spawn()
            time.sleep(self.random.uniform(0.0, 0.15))
            self.daemon.kill()
            self.totals.kills += 1
        self.totals.restarts.append(self.daemon.start())

    def come_to_rest(self):
        def backlog():
            items = self.daemon.api.request("GET", "/api/v1/admin/webhooks/").json()["items"]
            return sum(item["backlog"] for item in items)

        try:
            eventually(
                lambda: backlog() == 0, "the backlog is worked off", timeout=60, interval=0.05
            )
        except AssertionError as error:
            self.totals.faults.append(f"{error}; backlog {backlog()}")

    def close(self):
        for client in self.clients:
            client.stop()
        try:
            self.daemon.close()
        except AssertionError as error:
            self.totals.faults.append(str(error))
        self.receiver.stop()


def report(totals, ledger, seed):
    restarts = sorted(totals.restarts) or [0.0]
    per_kill = totals.verdict.duplicates / max(totals.kills, 1)
    print(f"submitted {ledger.submitted}, acknowledged {ledger.acknowledged}", end=", ")
    print(f"delivered {totals.verdict.delivered}")
    print(f"kills {totals.kills}, duplicates per kill {per_kill:.2f}")
    print(
        f"start to ready: median {restarts[len(restarts) // 2]:.3f} s, longest {restarts[-1]:.3f} s"
    )
    for kind in ("lost", "unexpected", "unsigned"):
        for sentence in getattr(totals.verdict, kind)[:SHOWN]:
            print(f"{kind}: {sentence}")
    for sentence in totals.faults[:SHOWN]:
        print(f"fault: {sentence}")
    for took in totals.slow_restarts()[:SHOWN]:
        print(f"fault: {took:.1f} s from start to ready")
    print(f"seed {seed}")
    print(totals.last_line(), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev torture", description=__doc__)
    parser.add_argument(
        "--cycles", type=int, default=20, help="how often the daemon is killed (default 20)"
    )
    parser.add_argument("--seed", type=int, default=None, help="repeat a run's random choices")
    arguments = parser.parse_args()
    seed = (
        arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    )
    print(f"seed {seed}, {arguments.cycles} cycles", flush=True)
    torture = Torture(seed)
    try:
        torture.run(arguments.cycles)
        if torture.ledger.acknowledged < arguments.cycles:
            torture.totals.faults.append("hardly anything was published: this proves nothing")
    finally:
        torture.close()
    report(torture.totals, torture.ledger, seed)
    return torture.totals.exit_status()


if __name__ == "__main__":
    sys.exit(main())
