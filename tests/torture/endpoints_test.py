"""The receivers misbehave as they are said to, and what they got is seen for what it is."""

import json
import types
import unittest
from unittest import mock

from checker import matches
from endpoints import CALM, ENDPOINTS, MANY_HEADERS, Endpoints, Keyring
from load import TYPES


def request(name, at=1.0, body=None):
    body = body if body is not None else {"data": {"key": "k"}, "event_type": "user.created"}
    headers = {"X-ScaiKey-Event-ID": "e"}
    return types.SimpleNamespace(
        path=f"/{name}", at=at, body=json.dumps(body).encode(), header=headers.get
    )


class EndpointsTest(unittest.TestCase):
    def setUp(self):
        self.receiver = mock.Mock()
        self.endpoints = Endpoints(self.receiver, 1)
        self.endpoints.ids = {name: name for name in ENDPOINTS}
        self.endpoints.keyrings = {name: Keyring("a secret of its own") for name in ENDPOINTS}

    def answer(self, name, **more):
        return self.endpoints._answer(request(name, **more))

    def test_each_kind_of_event_of_the_load_has_its_receivers(self):
        for endpoint in ENDPOINTS.values():
            self.assertTrue(any(matches(endpoint.pattern, one) for one in TYPES), endpoint)

    def test_each_misbehaves_in_every_way_of_its_own_and_never_twice_in_a_row(self):
        for name, endpoint in ENDPOINTS.items():
            replies = [self.answer(name) for _ in range(3000)]
            for misbehaviour in endpoint.misbehaves:
                self.assertIn(misbehaviour.reply, replies, name)
            answered = [one.answered for one in self.endpoints.take()[0]]
            failed = [place for place, success in enumerate(answered) if success is False]
            gaps = [later - earlier for earlier, later in zip(failed, failed[1:])]
            self.assertGreaterEqual(min(gaps, default=CALM + 1), CALM + 1, name)

    def test_what_comes_while_a_webhook_is_paused_is_a_fault(self):
        for at, faults in ((0.5, 0), (1.5, 1)):
            self.answer("steady", at=at)
            self.answer("failing", at=1.5)
            with mock.patch("time.monotonic", return_value=2.0):
                self.endpoints.resume(mock.Mock(), "steady", quiet_since=1.0)
            self.assertEqual(faults, len(self.endpoints.take()[1]))

    def test_more_than_its_rate_is_a_fault(self):
        for n in range(200):
            self.answer("steady", at=1.0 + n / 1000)
        self.assertEqual([], self.endpoints.take()[1])
        for n in range(200):
            self.answer("limited", at=1.0 + n / 1000)
        self.assertEqual(1, len(self.endpoints.take()[1]))

    def test_a_body_that_is_no_event_of_ours_has_no_key(self):
        for body in ([], {"data": []}, {"event_type": "webhook.recovered", "data": {}}):
            self.answer("steady", body=body)
            self.assertIsNone(self.endpoints.take()[0][0].key)

    def test_webhooks_that_are_not_active_are_told(self):
        items = [
            {"name": "a", "status": "active", "disabled_reason": None},
            {"name": "b", "status": "disabled", "disabled_reason": "why"},
        ]
        api = mock.Mock()
        api.request.return_value.json.return_value = {"items": items}
        self.assertEqual(["b is disabled: why"], self.endpoints.not_active(api))

    def test_there_are_400000_headers(self):
        self.assertEqual(400_000, MANY_HEADERS.count(b"X-Extra-"))


if __name__ == "__main__":
    unittest.main()
