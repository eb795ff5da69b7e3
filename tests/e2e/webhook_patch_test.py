"""Which changes of a webhook are refused, and that those change nothing."""

import unittest

from api_client import BASE
from e2e import RefusalTest

FIELDS = {
    "name": "patched",
    "description": "d",
    "url": "http://127.0.0.1:9/",
    "events": ["user.created"],
    "status": "paused",
    "headers": {"X-Token": "t", "X-Open": "o"},
    "timeout_seconds": 20,
    "retry_schedule": [5],
    "max_in_flight": 3,
    "rate_limit_per_second": 2.5,
    "ordered": True,
    "metadata": {"k": "v"},
    "expires_at": "2100-01-01T00:00:00.000Z",
    "tenant_id": "t1",
    "partner_id": "p1",
}
READ_ONLY = (
    "id",
    "secret_hint",
    "secret_fingerprint",
    "circuit",
    "held_until",
    "hold_reason",
    "backlog",
    "head_delivery_id",
    "disabled_reason",
    "disabled_at",
    "consecutive_failures",
    "last_success_at",
    "last_failure_at",
    "created_at",
    "updated_at",
)


class WebhookPatchTest(RefusalTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = cls.api.create(**FIELDS)

    def patch(self, body):
        return self.api.request("PATCH", f"{BASE}/{self.made['id']}", body)

    def test_null_for_a_field_that_is_never_null_is_of_the_wrong_type(self):
        for field, kind in {
            "name": "string_type",
            "url": "string_type",
            "events": "list_type",
            "status": "literal_error",
            "headers": "dict_type",
            "timeout_seconds": "int_type",
            "max_in_flight": "int_type",
            "ordered": "bool_type",
            "metadata": "dict_type",
        }.items():
            self.assert_faults(self.patch({field: None}), (kind, ["body", field]))

    def test_a_value_out_of_its_range_is_named(self):
        for field, value, kind, place in (
            ("name", "", "string_too_short", ()),
            ("name", "n" * 101, "string_too_long", ()),
            ("description", "d" * 501, "string_too_long", ()),
            ("url", "ftp://h/", "url_scheme", ()),
            ("events", [], "too_short", ()),
            ("events", ["user.*"] * 101, "too_long", ()),
            ("events", ["user.created", 1], "string_type", (1,)),
            ("status", "on", "literal_error", ()),
            ("headers", {"Host": "h"}, "value_error", ("Host",)),
            ("headers", {f"X-{n}": "v" for n in range(21)}, "too_long", ()),
            ("timeout_seconds", 0, "greater_than_equal", ()),
            ("timeout_seconds", 61, "less_than_equal", ()),
            ("timeout_seconds", "15", "int_type", ()),
            ("timeout_seconds", 1.5, "int_from_float", ()),
            ("retry_schedule", [1] * 21, "too_long", ()),
            ("retry_schedule", [-1], "greater_than_equal", (0,)),
            ("max_in_flight", 257, "less_than_equal", ()),
            ("rate_limit_per_second", 0.001, "greater_than_equal", ()),
            ("rate_limit_per_second", 10001, "less_than_equal", ()),
            ("rate_limit_per_second", "1", "float_type", ()),
            ("ordered", "true", "bool_type", ()),
            ("metadata", {"k": None}, "string_type", ("k",)),
            ("metadata", {str(n): "v" for n in range(21)}, "too_long", ()),
            ("expires_at", "soon", "datetime_parsing", ()),
        ):
            self.assert_faults(self.patch({field: value}), (kind, ["body", field, *place]))

    def test_what_is_no_field_or_not_to_be_set_is_named(self):
        self.assert_faults(
            self.patch({"colour": "red", "description": "new"}),
            ("extra_forbidden", ["body", "colour"]),
        )
        for field in READ_ONLY:
            self.assert_faults(self.patch({field: None}), ("extra_forbidden", ["body", field]))
        for secret in ("a-secret-that-is-long-enough", None):
            answer = self.patch({"secret": secret})
            self.assert_faults(answer, ("value_error", ["body", "secret"]))
            self.assertNotIn(b"long-enough", answer.body)

    def test_a_name_that_another_has_is_409(self):
        beside = self.api.create("http://127.0.0.1:9/", name="taken", tenant_id="t1")
        for binding in ({}, {"tenant_id": "t1", "partner_id": "p1"}):
            other = self.api.create("http://127.0.0.1:9/", name="other", **binding)
            self.addCleanup(self.api.delete, other["id"])
            name = "patched" if binding else "watching"
            answer = self.api.request("PATCH", f"{BASE}/{other['id']}", {"name": name})
            self.assert_detail(answer, 409)
            self.assertEqual("other", self.api.webhook(other["id"])["name"])
        # Unique within its tenant and partner: the same name elsewhere is nobody's business.
        self.assertEqual("watching", self.api.update(beside["id"], name="watching")["name"])
        # Nor is one's own name, or a binding under which the name is free.
        self.assertEqual("watching", self.api.update(beside["id"], name="watching")["name"])
        answer = self.api.request("PATCH", f"{BASE}/{beside['id']}", {"tenant_id": None})
        self.assert_detail(answer, 409)
        self.assertEqual("t1", self.api.webhook(beside["id"])["tenant_id"])
        self.api.delete(beside["id"])
        self.before = self.state()

    def test_nothing_of_a_change_is_made_when_a_part_of_it_is_refused(self):
        answer = self.patch({"description": "new", "status": "active", "timeout_seconds": 0})
        self.assert_faults(answer, ("greater_than_equal", ["body", "timeout_seconds"]))
        self.assert_faults(self.patch(b"[]"), ("model_attributes_type", ["body"]))
        for nothing in (b"", b"null"):
            self.assert_faults(self.patch(nothing), ("missing", ["body"]))

    def test_a_change_of_nothing_is_a_change_all_the_same(self):
        before = self.api.webhook(self.made["id"])
        after = self.patch({})
        self.assertEqual(200, after.status, after)
        self.assertEqual({**before, "updated_at": after.json()["updated_at"]}, after.json())
        self.before = self.state()


if __name__ == "__main__":
    unittest.main()
