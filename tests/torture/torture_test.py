"""What a run makes of what it found, and what it finds in a database."""

import pathlib
import sqlite3
import tempfile
import time
import types
import unittest

import signatures
from checker import KINDS
from endpoints import SIGNED_BEFORE, Keyring
from faults import FAULTS
from polling import PATIENCE
from torture import Totals, integrity_fault, shares


class TotalsTest(unittest.TestCase):
    def test_every_kind_of_fault_fails_the_run(self):
        self.assertEqual(0, Totals().exit_status())
        for name in KINDS:
            totals = Totals()
            getattr(totals.verdict, name).append("x")
            self.assertEqual(1, totals.exit_status(), name)
            self.assertIn(f"{name}=1", totals.last_line())
        self.assertEqual(1, Totals(faults=["the store is broken"]).exit_status())
        self.assertEqual(1, Totals(restarts=[0.1, 5.1 * PATIENCE]).exit_status())
        self.assertEqual(0, Totals(restarts=[0.1, 0.2]).exit_status())
        self.assertTrue(Totals().last_line().startswith("lost=0 unexpected=0 "))

    def test_a_long_run_without_one_kind_of_fault_fails(self):
        totals = Totals(cycles=len(FAULTS), acknowledged=1 << 20)
        totals.took_effect.update(FAULTS)
        self.assertEqual(0, totals.exit_status())
        del totals.took_effect["full disk"]
        self.assertEqual(["full disk never took effect"], totals.all_faults())
        totals.cycles -= 1
        self.assertEqual(0, totals.exit_status())

    def test_a_run_that_hardly_published_fails(self):
        self.assertEqual(1, Totals(cycles=5, acknowledged=5).exit_status())
        self.assertEqual(0, Totals(cycles=5, acknowledged=500).exit_status())

    def test_worlds_are_added_up(self):
        totals = Totals()
        for _ in range(2):
            one = Totals(faults=["x"], restarts=[0.1], cycles=3, kills=2, acknowledged=40)
            one.took_effect["kill"] += 2
            one.verdict.lost.append("y")
            one.verdict.duplicates = 5
            totals.add(one)
        self.assertEqual((2, 2), (len(totals.faults), len(totals.restarts)))
        self.assertEqual((6, 4, 80), (totals.cycles, totals.kills, totals.acknowledged))
        self.assertEqual(4, totals.took_effect["kill"])
        self.assertIn("lost=2 ", totals.last_line())
        self.assertIn(" duplicates=10 ", totals.last_line())

    def test_the_cycles_are_shared_out(self):
        self.assertEqual([4, 3, 3], shares(10, 3))
        self.assertEqual([1, 1], shares(2, 8))


class KeyringTest(unittest.TestCase):
    """A request must be signed with a secret that was current at its time."""

    def request(self, secret, at):
        body, stamp = b"{}", "1800000000"
        headers = {
            "X-ScaiKey-Signature": f"t={stamp},v1={signatures.scaikey(secret, stamp, body)}",
            "X-ScaiKey-Timestamp": stamp,
        }
        return types.SimpleNamespace(body=body, at=at, header=headers.get)

    def setUp(self):
        self.keys = Keyring("the first of secrets")
        self.now = time.monotonic()

    def fault(self, secret, after=0.1):
        return self.keys.fault(self.request(secret, self.now + after))

    def test_only_its_own_secret_will_do(self):
        self.assertIsNone(self.fault("the first of secrets"))
        self.assertIsNotNone(self.fault("another secret"))

    def test_after_a_rotation_that_was_answered_the_old_one_is_soon_wrong(self):
        self.keys.begin("the second of secrets")
        self.keys.done()
        self.assertIsNone(self.fault("the second of secrets"))
        self.assertIsNone(self.fault("the first of secrets"))  # signed before
        self.assertIsNotNone(self.fault("the first of secrets", SIGNED_BEFORE + 1))
        self.assertIsNone(self.fault("the second of secrets", SIGNED_BEFORE + 1))

    def test_after_one_of_unknown_outcome_either_will_do_until_the_next(self):
        self.keys.begin("the second of secrets")
        for secret in ("the first of secrets", "the second of secrets"):
            self.assertIsNone(self.fault(secret, SIGNED_BEFORE + 1))
        self.keys.begin("the third of secrets")
        self.keys.done()
        for secret in ("the first of secrets", "the second of secrets"):
            self.assertIsNotNone(self.fault(secret, SIGNED_BEFORE + 1))


class IntegrityTest(unittest.TestCase):
    def database(self, folder):
        path = pathlib.Path(folder) / "webhookd.db"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.execute("CREATE INDEX i ON t (v)")
        connection.executemany(
            "INSERT INTO t (v) VALUES (?)", ((f"value {n}" * 20,) for n in range(2000))
        )
        connection.commit()
        connection.close()
        return path

    def test_a_sound_database_has_no_fault(self):
        with tempfile.TemporaryDirectory() as folder:
            self.database(folder)
            self.assertIsNone(integrity_fault(pathlib.Path(folder)))

    def test_a_damaged_one_has(self):
        with tempfile.TemporaryDirectory() as folder:
            path = self.database(folder)
            data = bytearray(path.read_bytes())
            for page in range(5, len(data) // 4096, 3):
                data[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
            path.write_bytes(data)
            self.assertIsNotNone(integrity_fault(pathlib.Path(folder)))

    def test_no_database_at_all_is_a_fault(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNotNone(integrity_fault(pathlib.Path(folder)))


if __name__ == "__main__":
    unittest.main()
