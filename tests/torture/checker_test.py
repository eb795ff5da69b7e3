"""The harness must be able to fail: each of the things it looks for is put before it."""

import time
import unittest

from checker import KINDS, Ledger, Observed, Submitted, Subscription, canonical, crowd, judge

SUBSCRIPTIONS = {"users": Subscription("user.*"), "all": Subscription("*")}


def event(event_type="user.created", event_id="e1", acknowledged=True, at=(1.0, 2.0), place=0):
    envelope = {"event_type": event_type, "data": {"key": event_id}}
    return Submitted(envelope, event_id, acknowledged, *at, place)


def body(event_id="e1", event_type="user.created", key=None):
    return canonical(
        {"event_type": event_type, "data": {"key": key or event_id}, "event_id": event_id}
    )


def seen(webhook="users", key="e1", event_id=None, **more):
    event_id = event_id or key
    more.setdefault("body", body(event_id, key=key))
    return Observed(webhook, key, event_id, **more)


EVERYWHERE = [seen("users"), seen("all")]


def verdict_of(observed, events=None):
    return judge(events or {"e1": event()}, observed, SUBSCRIPTIONS)


class JudgeTest(unittest.TestCase):
    def found(self, verdict, kind):
        """The only sentence there is, and it is of this kind."""
        told = {name: len(getattr(verdict, name)) for name in KINDS}
        self.assertEqual({name: int(name == kind) for name in KINDS}, told)
        self.assertFalse(verdict.clean())
        return getattr(verdict, kind)[0]

    def test_what_arrived_wherever_it_should_is_clean(self):
        verdict = verdict_of(EVERYWHERE)
        self.assertTrue(verdict.clean())
        self.assertEqual((2, 0), (verdict.delivered, verdict.duplicates))

    def test_an_acknowledged_event_that_is_missing_at_one_webhook_is_lost(self):
        self.assertIn("e1 at all", self.found(verdict_of([seen("users")]), "lost"))

    def test_what_was_received_but_not_answered_with_success_is_lost(self):
        observed = [seen("users"), seen("all", answered=False)]
        self.assertIn("e1 at all", self.found(verdict_of(observed), "lost"))

    def test_what_may_have_been_a_success_is_not_lost(self):
        self.assertTrue(verdict_of([seen("users"), seen("all", answered=None)]).clean())

    def test_an_event_of_unknown_outcome_may_arrive_or_not(self):
        unknown = {"e1": event(acknowledged=False)}
        self.assertTrue(verdict_of([], unknown).clean())
        self.assertTrue(verdict_of(EVERYWHERE, unknown).clean())

    def test_what_nobody_submitted_is_unexpected(self):
        verdict = verdict_of(EVERYWHERE + [seen("all", "e2")])
        self.assertIn("e2 at all", self.found(verdict, "unexpected"))

    def test_a_body_that_differs_is_unexpected_even_of_an_unknown_outcome(self):
        for acknowledged in (True, False):
            events = {"e1": event(acknowledged=acknowledged)}
            self.found(verdict_of([seen(body=b"{ }"), *EVERYWHERE], events), "unexpected")

    def test_a_webhook_that_did_not_subscribe_must_not_get_it(self):
        events = {"e1": event("group.created")}
        right = body(event_type="group.created")
        observed = [seen("users", body=right), seen("all", body=right)]
        self.found(verdict_of(observed, events), "unexpected")

    def test_one_event_with_two_ids_of_the_daemon_is_unexpected(self):
        events = {"e1": event(event_id=None, acknowledged=False)}
        events["e1"].envelope["data"]["key"] = "e1"
        observed = [seen("users", event_id="d1"), seen("all", event_id="d1")]
        self.assertTrue(verdict_of(observed, events).clean())
        self.found(verdict_of([*observed, seen("all", event_id="d2")], events), "unexpected")

    def test_another_id_than_was_answered_is_unexpected(self):
        observed = [*EVERYWHERE, seen("all", event_id="d2")]
        self.assertIn("has come as e1", self.found(verdict_of(observed), "unexpected"))

    def test_the_daemon_may_say_that_a_webhook_is_well_again_and_nothing_else(self):
        own = {"key": None, "event_id": "o", "body": b"{}"}
        verdict = verdict_of([*EVERYWHERE, seen("all", **own, event_type="webhook.recovered")])
        self.assertTrue(verdict.clean())
        self.assertEqual(1, verdict.own)
        for webhook, event_type in (("all", "webhook.disabled"), ("users", "webhook.recovered")):
            observed = [*EVERYWHERE, seen(webhook, **own, event_type=event_type)]
            self.found(verdict_of(observed), "unexpected")

    def test_a_signature_that_does_not_verify_is_told(self):
        verdict = verdict_of([seen("users", fault="no digest"), seen("all")])
        self.assertIn("no digest", self.found(verdict, "unsigned"))

    def test_a_second_success_is_a_duplicate_and_a_retry_is_none(self):
        verdict = verdict_of([seen("users", answered=False), *EVERYWHERE, seen("users")])
        self.assertTrue(verdict.clean())
        self.assertEqual(1, verdict.duplicates)


class OrderTest(unittest.TestCase):
    def disorder(self, events, *observed):
        subscriptions = {"all": Subscription("*", ordered=True)}
        arrived = [seen("all", key, answered=answered) for key, answered in observed]
        verdict = judge(events, arrived, subscriptions)
        self.assertEqual([], verdict.lost + verdict.unexpected)
        return verdict.disordered

    def after_each_other(self, **more):
        return {
            "e1": event(event_id="e1", at=(1, 2)),
            "e2": event(event_id="e2", at=(3, 4), **more),
        }

    def test_the_order_of_acceptance_is_clean(self):
        self.assertEqual([], self.disorder(self.after_each_other(), ("e1", True), ("e2", True)))

    def test_a_later_event_that_comes_first_is_told(self):
        found = self.disorder(self.after_each_other(), ("e2", True), ("e1", True))
        self.assertEqual(1, len(found))

    def test_one_of_unknown_outcome_must_wait_for_those_before_it_too(self):
        events = self.after_each_other(acknowledged=False)
        self.assertEqual(1, len(self.disorder(events, ("e2", False), ("e1", True))))

    def test_a_failing_event_holds_the_later_ones_back(self):
        events = self.after_each_other()
        wrong = self.disorder(events, ("e1", False), ("e2", True), ("e1", True))
        self.assertEqual(1, len(wrong))
        self.assertEqual([], self.disorder(events, ("e1", False), ("e1", True), ("e2", True)))

    def test_a_duplicate_after_a_crash_is_no_disorder(self):
        again = ("e1", True), ("e1", True), ("e2", True), ("e2", True)
        self.assertEqual([], self.disorder(self.after_each_other(), *again))

    def test_events_whose_publications_overlapped_may_come_in_any_order(self):
        events = {"e1": event(at=(1, 4)), "e2": event(event_id="e2", at=(3, 5))}
        self.assertEqual([], self.disorder(events, ("e2", True), ("e1", True)))

    def test_within_a_batch_the_order_is_that_of_its_lines(self):
        events = {f"b.{n}": event(event_id=f"b.{n}", place=n) for n in range(3)}
        right = [(f"b.{n}", True) for n in range(3)]
        self.assertEqual([], self.disorder(events, *right))
        self.assertEqual(2, len(self.disorder(events, *reversed(right))))

    def test_it_is_asked_only_of_ordered_webhooks(self):
        events = self.after_each_other()
        arrived = [seen("all", "e2"), seen("all", "e1")]
        self.assertTrue(judge(events, arrived, {"all": Subscription("*")}).clean())


class LedgerTest(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()
        self.ledger.submit("k1", {"event_id": "e1", "event_type": "user.created"})
        self.ledger.submit("k2", {"event_type": "user.created"})

    def test_it_hands_out_each_event_once(self):
        self.ledger.acknowledge("k1", "e1")
        taken = self.ledger.take()
        self.assertEqual({"k1": True, "k2": False}, {k: e.acknowledged for k, e in taken.items()})
        self.assertLessEqual(taken["k1"].sent_at, taken["k1"].acknowledged_at)
        self.assertEqual({}, self.ledger.take())
        self.assertEqual((2, 1), (self.ledger.submitted, self.ledger.acknowledged))

    def test_an_id_that_the_daemon_made_is_learnt(self):
        self.ledger.acknowledge("k2", "evt_made")
        self.assertEqual("evt_made", self.ledger.take()["k2"].event_id)
        self.assertEqual([], self.ledger.faults)

    def test_an_answer_with_another_id_is_a_fault(self):
        self.ledger.acknowledge("k1", "e2")
        self.assertEqual(1, len(self.ledger.faults))

    def test_what_is_accepted_while_nothing_can_be_made_durable_is_a_fault(self):
        before = time.monotonic()
        self.ledger.forbid_acceptance(True)
        self.ledger.accepted(before)  # its fsync may have been the last that went well
        self.assertEqual([], self.ledger.faults)
        self.ledger.accepted(time.monotonic() + 1)
        self.assertEqual(1, len(self.ledger.faults))
        self.ledger.forbid_acceptance(False)
        self.ledger.accepted(time.monotonic() + 1)
        self.assertEqual(1, len(self.ledger.faults))


class CrowdTest(unittest.TestCase):
    def test_more_than_a_rate_lets_through_is_told(self):
        self.assertIsNone(crowd([], 10.0))
        self.assertIsNone(crowd([n / 10 for n in range(200)], 10.0))
        self.assertIsNone(crowd([n / 10 + (n < 10) for n in range(200)], 10.0))
        self.assertIn("10 a second", crowd([n / 20 for n in range(200)], 10.0))


if __name__ == "__main__":
    unittest.main()
