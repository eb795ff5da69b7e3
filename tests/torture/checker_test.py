"""The harness must be able to fail: each of the things it looks for is put before it."""

import pathlib
import sqlite3
import tempfile
import unittest

from checker import Ledger, Observed, Submitted, Verdict, judge
from polling import PATIENCE
from torture import Totals, integrity_fault

PATTERNS = {"users": "user.*", "all": "*"}


def event(event_type="user.created", body=b"{}", acknowledged=True):
    return Submitted(event_type, body, acknowledged)


def seen(webhook="users", event_id="e1", body=b"{}", fault=None, answered=True):
    return Observed(webhook, event_id, body, fault, answered)


EVERYWHERE = [seen("users"), seen("all")]


class JudgeTest(unittest.TestCase):
    def test_what_arrived_wherever_it_should_is_clean(self):
        verdict = judge({"e1": event()}, EVERYWHERE, PATTERNS)
        self.assertTrue(verdict.clean())
        self.assertEqual((2, 0), (verdict.delivered, verdict.duplicates))

    def test_an_acknowledged_event_that_is_missing_at_one_webhook_is_lost(self):
        verdict = judge({"e1": event()}, [seen("users")], PATTERNS)
        self.assertEqual(1, len(verdict.lost))
        self.assertIn("e1 at all", verdict.lost[0])

    def test_what_was_received_but_not_answered_with_success_is_lost(self):
        verdict = judge({"e1": event()}, [seen("users"), seen("all", answered=False)], PATTERNS)
        self.assertEqual(1, len(verdict.lost))

    def test_an_event_of_unknown_outcome_may_arrive_or_not(self):
        unknown = {"e1": event(acknowledged=False)}
        self.assertTrue(judge(unknown, [], PATTERNS).clean())
        self.assertTrue(judge(unknown, EVERYWHERE, PATTERNS).clean())

    def test_what_nobody_submitted_is_unexpected(self):
        verdict = judge({"e1": event()}, EVERYWHERE + [seen("all", "e2")], PATTERNS)
        self.assertEqual(1, len(verdict.unexpected))
        self.assertIn("e2", verdict.unexpected[0])

    def test_a_body_that_differs_is_unexpected_even_of_an_unknown_outcome(self):
        for acknowledged in (True, False):
            verdict = judge(
                {"e1": event(acknowledged=acknowledged)}, [seen(body=b"{ }"), *EVERYWHERE], PATTERNS
            )
            self.assertEqual(1, len(verdict.unexpected))

    def test_a_webhook_that_did_not_subscribe_must_not_get_it(self):
        verdict = judge({"e1": event("group.created")}, EVERYWHERE, PATTERNS)
        self.assertEqual(1, len(verdict.unexpected))

    def test_a_signature_that_does_not_verify_is_told(self):
        verdict = judge({"e1": event()}, [seen("users", fault="no digest"), seen("all")], PATTERNS)
        self.assertEqual(1, len(verdict.unsigned))
        self.assertFalse(verdict.clean())

    def test_a_second_success_is_a_duplicate_and_a_retry_is_none(self):
        observed = [seen("users", answered=False), *EVERYWHERE, seen("users")]
        verdict = judge({"e1": event()}, observed, PATTERNS)
        self.assertTrue(verdict.clean())
        self.assertEqual(1, verdict.duplicates)


class LedgerTest(unittest.TestCase):
    def test_it_hands_out_each_event_once(self):
        ledger = Ledger()
        ledger.submit("e1", "user.created", b"{}")
        ledger.submit("e2", "user.created", b"{}")
        ledger.acknowledge("e1")
        self.assertEqual(
            {"e1": True, "e2": False}, {i: e.acknowledged for i, e in ledger.take().items()}
        )
        self.assertEqual({}, ledger.take())
        self.assertEqual((2, 1), (ledger.submitted, ledger.acknowledged))


class TotalsTest(unittest.TestCase):
    def test_every_kind_of_fault_fails_the_run(self):
        self.assertEqual(0, Totals().exit_status())
        for name in ("lost", "unexpected", "unsigned"):
            totals = Totals()
            getattr(totals.verdict, name).append("x")
            self.assertEqual(1, totals.exit_status(), name)
            self.assertIn(f"{name}=1", totals.last_line())
        self.assertEqual(1, Totals(faults=["the store is broken"]).exit_status())
        self.assertEqual(1, Totals(restarts=[0.1, 5.1 * PATIENCE]).exit_status())
        self.assertEqual(0, Totals(restarts=[0.1, 0.2]).exit_status())
        self.assertTrue(Totals().last_line().startswith("lost=0 unexpected=0 "))
        self.assertEqual([], Verdict().lost)


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
