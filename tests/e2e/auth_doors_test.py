"""Who gets in at the Unix socket and at the TCP address, and what they may do."""

import base64
import hashlib
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import tokens
from api_client import BASE, ApiClient
from daemon import Daemon, run_webhookd
from e2e import DaemonTest
from polling import PATIENCE

HOOK = {"url": "http://127.0.0.1:9/", "events": ["user.*"]}

# Connects to a socket as whoever runs it and prints the status, or the error's name.
ASK = """
import socket, sys
try:
    s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1])
    head = b"GET /api/v1/admin/webhooks/ HTTP/1.1\\r\\nHost: x\\r\\n"
    s.sendall(head + b"Connection: close\\r\\n\\r\\n")
    print(s.recv(100).split()[1].decode())
except OSError as error:
    print(type(error).__name__)
"""


def ask_as_nobody(path):
    command = [sys.executable, "-c", ASK, str(path)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30 * PATIENCE)
    return done.stdout.strip()


class UnixSocketTest(DaemonTest):
    def test_it_is_for_its_owner_alone(self):
        mode = os.stat(self.daemon.socket).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(0o600, stat.S_IMODE(mode))
        self.assertEqual(["d.sock"], os.listdir(self.daemon.socket.parent))

    def test_its_owner_needs_no_token(self):
        self.assertEqual(200, self.api.request("GET", f"{BASE}/").status)
        mine = self.api.request("POST", f"{BASE}/", {**HOOK, "name": "unbound"})
        self.assertEqual(201, mine.status, mine)

    def test_a_token_that_is_sent_all_the_same_counts(self):
        for wrong in ("Bearer x.y.z", "Bearer", "Basic cm9vdDpyb290"):
            answer = self.api.request("GET", f"{BASE}/", headers={"Authorization": wrong})
            self.assert_detail(answer, 401)
            self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"), wrong)
        tenant = self.api.token(role="tenant_admin", tenant_id="tnt_socket")
        bound = ApiClient(self.daemon.socket, tenant)
        self.assertEqual("tnt_socket", bound.create(**HOOK, name="bound")["tenant_id"])
        self.assertEqual(1, bound.request("GET", f"{BASE}/").json()["total"])
        refused = bound.request("POST", "/api/v1/admin/tokens", {"role": "super_admin"})
        self.assert_detail(refused, 403)

    def test_what_the_file_mode_lets_through_the_daemon_judges_again(self):
        self.daemon.home.chmod(0o755)
        other = os.geteuid() == 0  # otherwise there is nobody else to be, and the owner gets in
        self.assertEqual("PermissionError" if other else "200", ask_as_nobody(self.daemon.socket))
        self.daemon.socket.chmod(0o666)
        try:
            self.assertEqual("403" if other else "200", ask_as_nobody(self.daemon.socket))
        finally:
            self.daemon.socket.chmod(0o600)

    def test_tokens_are_made_here_and_nowhere_else(self):
        answer = self.api.request(
            "POST", "/api/v1/admin/tokens", {"role": "super_admin", "ttl_seconds": 60}
        )
        self.assertEqual((200, ["token", "expires_at"]), (answer.status, list(answer.json())))
        outside = self.daemon.tcp_api(answer.json()["token"])
        self.assertEqual(200, outside.request("GET", f"{BASE}/").status)
        refused = outside.request("POST", "/api/v1/admin/tokens", {"role": "super_admin"})
        self.assert_detail(refused, 403)


class TcpTest(DaemonTest):
    """Tokens of the daemon's own, and of an issuer whose key set it was given."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.key = tokens.RsaKey(folder.name)
        cls.stranger = tokens.RsaKey(folder.name, kid="stranger")
        jwks = pathlib.Path(folder.name) / "jwks.json"
        jwks.write_text(json.dumps({"keys": [cls.key.jwk]}))
        cls.flags = ("--jwks", jwks, "--issuer", "https://id.example", "--audience", "webhooks")
        super().setUpClass()

    def claims(self, **more):
        return tokens.claims(**{"iss": "https://id.example", "aud": "webhooks", **more})

    def status(self, token, method="GET", path=f"{BASE}/", body=None):
        return self.daemon.tcp_api(token).request(method, path, body).status

    def refused(self, token):
        answer = self.daemon.tcp_api(token).request("GET", f"{BASE}/")
        self.assert_detail(answer, 401)
        self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))

    def test_without_a_token_nothing_but_health_is_answered(self):
        api = self.daemon.tcp_api()
        for path in ("/healthz", "/readyz"):
            self.assertEqual(200, api.request("GET", path).status, path)
        for method, path in (
            ("GET", f"{BASE}/"),
            ("POST", f"{BASE}/"),
            ("GET", f"{BASE}/events"),
            ("POST", "/api/v1/events"),
            ("POST", "/api/v1/admin/tokens"),
        ):
            answer = api.request(method, path, HOOK if method == "POST" else None)
            self.assert_detail(answer, 401)
        answer = api.request("GET", f"{BASE}/")
        self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))

    def test_an_issuers_token_is_taken_as_long_as_it_is_valid(self):
        now = int(time.time())
        good = self.key.sign(self.claims())
        self.assertEqual(200, self.status(good))
        # 60 seconds of leeway for clocks that differ.
        self.assertEqual(200, self.status(self.key.sign(self.claims(exp=now - 20))))
        self.assertEqual(200, self.status(self.key.sign(self.claims(nbf=now + 20))))
        self.assertEqual(200, self.status(self.key.sign(self.claims(aud=["other", "webhooks"]))))
        for wrong in (
            {"exp": now - 120},
            {"exp": None},
            {"exp": "never"},
            {"nbf": now + 120},
            {"iss": "https://evil.example"},
            {"iss": None},
            {"aud": "other"},
            {"aud": None},
        ):
            self.refused(self.key.sign(self.claims(**wrong)))

    def test_forged_tokens_are_refused(self):
        payload, good = self.claims(), self.key.sign(self.claims())
        head, body, signature = good.split(".")
        self.refused(tokens.unsigned(payload))
        self.refused(tokens.unsigned(payload, alg="None", kid=self.key.kid))
        self.refused(tokens.unsigned(payload, kid=self.key.kid) + signature)
        for pem in (
            self.key.public_pem,
            self.key.public_pem.strip(),
            self.key.jwk["n"].encode(),
            b"",
        ):
            self.refused(tokens.hs256(pem, payload, kid=self.key.kid))
            self.refused(tokens.hs256(pem, payload))
        self.refused(self.stranger.sign(payload))
        self.refused(self.stranger.sign(payload, kid=self.key.kid))
        self.refused(self.stranger.sign(payload, kid=self.key.kid, jwk=self.stranger.jwk))
        self.refused(self.key.sign(payload, crit=["exp"]))
        self.refused(f"{head}.{tokens.part({**payload, 'sub': 'somebody else'})}.{signature}")
        self.refused(f"{head}.{body}.")
        self.refused(f"{head}.{body}.{signature[:-8]}")
        for text in (
            "x",
            "a.b",
            "a.b.c",
            "....",
            f"{good}.x",
            good[:50],
            "e30.e30.e30",
            "A" * 5000,
        ):
            self.refused(text)

    def test_the_scheme_must_be_bearer(self):
        good = self.key.sign(self.claims())
        for value in (good, f"Basic {good}", f"Bearer: {good}", "Bearer", "Bearer "):
            answer = self.daemon.tcp_api().request(
                "GET", f"{BASE}/", headers={"Authorization": value}
            )
            self.assertEqual(401, answer.status, value)
        answer = self.daemon.tcp_api().request(
            "GET", f"{BASE}/", headers={"Authorization": f"bearer {good}"}
        )
        self.assertEqual(200, answer.status)

    def test_roles_need_their_binding(self):
        for wrong in (
            {"role": "tenant_admin"},
            {"role": "partner_admin"},
            {"role": "king"},
            {"role": None},
            {"role": None, "scope": "webhooks:read"},
            {"role": None, "platform_token": "true"},
        ):
            self.assertEqual(403, self.status(self.key.sign(self.claims(**wrong))), wrong)
        for right in (
            {"role": "tenant_admin", "tenant_id": "t"},
            {"role": "partner_admin", "partner_id": "p"},
            {"role": None, "platform_token": True},
            {"role": None, "scope": "webhooks:read", "tenant_id": "t"},
        ):
            self.assertEqual(200, self.status(self.key.sign(self.claims(**right))), right)

    def test_scopes_are_the_verbs_they_name(self):
        event = {"event_type": "user.created", "data": {}}
        calls = {
            "webhooks:read": ("GET", f"{BASE}/", None),
            "webhooks:write": ("POST", f"{BASE}/", HOOK),
            "events:publish": ("POST", "/api/v1/events", event),
        }
        for scope in calls:
            # A scope narrows even a super_admin.
            for who in ({"role": None, "tenant_id": "t_scope"}, {"role": "super_admin"}):
                token = self.key.sign(self.claims(scope=scope, **who))
                for verb, (method, path, body) in calls.items():
                    if body and "url" in body:
                        body = {**body, "name": hashlib.sha1(token.encode()).hexdigest()}
                    status = self.status(token, method, path, body)
                    self.assertEqual(verb == scope, status < 300, (scope, verb, who, status))
                    self.assertIn(status, (200, 201, 202, 403))

    def test_a_tenant_sees_only_its_own(self):
        a = self.daemon.tcp_api(self.key.sign(self.claims(role="tenant_admin", tenant_id="tnt_a")))
        b = self.daemon.tcp_api(self.key.sign(self.claims(role="tenant_admin", tenant_id="tnt_b")))
        made = a.create(**HOOK, name="mine")
        self.assertEqual("tnt_a", made["tenant_id"])
        b.create(**HOOK, name="mine")  # names are unique within a tenant only
        self.assertEqual(
            [made["id"]], [w["id"] for w in a.request("GET", f"{BASE}/").json()["items"]]
        )
        for method, rest in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "/deliveries"),
            ("GET", "/stats"),
            ("POST", "/test"),
            ("POST", "/rotate-secret"),
            ("POST", "/deliveries/1/retry"),
        ):
            answer = b.request(
                method, f"{BASE}/{made['id']}{rest}", {} if method == "PATCH" else None
            )
            self.assert_detail(answer, 404, "Webhook not found")
        self.assertEqual(200, a.request("GET", f"{BASE}/{made['id']}").status)

    def test_a_tenant_can_neither_name_another_nor_drop_its_own(self):
        a = self.daemon.tcp_api(self.key.sign(self.claims(role="tenant_admin", tenant_id="tnt_x")))
        made = a.create(**HOOK, name="bound")
        for method, path, body in (
            ("POST", f"{BASE}/", {**HOOK, "name": "n", "tenant_id": "tnt_y"}),
            ("POST", f"{BASE}/", {**HOOK, "name": "n", "tenant_id": None}),
            ("PATCH", f"{BASE}/{made['id']}", {"tenant_id": "tnt_y"}),
            ("PATCH", f"{BASE}/{made['id']}", {"tenant_id": None}),
            (
                "POST",
                "/api/v1/events",
                {"event_type": "user.created", "data": {}, "tenant_id": "tnt_y"},
            ),
            ("POST", "/api/v1/admin/event-types", {"event_type": "a.b"}),
            ("GET", "/api/v1/admin/status", None),
        ):
            self.assert_detail(a.request(method, path, body), 403)
        self.assertEqual("tnt_x", a.webhook(made["id"])["tenant_id"])

    def test_a_tokens_signature_is_never_echoed(self):
        token = self.stranger.sign(self.claims())
        answer = self.daemon.tcp_api(token).request("GET", f"{BASE}/")
        self.assertNotIn(token[-40:].encode(), answer.body)
        self.assertNotIn(token[-40:], self.daemon.all_stderr())
        self.assertTrue(base64.urlsafe_b64decode(token.split(".")[2] + "=="))


class ListenTest(unittest.TestCase):
    def test_off_loopback_it_starts_only_when_that_is_said_aloud(self):
        with tempfile.TemporaryDirectory() as home:
            for address in ("0.0.0.0:0", "[::]:0"):
                refused = run_webhookd(
                    "--dev",
                    "--state-dir",
                    f"{home}/s",
                    "--socket",
                    f"{home}/d.sock",
                    "--listen",
                    address,
                    home=home,
                )
                self.assertEqual(2, refused.code)
                self.assertIn("--allow-plaintext", refused.err)
                self.assertEqual([], os.listdir(home))
                self.assertNotRegex(refused.err, r"(?m)^ready$")
        daemon = Daemon("--allow-plaintext", listen="0.0.0.0:0")
        self.addCleanup(daemon.close)
        daemon.start()
        self.assertEqual(401, daemon.tcp_api().request("GET", f"{BASE}/").status)

    def test_without_a_tcp_door_the_socket_is_all_there_is(self):
        daemon = Daemon(listen="none")
        self.addCleanup(daemon.close)
        daemon.start()
        self.assertIsNone(daemon.tcp)
        self.assertEqual(1, daemon.stderr().count("listening on"))
        self.assertEqual(200, daemon.api.request("GET", f"{BASE}/").status)


if __name__ == "__main__":
    unittest.main()
