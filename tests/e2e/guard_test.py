"""Where a daemon that was allowed nothing special will not connect to."""

import unittest

from api_client import BASE
from e2e import DaemonTest

LITERALS = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "0x7f000001",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[2001::1]",
    "[100::1]",
]


class GuardTest(DaemonTest):
    flags = ("--retry-schedule", "1")
    daemon_options = {"dev": False, "allow": None}

    def test_a_literal_address_that_is_not_public_is_refused_when_it_is_written(self):
        made = self.api.create("http://localhost/", name="to-patch")
        for host in LITERALS:
            for method, path in (("POST", f"{BASE}/"), ("PATCH", f"{BASE}/{made['id']}")):
                body = {"url": f"http://{host}:{self.receiver.port}/x"}
                answer = self.api.request(
                    method, path, {**body, "events": ["*"]} if method == "POST" else body
                )
                self.assert_faults(answer, ("value_error", ["body", "url"]))
        self.assertEqual(1, self.api.request("GET", f"{BASE}/").json()["total"])
        self.assertEqual("http://localhost/", self.api.webhook(made["id"])["url"])

    def test_a_public_literal_is_taken(self):
        for host in ("93.184.216.34", "172.32.0.1", "[2606:4700::1111]"):
            made = self.api.create(f"http://{host}/", ["auth.login_failed"], name=host)
            self.addCleanup(self.api.delete, made["id"])
            self.assertEqual(f"http://{host}/", self.api.webhook(made["id"])["url"])

    def test_a_name_that_resolves_to_loopback_is_blocked_at_connect(self):
        made = self.api.create(
            f"http://localhost:{self.receiver.port}/blocked", ["user.created"], retry_schedule=[]
        )
        self.addCleanup(self.api.delete, made["id"])
        self.api.publish()
        detail = self.finished(made, "failed")
        self.assertEqual("blocked_address", detail["error"]["kind"])
        self.assertIn(
            "allow_networks",
            f"{detail['error']['message']} {detail['diagnosis']}".replace("-", "_"),
        )
        self.assertIsNone(detail["response_status"])
        self.assertEqual((0, []), (self.receiver.connections, self.receiver.requests()))

    def test_a_test_send_is_blocked_too(self):
        made = self.api.create(
            f"http://localhost:{self.receiver.port}/blocked", ["user.deleted"], name="for-test"
        )
        self.addCleanup(self.api.delete, made["id"])
        result = self.api.test(made["id"])
        self.assertEqual(
            (False, None, "blocked_address"),
            (result["success"], result["status_code"], result["error"]["kind"]),
        )
        self.assertEqual(0, self.receiver.connections)


class AllowedNetworkTest(DaemonTest):
    daemon_options = {"dev": False, "allow": "127.0.0.1/32"}

    def test_what_is_listed_is_allowed_and_its_neighbour_is_not(self):
        webhook, path = self.webhook()
        self.api.publish()
        self.assert_signed(webhook["secret"], self.delivered(path)[0])
        answer = self.api.request("POST", f"{BASE}/", {"url": "http://127.0.0.2/", "events": ["*"]})
        self.assert_faults(answer, ("value_error", ["body", "url"]))


if __name__ == "__main__":
    unittest.main()
