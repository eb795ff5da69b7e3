"""webhookctl as a person and as a script use it, against a real daemon.

One file for all commands, longer than most: each flow is short, and they share one daemon's set-up."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import unittest

import signatures
from api_client import BASE
from daemon import WEBHOOKCTL
from e2e import DaemonTest
from polling import PATIENCE
from receiver import Reply

ESCAPE = "\x1b"


class CliTest(DaemonTest):
    def run_ctl(self, *arguments, code=0, **options):
        """Runs a command that must end with `code`; nothing on a pipe may steer a terminal."""
        result = self.daemon.ctl(*arguments, **options)
        self.assertEqual(code, result.code, f"webhookctl {' '.join(map(str, arguments))}: {result}")
        self.assertNotIn(ESCAPE, result.out + result.err)
        if code:
            self.assertRegex(result.err, r"error|hint|published|waiting")
        return result

    def json(self, *arguments, **options):
        return json.loads(self.run_ctl(*arguments, "-o", "json", **options).out)

    def rows(self, *arguments, **options):
        """TSV as dictionaries."""
        header, *lines = self.run_ctl(*arguments, **options).out.splitlines()
        names = header.split("\t")
        for line in lines:
            self.assertEqual(len(names), len(line.split("\t")), line)
        return [dict(zip(names, line.split("\t"))) for line in lines]

    def created(self, *replies, flags=(), event="user.created"):
        """A webhook made by the command line: its name, path and what `create` answered."""
        path = self.path()
        if replies:
            self.receiver.script(path, *replies)
        name = path.strip("/").replace("/", "-")
        made = self.json(
            "create", self.receiver.url(path), "--event", event, "--name", name, *flags
        )
        self.addCleanup(self.daemon.ctl, "delete", "-y", "--ignore-missing", made["id"])
        return name, path, made


class WebhookCommandsTest(CliTest):
    def test_create_shows_the_secret_once_and_get_never(self):
        name, _, made = self.created(
            flags=("--header", "Authorization: Bearer hidden-42", "--metadata", "team=blue")
        )
        self.assertTrue(made["secret"].startswith("whsec_"))
        for words in (
            ("get", name),
            ("get", made["id"]),
            ("get", name, "-o", "json"),
            ("list", "-o", "json"),
            ("list", "-o", "wide"),
        ):
            shown = self.run_ctl(*words).out
            self.assertIn(made["id"], shown)
            self.assertNotIn(made["secret"], shown)
            self.assertNotIn("hidden-42", shown)
        self.assertEqual({"team": "blue"}, self.json("get", name)["metadata"])

    def test_create_takes_a_secret_from_a_file_and_if_not_exists_makes_no_second(self):
        path = self.daemon.home / "secret"
        path.write_text("a secret of my own\n")
        flags = ("--secret-file", path, "--if-not-exists")
        name, url_path, made = self.created(flags=flags)
        self.assertEqual("a secret of my own", made["secret"])
        again = self.json(
            "create", self.receiver.url(url_path), "--event", "user.created", "--name", name, *flags
        )
        self.assertEqual(made["id"], again["id"])
        self.assertNotIn("secret", again)
        self.run_ctl(
            "create",
            self.receiver.url("/other"),
            "--event",
            "*",
            "--name",
            name,
            "--if-not-exists",
            code=6,
        )
        self.run_ctl("create", self.receiver.url(url_path), "--event", "*", "--name", name, code=6)

    def test_the_list_in_a_pipe_is_tsv_and_as_json_what_the_api_answers(self):
        name, _, made = self.created()
        [row] = [r for r in self.rows("list") if r["id"] == made["id"]]
        self.assertEqual(
            (name, "active", "user.created", made["url"]),
            (row["name"], row["status"], row["events"], row["url"]),
        )
        answered, shown = self.api.request("GET", f"{BASE}/").json(), self.json("list")
        self.assertEqual((answered["items"], answered["total"]), (shown["items"], shown["total"]))
        lines = self.run_ctl("list", "-o", "jsonl").out.splitlines()
        self.assertIn(made["id"], [json.loads(line)["id"] for line in lines])
        self.assertNotIn(
            "name", self.run_ctl("list", "--no-header").out.splitlines()[0].split("\t")
        )

    def test_update_changes_what_is_named(self):
        name, _, made = self.created()
        changed = self.json(
            "update",
            name,
            "--event",
            "user.*",
            "--event",
            "group.created",
            "--attempt-timeout",
            "5s",
        )
        self.assertEqual(
            (["user.*", "group.created"], 5), (changed["events"], changed["timeout_seconds"])
        )
        self.assertEqual(made["url"], changed["url"])
        self.run_ctl("update", name, code=2)
        self.run_ctl("update", name, "--attempt-timeout", "2m", code=6)

    def test_pause_resume_and_disable_set_the_status(self):
        name, path, _ = self.created()
        for command, status in (
            ("pause", "paused"),
            ("resume", "active"),
            ("disable", "disabled"),
            ("resume", "active"),
        ):
            self.run_ctl(command, name)
            self.assertEqual(status, self.json("get", name)["status"])
        self.run_ctl("publish", "user.created", "--data", "{}")
        self.delivered(path)

    def test_delete_asks_on_a_terminal_only(self):
        name, _, _ = self.created()
        refused = self.run_ctl("delete", name, code=2)
        self.assertIn("--yes", refused.err)
        self.run_ctl("get", name)
        self.run_ctl("delete", "-y", name)
        self.run_ctl("get", name, code=3)
        self.run_ctl("delete", "-y", name, code=3)
        self.run_ctl("delete", "-y", "--ignore-missing", name)

    def test_one_of_several_that_fails_is_partly_done(self):
        name, _, _ = self.created()
        self.run_ctl("pause", name, "no-such-webhook", code=9)
        self.assertEqual("paused", self.json("get", name)["status"])

    def test_rotate_secret_prints_the_new_secret_alone(self):
        name, path, made = self.created()
        out = self.run_ctl("rotate-secret", name, "--grace", "1h").out
        self.assertRegex(out, r"^whsec_[A-Za-z0-9+/=]+\n$")
        self.run_ctl("publish", "user.created", "--data", "{}", "--wait")
        [request] = self.delivered(path)
        for secret in (out.strip(), made["secret"]):
            self.assertIsNone(signatures.fault(secret, request))

    def test_events_lists_adds_and_removes_types(self):
        self.assertIn("user.created", [row["event_type"] for row in self.rows("events")])
        self.run_ctl("events", "add", "cli.happened", "--description", "of the test")
        self.assertIn("cli.happened", [t["event_type"] for t in self.json("events")["items"]])
        self.run_ctl("events", "remove", "cli.happened")
        self.assertNotIn("cli.happened", self.run_ctl("events").out)
        self.run_ctl("events", "remove", "user.created", code=6)


class DeliveryCommandsTest(CliTest):
    def test_publish_keeps_every_digit_and_waits_when_asked(self):
        name, path, _ = self.created()
        data = '{"n": 0.10, "big": 123456789012345678901234567890, "ü": "é"}'
        self.run_ctl("publish", "user.created", "--data", data, "--wait", "20s")
        [request] = self.delivered(path)
        self.assertIn(
            b'"data":{"big":123456789012345678901234567890,"n":0.10,"\\u00fc":"\\u00e9"}',
            request.body,
        )
        self.assertEqual(["succeeded"], [row["status"] for row in self.rows("deliveries", name)])

    def test_publish_reads_files_and_stdin_and_an_id_makes_it_safe_to_repeat(self):
        name, path, _ = self.created()
        file = self.daemon.home / "data.json"
        file.write_text('{"from": "file"}')
        self.run_ctl("publish", "user.created", "--data", f"@{file}", "--wait")
        self.run_ctl("publish", "user.created", "--data", "-", "--wait", stdin='{"from": "stdin"}')
        self.assertEqual(
            [{"from": "file"}, {"from": "stdin"}],
            [json.loads(r.body)["data"] for r in self.delivered(path, 2)],
        )
        first = self.json("publish", "user.created", "--data", "{}", "--id", "evt_cli")
        again = self.json("publish", "user.created", "--data", "{}", "--id", "evt_cli")
        self.assertEqual((False, True), (first["duplicate"], again["duplicate"]))
        self.run_ctl("publish", "user.created", "--data", '{"x":1}', "--id", "evt_cli", code=6)
        self.delivered(path, 3)

    def test_publish_wait_tells_a_failure_and_a_time_that_is_over(self):
        self.created(Reply(500), flags=("--retry-schedule", "none"))
        self.run_ctl("publish", "user.created", "--data", "{}", "--wait", "20s", code=7)
        other, _, _ = self.created(event="group.created")
        self.run_ctl("pause", other)
        self.run_ctl("publish", "group.created", "--data", "{}", "--wait", "200ms", code=8)

    def test_what_is_no_object_or_no_event_type_is_refused_before_or_by_the_daemon(self):
        self.run_ctl("publish", "user.created", "--data", "[1]", code=2)
        self.run_ctl("publish", "user.created", "--data", "{", code=2)
        self.run_ctl("publish", "user.created", code=2)
        self.run_ctl("publish", "user.created", "--data", "@/nonexistent", code=2)
        self.assertIn(
            "user.created", self.run_ctl("publish", "user.creatd", "--data", "{}", code=6).err
        )

    def test_a_failing_delivery_is_found_shown_and_retried(self):
        name, path, _ = self.created(
            Reply(503, body=b"down for \x1b[31mmaintenance"), flags=("--retry-schedule", "none")
        )
        self.run_ctl("publish", "user.created", "--data", '{"k": "v"}', "--wait", code=7)
        [row] = self.rows("deliveries", name, "--status", "failed", "--http", "5xx")
        self.assertEqual([], self.rows("deliveries", name, "--http", "404"))
        detail = self.json("delivery", name, row["id"])
        self.assertEqual(
            ("failed", 503), (detail["status"], detail["attempts"][0]["response_status"])
        )
        shown = self.run_ctl("delivery", name, row["id"]).out
        self.assertIn(detail["diagnosis"], shown)
        self.assertIn('{"k":"v"}', self.run_ctl("delivery", name, row["id"], "--body").out)
        self.assertIn("curl", self.run_ctl("delivery", name, row["id"], "--curl").out)
        self.run_ctl("retry", name, row["id"], "--wait", "20s")
        self.assertEqual(2, len(self.delivered(path, 2)))
        self.run_ctl("retry", name, row["id"], code=6)
        self.run_ctl("retry", name, row["id"], "--force", "--wait", "20s")
        self.run_ctl("retry", name, "999999999", code=3)

    def test_many_are_retried_by_filter(self):
        name, path, _ = self.created(*[Reply(500)] * 3, flags=("--retry-schedule", "none"))
        for _ in range(3):
            self.run_ctl("publish", "user.created", "--data", "{}", "--wait", code=7)
        counted = self.json("retry", name, "--status", "failed", "--dry-run")
        self.assertEqual((3, 3, 0), (counted["matched"], counted["retried"], counted["skipped"]))
        self.assertEqual(3, len(self.receiver.requests(path)))
        self.run_ctl("retry", name, "--status", "failed", "--wait", "20s")
        self.assertEqual(6, len(self.delivered(path, 6)))
        self.run_ctl("retry", name, code=2)

    def test_test_sends_one_event_and_exits_7_when_it_fails(self):
        name, path, _ = self.created(Reply(200), Reply(500))
        result = self.json("test", name)
        self.assertEqual((True, 200), (result["success"], result["status_code"]))
        self.run_ctl("test", name, code=7)
        self.run_ctl("test", name, "--event", "user.deleted", "--data", '{"n": 1}')
        self.assertEqual(
            ["webhook.test", "webhook.test", "user.deleted"],
            [r.header("X-ScaiKey-Event-Type") for r in self.delivered(path, 3)],
        )

    def test_stats_count_what_happened(self):
        name, _, _ = self.created()
        self.run_ctl("publish", "user.created", "--data", "{}", "--wait")
        stats = self.json("stats", name, "--window", "1h")
        self.assertEqual(
            ("1h", 1, {"200": 1}), (stats["window"], stats["succeeded"], stats["status_codes"])
        )
        self.assertIn("succeeded", self.run_ctl("stats", name).out)


class ProgramTest(CliTest):
    def test_a_token_opens_the_tcp_door(self):
        token = self.run_ctl("token", "create", "--role", "super_admin", "--ttl", "5m").out
        self.assertRegex(token, r"^[\w-]+\.[\w-]+\.[\w-]+\n$")
        file = self.daemon.home / "token"
        file.write_text(token)
        server = ("--server", "http://%s:%d" % self.daemon.tcp)
        name, _, _ = self.created()
        self.assertIn(name, self.run_ctl("list", *server, "--token-file", file).out)
        self.assertIn(name, self.run_ctl("list", *server, "--token-file", "-", stdin=token).out)
        self.assertIn(
            name, self.run_ctl("list", *server, env={"WEBHOOKCTL_TOKEN": token.strip()}).out
        )
        refused = self.run_ctl("list", *server, code=4)
        self.assertIn("hint:", refused.err)
        # Tokens are made on the socket only: 403 or 404 to the outside.
        denied = self.daemon.ctl("token", "create", *server, "--token-file", file)
        self.assertIn(denied.code, (3, 4), denied)
        self.assertEqual("", denied.out)

    def test_an_unreachable_daemon_is_5(self):
        self.run_ctl("list", "--socket", self.daemon.home / "absent.sock", code=5)
        self.run_ctl("list", "--server", "http://127.0.0.1:9", code=5)

    def test_a_socket_that_is_not_ours_is_4(self):
        if os.geteuid() != 0:
            # Nobody else to be: a mode that refuses even its owner does the same.
            self.daemon.socket.chmod(0)
            self.addCleanup(self.daemon.socket.chmod, 0o600)
            self.run_ctl("list", code=4)
            return
        self.daemon.home.chmod(0o755)
        program = self.daemon.home / "webhookctl"
        shutil.copy(WEBHOOKCTL, program)
        program.chmod(0o755)
        done = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--",
                str(program),
                "list",
            ],
            env=self.daemon.ctl_environment(),
            capture_output=True,
            text=True,
            timeout=30 * PATIENCE,
        )
        self.assertEqual(4, done.returncode, done)
        self.assertIn("hint:", done.stderr)

    def test_wrong_usage_is_2_and_names_what_was_meant(self):
        self.assertIn("list", self.run_ctl("lits", code=2).err)
        self.run_ctl("list", "--no-such-flag", code=2)
        self.run_ctl("create", code=2)
        self.run_ctl("create", "http://127.0.0.1/", code=2)
        self.run_ctl("list", "-o", "xml", code=2)
        self.run_ctl(code=2)

    def test_an_error_as_json_is_one_object_on_stderr(self):
        result = self.run_ctl("get", "no-such-webhook", "-o", "json", code=3)
        error = json.loads(result.err)["error"]
        self.assertEqual(["code", "message", "hint", "exit_code", "request_id"], list(error))
        self.assertEqual(3, error["exit_code"])
        self.assertEqual("", result.out)
        rejected = json.loads(
            self.run_ctl("create", "ftp://h/", "--event", "*", "-o", "json", code=6).err
        )["error"]
        self.assertIn("http", rejected["message"])

    def test_version_and_help(self):
        self.assertRegex(self.run_ctl("version").out, r"\d+\.\d+\.\d+")
        self.assertRegex(self.run_ctl("--version").out, r"^webhookctl \d+\.\d+\.\d+\n$")
        for words in (("--help",), ("create", "--help"), ("delivery", "--help")):
            self.assertTrue(self.run_ctl(*words).out)

    def test_debug_shows_requests_with_secrets_masked(self):
        name, _, made = self.created()
        shown = self.run_ctl("rotate-secret", name, "--debug")
        self.assertIn("rotate-secret", shown.err)
        self.assertNotIn(shown.out.strip(), shown.err)
        self.assertNotIn(made["secret"], shown.err)

    # ---- on a terminal

    def on_terminal(self, *arguments, answer=None, env=None):
        """What a command shows on a terminal of 100 columns, and its exit status."""
        settings = self.daemon.ctl_environment(**{"TERM": "xterm", "COLUMNS": "100", **(env or {})})
        pid, master = pty.fork()
        if pid == 0:
            os.execve(WEBHOOKCTL, [WEBHOOKCTL, *map(str, arguments)], settings)
        shown, deadline = b"", time.monotonic() + 30 * PATIENCE
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], 0.1)[0]:
                    continue
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
                if answer is not None and b"[y/N]" in shown:
                    os.write(master, answer)
                    answer = None
        finally:
            os.close(master)
            code = self.exit_status(pid, deadline)
        return shown.decode().replace("\r\n", "\n"), code

    def exit_status(self, pid, deadline):
        """Of a child, which is killed when it does not end in time."""
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_a_terminal_gets_an_aligned_table_in_colour(self):
        name, _, _ = self.created()
        shown, code = self.on_terminal("list")
        self.assertEqual(0, code, shown)
        self.assertIn(f"{ESCAPE}[", shown)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        self.assertNotIn(ESCAPE, plain)
        self.assertIn("NAME", plain.splitlines()[0])
        for switched_off in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            shown, _ = self.on_terminal("list", env=switched_off)
            self.assertNotIn(ESCAPE, shown)
        self.assertIn(name[:10], plain)

    def test_what_a_receiver_says_cannot_steer_the_terminal(self):
        name, _, _ = self.created(Reply(500, body="\x1b]0;owned\x07\x1b[2J\u202e\x9b31m".encode()))
        shown, code = self.on_terminal("test", name, env={"NO_COLOR": "1"})
        self.assertEqual(7, code, shown)
        for bad in (ESCAPE, "\x07", "\u202e", "\x9b"):
            self.assertNotIn(bad, shown)
        shown, _ = self.on_terminal("deliveries", name, "-o", "json")
        self.assertNotIn(ESCAPE, shown)

    def test_delete_asks_and_takes_no_for_an_answer(self):
        name, _, _ = self.created()
        shown, code = self.on_terminal("delete", name, answer=b"n\n")
        self.assertIn("[y/N]", shown)
        self.assertNotEqual(0, code)
        self.run_ctl("get", name)
        _, code = self.on_terminal("delete", name, answer=b"y\n")
        self.assertEqual(0, code)
        self.run_ctl("get", name, code=3)

    def test_a_reader_that_leaves_early_is_no_error(self):
        for _ in range(3):
            self.created()
        command = f"set -o pipefail; {pathlib.Path(WEBHOOKCTL)} list | head -n 1"
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.daemon.ctl_environment(),
            capture_output=True,
            text=True,
            timeout=30 * PATIENCE,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))


if __name__ == "__main__":
    unittest.main()
