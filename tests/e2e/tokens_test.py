"""What a token may be asked for."""

import unittest

from e2e import RefusalTest

TOKENS = "/api/v1/admin/tokens"


class TokensTest(RefusalTest):
    def test_a_token_that_could_do_nothing_is_named(self):
        for body, kind, field in (
            ({"role": "king"}, "literal_error", "role"),
            ({"role": 1}, "literal_error", "role"),
            ({"role": "tenant_admin"}, "missing", "tenant_id"),
            ({"role": "partner_admin", "tenant_id": "t"}, "missing", "partner_id"),
            ({"tenant_id": "t"}, "missing", "role"),
            ({"scope": "webhooks:read"}, "missing", "tenant_id"),
            ({"scope": "webhooks:all", "tenant_id": "t"}, "value_error", "scope"),
            ({"scope": "", "tenant_id": "t"}, "string_too_short", "scope"),
            ({"tenant_id": ""}, "string_too_short", "tenant_id"),
            ({"partner_id": "p" * 256}, "string_too_long", "partner_id"),
            ({"ttl_seconds": 0}, "greater_than_equal", "ttl_seconds"),
            ({"ttl_seconds": 366 * 86400}, "less_than_equal", "ttl_seconds"),
            ({"ttl_seconds": "60"}, "int_type", "ttl_seconds"),
            ({"ttl_seconds": 1.5}, "int_from_float", "ttl_seconds"),
            ({"platform_token": True}, "extra_forbidden", "platform_token"),
        ):
            answer = self.api.request("POST", TOKENS, body)
            self.assert_faults(answer, (kind, ["body", field]))
        answer = self.api.request("POST", TOKENS, [])
        self.assert_faults(answer, ("model_attributes_type", ["body"]))

    def test_without_a_word_it_is_a_super_admins_for_an_hour(self):
        for body in (None, {}, {"role": None, "ttl_seconds": None}):
            answer = self.api.request("POST", TOKENS, body)
            self.assertEqual(200, answer.status, answer)
            outside = self.daemon.tcp_api(answer.json()["token"])
            self.assertEqual(200, outside.request("GET", "/api/v1/admin/audit").status)
        self.before = self.state()


if __name__ == "__main__":
    unittest.main()
