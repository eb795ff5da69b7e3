"""What the settings of the daemon do, and which of two that differ counts."""

import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import signatures
from daemon import Daemon, run_webhookd
from polling import PATIENCE, eventually
from receiver import Receiver


class TlsReceiver:
    """Takes one request after the other over TLS and answers 200. stop() ends it."""

    def __init__(self, folder):
        self.certificate, key = folder / "receiver.pem", folder / "receiver.key"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=receiver".split()
        command += ["-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._listener = context.wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True
        )
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                with self._listener.accept()[0] as connection:
                    connection.settimeout(10 * PATIENCE)
                    if connection.recv(65536):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except ssl.SSLError:
                continue  # whoever does not trust us leaves during the handshake
            except OSError:
                if self._listener.fileno() < 0:
                    return

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10 * PATIENCE)


class SettingsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="webhookd-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)

    def started(self, *flags, **options):
        daemon = Daemon(*flags, **options)
        self.addCleanup(daemon.close)
        daemon.start()
        return daemon

    def config(self, text):
        path = self.folder / "webhookd.conf"
        path.write_text(text)
        return path

    def received(self, daemon, **fields):
        """What a new webhook's receiver gets of a new event, and the webhook."""
        webhook = daemon.api.create(self.receiver.url(), ["user.created"], **fields)
        daemon.api.publish()
        return self.receiver.wait_for(1)[0], webhook

    # ---- which counts

    def test_flag_beats_environment_beats_file_beats_default(self):
        path = self.config(
            'retry_schedule = [1, 2, 3]\nuser_agent = "File/1"\nloops = 3\nheader_prefix = "X-File"'
        )
        daemon = self.started(
            *("--config", path, "--retry-schedule", "1,1", "--header-prefix", "X-Flag"),
            env={"WEBHOOKD_RETRY_SCHEDULE": "1,1,1,1", "WEBHOOKD_USER_AGENT": "Environment/1"},
        )
        request, webhook = self.received(daemon)
        [delivery] = daemon.wait_deliveries(webhook["id"], 1)
        self.assertEqual(3, delivery["max_attempts"])
        self.assertEqual("Environment/1", request.header("User-Agent"))
        self.assertEqual("1", request.header("X-Flag-Attempt"))
        status = daemon.api.request("GET", "/api/v1/admin/status").json()
        self.assertEqual(3, len(status["loops"]))

    def test_a_variable_that_is_wrong_is_refused_as_its_flag_would_be(self):
        for name, value in {
            "CONFIG": "/nonexistent/webhookd.conf",
            "CA_FILE": "/nonexistent/ca.pem",
            "DEV": "perhaps",
            "ALLOW_PLAINTEXT": "perhaps",
            "DRAIN_TIMEOUT": "soon",
            "HEADER_PREFIX": "X ScaiKey",
            "JWKS": "https://id.example/keys",
            "LOG_FORMAT": "xml",
            "LOG_LEVEL": "loud",
            "LOOPS": "-1",
            "MAX_EVENT_BYTES": "1",
            "RETRY_SCHEDULE": "1,x",
            "USER_AGENT": "\t",
        }.items():
            refused = run_webhookd(
                "--check-config", home=self.folder, env={f"WEBHOOKD_{name}": value}
            )
            self.assertEqual(2, refused.code, (name, refused))
            self.assertIn("error: ", refused.err, name)
        places = {
            "WEBHOOKD_STATE_DIR": str(self.folder / "state"),
            "WEBHOOKD_SOCKET": str(self.folder / "d.sock"),
            "WEBHOOKD_LISTEN": "none",
        }
        for name, value in {
            "ADMIN_GROUP": "no-such-group",
            "ALLOW_NETWORKS": "banana",
            "LISTEN": "127.0.0.1:70000",
            "SOCKET": "/proc/webhookd/d.sock",
            "STATE_DIR": "/proc/webhookd-state",
        }.items():
            refused = run_webhookd(
                "--dev", home=self.folder, env={**places, f"WEBHOOKD_{name}": value}
            )
            self.assertNotEqual(0, refused.code, (name, refused))
            self.assertIn(value, refused.err)

    # ---- what they do

    def test_the_prefix_of_our_headers_may_be_another(self):
        daemon = self.started("--header-prefix", "X-Acme")
        request, webhook = self.received(daemon)
        names = {name.lower() for name, _ in request.headers}
        ours = ("webhook-id", "event-id", "event-type", "timestamp", "signature", "attempt")
        self.assertLessEqual({f"x-acme-{name}" for name in ours}, names)
        self.assertEqual([], [name for name in names if name.startswith("x-scaikey")])
        self.assertIsNone(signatures.fault(webhook["secret"], request, "X-Acme"))

    def test_the_user_agent_may_be_another(self):
        request, _ = self.received(self.started("--user-agent", "Acme-Hooks/2 (test)"))
        self.assertEqual(["Acme-Hooks/2 (test)"], request.all("User-Agent"))

    def test_an_event_may_have_so_many_bytes_and_no_more(self):
        def body(size):
            text = b'{"event_type":"user.created","data":{"x":"%s"}}'
            return text % (b"y" * (size - len(text) + 2))

        for limit in (2048, 3 << 20):  # below and above what other bodies may have
            daemon = self.started("--max-event-bytes", limit)
            for api in (daemon.api, daemon.minted(role="super_admin")):
                for size, status in ((limit, 202), (limit + 1, 413)):
                    answer = api.request("POST", "/api/v1/events", body(size))
                    self.assertEqual(status, answer.status, (limit, size, answer))

    def test_nothing_new_is_taken_while_less_space_is_free_than_is_kept_back(self):
        daemon = self.started("--min-free-space", "900000TiB")
        body = b'{"event_type":"user.created","data":{}}'
        answer = daemon.api.request("POST", "/api/v1/events", body)
        self.assertEqual(503, answer.status, answer)
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        self.assertIn("min_free_space", answer.json()["detail"])
        self.assertEqual(503, daemon.api.request("GET", "/readyz").status)
        self.assertEqual(200, daemon.api.request("GET", "/healthz").status)
        status = daemon.api.request("GET", "/api/v1/admin/status").json()
        self.assertEqual("refused", status["publishing"])

    def test_history_is_kept_for_as_long_as_is_set(self):
        flags = ("--retention-succeeded", "1s", "--retention-events", "1s")
        daemon = self.started(*flags)
        request, webhook = self.received(daemon)
        path = f"/api/v1/admin/webhooks/{webhook['id']}/deliveries"
        eventually(
            lambda: daemon.api.request("GET", path).json()["total"] == 0, "its deliveries are gone"
        )

    def test_a_certificate_is_trusted_when_the_ca_file_holds_it(self):
        receiver = TlsReceiver(self.folder)
        self.addCleanup(receiver.stop)
        for flags, success, kind in (
            (("--ca-file", receiver.certificate), True, None),
            ((), False, "tls"),
        ):
            daemon = self.started(*flags)
            webhook = daemon.api.create(receiver.url)
            sent = daemon.api.test(webhook["id"])
            self.assertEqual(success, sent["success"], sent)
            self.assertEqual(kind, sent["error"] and sent["error"]["kind"], sent)

    def test_the_log_is_logfmt_or_for_a_person(self):
        logfmt = re.compile(r'^time=\S+ level=info (\w+=(?:"[^"]*"|\S+) ?)+$')
        for flags, dev, is_logfmt in (
            (("--log-format", "logfmt"), True, True),
            (("--log-format", "person"), False, False),
            ((), True, False),
            ((), False, True),
        ):
            daemon = self.started(*flags, dev=dev)
            self.assertEqual(0, daemon.terminate())
            [line] = [line for line in daemon.stderr().splitlines() if "stopping" in line]
            self.assertEqual(is_logfmt, bool(logfmt.match(line)), (flags, dev, line))

    def test_nothing_below_the_log_level_is_logged(self):
        for level, told in (("debug", True), ("info", True), ("warn", False), ("error", False)):
            daemon = self.started("--log-level", level)
            self.assertEqual(0, daemon.terminate())
            self.assertEqual(told, "stopping" in daemon.stderr(), level)


if __name__ == "__main__":
    unittest.main()
