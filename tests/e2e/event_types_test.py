"""The catalogue grows and shrinks, and a schema is held at publish."""

import unittest

from api_client import BASE
from e2e import DaemonTest

TYPES = "/api/v1/admin/event-types"
SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "maxLength": 5}, "n": {"type": "integer"}},
    "additionalProperties": False,
}


class EventTypesTest(DaemonTest):
    def add(self, event_type, **fields):
        answer = self.api.request("POST", TYPES, {"event_type": event_type, **fields})
        self.addCleanup(self.api.request, "DELETE", f"{TYPES}/{event_type}")
        return answer

    def known(self):
        items = self.api.request("GET", f"{BASE}/events").json()["items"]
        return {known["event_type"]: known for known in items}

    def publish(self, event_type, data):
        return self.api.request("POST", "/api/v1/events", {"event_type": event_type, "data": data})

    def test_a_type_that_was_added_is_listed_and_can_be_subscribed_and_published(self):
        answer = self.add("order.paid", description="Paid.", resource_type="order", schema=SCHEMA)
        expected = {
            "event_type": "order.paid",
            "description": "Paid.",
            "resource_type": "order",
            "schema": SCHEMA,
        }
        self.assertEqual((201, expected), (answer.status, answer.json()))
        self.assertEqual(list(expected), list(answer.json()))
        self.assertEqual(expected, self.known()["order.paid"])
        _, path = self.webhook(events=["order.*"])
        self.assertEqual(1, self.publish("order.paid", {"id": "1"}).json()["deliveries"])
        self.delivered(path)

    def test_the_same_again_is_taken_and_another_meaning_is_409(self):
        for _ in range(2):
            self.assertEqual(201, self.add("order.sent", description="Sent.").status)
        for other in ({"description": "Gone."}, {}, {"description": "Sent.", "schema": SCHEMA}):
            self.assert_detail(self.add("order.sent", **other), 409)
        self.assertEqual("Sent.", self.known()["order.sent"]["description"])

    def test_a_built_in_type_can_be_neither_changed_nor_removed(self):
        before = self.known()
        for event_type in ("user.created", "registration.approved"):
            answer = self.api.request("POST", TYPES, {"event_type": event_type, "schema": SCHEMA})
            self.assert_detail(answer, 409)
        for event_type in ("user.created", "webhook.test", "webhook.disabled"):
            self.assert_detail(self.api.request("DELETE", f"{TYPES}/{event_type}"), 409)
        self.assertEqual(before, self.known())

    def test_a_type_that_was_removed_is_unknown_again(self):
        self.add("order.lost")
        self.assertEqual(202, self.publish("order.lost", {}).status)
        answer = self.api.request("DELETE", f"{TYPES}/order.lost")
        self.assertEqual((204, b""), (answer.status, answer.body))
        self.assertNotIn("order.lost", self.known())
        self.assert_faults(self.publish("order.lost", {}), ("value_error", ["body", "event_type"]))
        for event_type in ("order.lost", "never.was", "No%20Type", "a%2Fb", "x" * 200):
            answer = self.api.request("DELETE", f"{TYPES}/{event_type}")
            self.assert_detail(answer, 404, "Not Found")

    def test_a_bad_type_is_named_and_not_added(self):
        before = self.known()
        for body, *faults in (
            ({}, ("missing", "event_type")),
            ({"event_type": 1}, ("string_type", "event_type")),
            ({"event_type": ""}, ("string_too_short", "event_type")),
            ({"event_type": "a." + "b" * 99}, ("string_too_long", "event_type")),
            ({"event_type": "Order.paid"}, ("value_error", "event_type")),
            ({"event_type": "order..paid"}, ("value_error", "event_type")),
            ({"event_type": "order.*"}, ("value_error", "event_type")),
            ({"event_type": "webhook.mine"}, ("value_error", "event_type")),
            ({"event_type": "a.b", "description": 1}, ("string_type", "description")),
            ({"event_type": "a.b", "description": "d" * 501}, ("string_too_long", "description")),
            ({"event_type": "a.b", "resource_type": []}, ("string_type", "resource_type")),
            ({"event_type": "a.b", "schema": "x"}, ("dict_type", "schema")),
            ({"event_type": "a.b", "schema": {"type": "nonsense"}}, ("value_error", "schema")),
            ({"event_type": "a.b", "colour": 1}, ("extra_forbidden", "colour")),
            (
                {"event_type": "A", "description": 1, "x": 1},
                ("value_error", "event_type"),
                ("string_type", "description"),
                ("extra_forbidden", "x"),
            ),
        ):
            answer = self.api.request("POST", TYPES, body)
            self.assert_faults(answer, *((kind, ["body", field]) for kind, field in faults))
        self.assertEqual(before, self.known())

    def test_data_that_a_schema_refuses_is_not_published(self):
        self.add("order.made", schema=SCHEMA)
        webhook, path = self.webhook(events=["order.made"])
        for data, place in (
            ({}, ["body", "data"]),
            ({"id": 1}, ["body", "data", "id"]),
            ({"id": "123456"}, ["body", "data", "id"]),
            ({"id": "1", "n": 1.5}, ["body", "data", "n"]),
            ({"id": "1", "colour": "red"}, ["body", "data"]),
        ):
            answer = self.publish("order.made", data)
            self.assertEqual(422, answer.status, (data, answer))
            faults = answer.json()["detail"]
            self.assertEqual({"value_error"}, {fault["type"] for fault in faults}, data)
            self.assertIn(place, [fault["loc"] for fault in faults], data)
        self.assertEqual(202, self.publish("order.made", {"id": "12345", "n": 1}).status)
        self.delivered(path)
        self.assertEqual(1, self.api.deliveries(webhook["id"])["total"])


if __name__ == "__main__":
    unittest.main()
