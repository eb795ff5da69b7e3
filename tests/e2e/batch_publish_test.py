"""Many events in one request, and the command that publishes a file of any length."""

import http.server
import json
import os
import pty
import subprocess
import threading
import unittest

from daemon import WEBHOOKCTL, Daemon
from e2e import DaemonTest
from polling import PATIENCE, eventually
from receiver import Reply

BATCH = "/api/v1/events/batch"
NDJSON = {"Content-Type": "application/x-ndjson"}


def line(number, **fields):
    return json.dumps({"event_type": "user.created", "data": {"n": number}, **fields})


class BatchApiTest(DaemonTest):
    def send(self, lines, headers=NDJSON):
        return self.api.request("POST", BATCH, "\n".join(lines).encode(), headers)

    def test_what_was_answered_survives_kill_9_and_is_delivered(self):
        webhook, path = self.webhook(status="paused")
        ids = [f"evt_kill_{n}" for n in range(300)]
        answer = self.send([line(n, event_id=ids[n]) for n in range(300)])
        self.assertEqual(202, answer.status, answer)
        self.daemon.kill()
        self.daemon.start()
        self.api.update(webhook["id"], status="active")
        arrived = {r.header("webhook-id") for r in self.delivered(path, 300)}
        self.assertEqual(set(ids), arrived)

    def test_only_a_batch_may_be_large(self):
        large = [line(n, data={"x": "y" * 7000}) for n in range(999)]
        self.assertEqual(202, self.send(large).status)
        for path in ("/api/v1/events", "/api/v1/admin/webhooks/events/batch"):
            answer = self.api.request("POST", path, "\n".join(large).encode(), NDJSON)
            self.assertEqual(413, answer.status, path)
        answer = self.send([*large, "x" * (2 << 20)])
        self.assertEqual(413, answer.status)

    def test_a_fault_anywhere_keeps_all_of_it_out(self):
        webhook, path = self.webhook()
        lines = [line(n, event_id=f"evt_fault_{n}") for n in range(50)]
        lines[30] = line(30, surprise=1, event_id=7)
        self.assert_faults(
            self.send(lines),
            ("string_type", ["body", 31, "event_id"]),
            ("extra_forbidden", ["body", 31, "surprise"]),
        )
        self.api.publish()
        self.assertEqual(1, len(self.delivered(path)))

    def test_other_methods_are_405(self):
        for method in ("GET", "HEAD", "PUT"):
            answer = self.api.request(method, BATCH)
            self.assertEqual((405, "POST"), (answer.status, answer.headers["Allow"]))


class BatchCommandTest(DaemonTest):
    def publish(self, lines, *flags, **more):
        file = self.daemon.home / "events.ndjson"
        file.write_text("\n".join(lines) + "\n")
        return self.daemon.ctl("publish", "--batch", file, *flags, **more)

    def summary(self, done):
        return json.loads(done.out)

    def test_a_long_file_goes_in_pieces_and_is_summed_up(self):
        webhook, path = self.webhook(status="paused")
        lines = [line(n) if n % 2 else line(n, event_id=f"evt_long_{n}") for n in range(2500)]
        done = self.publish(lines, "-o", "json")
        self.assertEqual((0, ""), (done.code, done.err))
        self.assertEqual({"events": 2500, "duplicates": 0, "deliveries": 2500}, self.summary(done))
        again = self.publish(lines, "--no-header")
        self.assertIn("duplicates\t1250\n", again.out)

    def test_lines_keep_their_digits_and_order_and_come_from_stdin_too(self):
        webhook, path = self.webhook(ordered=True)
        data = '{"big":123456789012345678901234567890,"m":0.10}'
        text = f'{{"event_type":"user.created","data":{data}}}'
        nothing = '{"event_id":null,"event_type":"user.created","data":{"n":2}}'
        done = self.daemon.ctl(
            "publish", "--batch", "-", "--wait", "20s", "-ojson", stdin=f"\n{text}\n \n{nothing}"
        )
        self.assertEqual(0, done.code, done)
        self.assertEqual(
            {
                "events": 2,
                "duplicates": 0,
                "deliveries": 2,
                "succeeded": 2,
                "failed": 0,
                "waiting": 0,
            },
            self.summary(done),
        )
        first, second = self.delivered(path, 2)
        self.assertIn(f'"data":{data}'.encode(), first.body)
        self.assertIn(b'"data":{"n":2}', second.body)

    def test_bad_lines_are_told_by_their_number_in_the_file(self):
        done = self.publish([line(1), "", line(2, surprise=1), "{", '"word"'])
        self.assertEqual(6, done.code, done)
        for fault in ("line 3.surprise: ", "line 4.1: JSON decode error", "line 5: "):
            self.assertIn(fault, done.err)
        self.assertEqual("", done.out)

    def test_a_bad_line_of_a_later_piece_is_exit_9_and_says_how_far_it_came(self):
        lines = ["", *(line(n) for n in range(1500)), "{}"]
        done = self.publish(lines, "-o", "json")
        self.assertEqual(9, done.code, done)
        self.assertEqual(1000, self.summary(done)["events"])
        error = json.loads(done.err)["error"]
        self.assertIn("line 1502.event_type: Field required", error["message"])
        self.assertIn("1000 events up to line 1001 are published", error["message"])
        self.assertIn("tail -n +1002", error["hint"])

    def test_a_conflict_names_the_line(self):
        self.assertEqual(0, self.publish([line(1, event_id="evt_conflict")]).code)
        done = self.publish(["", "", line(2, event_id="evt_conflict")])
        self.assertEqual(6, done.code, done)
        self.assertIn("line 3: another event with the event_id evt_conflict", done.err)

    def test_a_failed_delivery_is_exit_7_and_one_that_waits_8(self):
        failing, _ = self.webhook(Reply(410), retry_schedule=[])
        done = self.publish([line(1)], "--wait", "20s")
        self.assertEqual(7, done.code, done)
        self.api.delete(failing["id"])
        self.webhook(status="paused")
        done = self.publish([line(1)], "--wait", "1s")
        self.assertEqual(8, done.code, done)

    def test_an_event_of_a_tenant_is_waited_for_as_that(self):
        self.webhook()
        for tenant in ({}, {"tenant_id": "t1"}, {"tenant_id": "t2"}):
            done = self.publish([line(1, event_id="evt_shared", **tenant)], "--wait", "20s")
            self.assertEqual(0, done.code, done)

    def test_what_belongs_into_the_lines_is_refused_beside_them(self):
        for flags in (("user.created",), ("--data", "{}"), ("--tenant", "t")):
            done = self.publish([line(1)], *flags)
            self.assertEqual(2, done.code, done)
            self.assertIn("exclude each other", done.err)
        for arguments in ((), ("user.created",), ("--data", "{}")):
            self.assertEqual(2, self.daemon.ctl("publish", *arguments).code)
        self.assertEqual(2, self.daemon.ctl("publish", "--batch", "/nonexistent").code)

    def test_progress_shows_on_a_terminal_alone(self):
        file = self.daemon.home / "many.ndjson"
        file.write_text("\n".join(line(n) for n in range(3000)))
        for flags, shown in ((), True), (("-q",), False):
            leader, follower = pty.openpty()
            done = subprocess.run(
                [WEBHOOKCTL, "publish", "--batch", file, *flags],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=follower,
                timeout=60 * PATIENCE,
                env=self.daemon.ctl_environment(TERM="xterm"),
            )
            os.close(follower)
            told = b""
            try:
                while piece := os.read(leader, 65536):
                    told += piece
            except OSError:
                pass  # a terminal's end
            os.close(leader)
            self.assertEqual(0, done.returncode, told)
            self.assertEqual(shown, b"1000 events published" in told, told)
            self.assertTrue(not shown or told.endswith(b"\r\x1b[K"), told)


class Flaky(http.server.BaseHTTPRequestHandler):
    """Takes a batch at the third try only."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.bodies.append(body)
        if len(self.server.bodies) == 1:
            self.close_connection = True
            return
        items = [
            {"event_id": json.loads(l)["event_id"], "deliveries": 0, "duplicate": False}
            for l in body.splitlines()
        ]
        busy = len(self.server.bodies) == 2
        status, answer = (503, {"detail": "busy"}) if busy else (202, {"items": items})
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class RepetitionTest(unittest.TestCase):
    def test_an_unknown_outcome_is_repeated_with_the_same_ids(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
        server.bodies = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        daemon = Daemon()
        self.addCleanup(daemon.close)
        url = f"http://127.0.0.1:{server.server_port}"
        lines = line(1) + "\n" + line(2, event_id="evt_mine") + "\n{}"
        done = daemon.ctl(
            "--server", url, "publish", "--batch", "-", stdin=lines, env={"WEBHOOKCTL_TOKEN": "t"}
        )
        self.assertEqual(0, done.code, done)
        self.assertIn("trying again in", done.err)
        self.assertEqual(3, len(server.bodies))
        self.assertEqual(1, len(set(server.bodies)))
        first, second, third = map(json.loads, server.bodies[0].splitlines())
        self.assertRegex(first["event_id"], "^evt_[0-9A-Z]{26}$")
        self.assertEqual("evt_mine", second["event_id"])
        self.assertEqual(["event_id"], list(third))

    def test_a_daemon_that_comes_back_has_every_event_once(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        daemon.start()
        webhook = daemon.api.create("http://127.0.0.1:9/", status="paused")["id"]
        process = subprocess.Popen(
            [WEBHOOKCTL, "publish", "--batch", "-", "-o", "json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=daemon.ctl_environment(),
        )
        self.addCleanup(process.kill)
        process.stdin.write("".join(line(n) + "\n" for n in range(1500)))
        process.stdin.flush()
        eventually(lambda: daemon.api.deliveries(webhook)["total"] >= 1000, "a piece has arrived")
        daemon.kill()
        rest = threading.Thread(
            target=process.communicate, args=("".join(line(n) + "\n" for n in range(1500, 5000)),)
        )
        rest.start()
        daemon.start()
        rest.join(60 * PATIENCE)
        self.assertEqual(0, process.wait(60 * PATIENCE))
        self.assertEqual(5000, daemon.api.deliveries(webhook)["total"])


if __name__ == "__main__":
    unittest.main()
