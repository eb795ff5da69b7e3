"""Watching attempts from the command line, and waiting for deliveries."""

import json
import os
import pty
import signal
import subprocess
import threading
import unittest

from daemon import WEBHOOKCTL, Daemon
from e2e import DaemonTest
from polling import PATIENCE, eventually
from receiver import Receiver, Reply

NDJSON = {"Content-Type": "application/x-ndjson"}


class Tail:
    """`webhookctl tail`, its lines as they come."""

    command = "tail"

    def __init__(self, daemon, *arguments, stdout=subprocess.PIPE):
        self.lines = []
        self.process = subprocess.Popen(
            [WEBHOOKCTL, self.command, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=daemon.ctl_environment(TERM="xterm"),
        )
        self.err = []
        self.threads = [threading.Thread(target=self._read, args=("stderr", self.err), daemon=True)]
        if stdout == subprocess.PIPE:
            self.threads.append(
                threading.Thread(target=self._read, args=("stdout", self.lines), daemon=True)
            )
        for thread in self.threads:
            thread.start()

    def _read(self, stream, lines):
        for line in getattr(self.process, stream):
            lines.append(line.rstrip("\n"))

    def wait_lines(self, count):
        eventually(lambda: len(self.lines) >= count, f"{count} lines of {self.lines} {self.err}")
        return self.lines

    def wait(self):
        code = self.process.wait(30 * PATIENCE)
        for thread in self.threads:
            thread.join(10 * PATIENCE)
        return code

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class TailTest(DaemonTest):
    def tail(self, *arguments, **options):
        tail = Tail(self.daemon, *arguments, **options)
        self.addCleanup(tail.close)
        return tail

    def test_a_pipe_gets_tsv_and_an_interrupt_is_130(self):
        webhook, path = self.webhook(Reply(500))
        self.api.publish()
        tail = self.tail(webhook["name"], "--since", "1h")
        header, first, second = (line.split("\t") for line in tail.wait_lines(3)[:3])
        self.assertEqual(["id", "delivery_id", "webhook_id"], header[:3])
        first, second = (dict(zip(header, row)) for row in (first, second))
        self.assertEqual(("500", "pending"), (first["response_status"], first["status"]))
        self.assertEqual("http_status", first["error_kind"])
        self.assertEqual(("200", "succeeded"), (second["response_status"], second["status"]))
        self.assertEqual(130, tail.stop())
        self.assertEqual([], tail.err)

    def test_jsonl_is_what_the_stream_says_and_a_count_ends_it(self):
        webhook, _ = self.webhook()
        self.api.publish()
        tail = self.tail(webhook["id"], "--since", "1h", "-o", "jsonl", "--count", 1)
        self.assertEqual(0, tail.wait(), tail.err)
        self.assertEqual(1, len(tail.lines))
        self.assertTrue(tail.lines[0].startswith('{"id":'), tail.lines)
        self.assertEqual(webhook["id"], json.loads(tail.lines[0])["webhook_id"])

    def test_the_first_failure_is_exit_7_where_that_is_wanted(self):
        webhook, _ = self.webhook(Reply(200), Reply(503), retry_schedule=[])
        self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 1, status="succeeded")
        tail = self.tail(webhook["id"], "--since", "1h", "--fail-on-error", "--no-header")
        tail.wait_lines(1)
        self.api.publish()
        self.assertEqual(7, tail.wait())
        self.assertEqual(2, len(tail.lines))
        self.assertIn("attempt 1 of delivery", tail.err[0])

    def test_a_status_filters(self):
        webhook, _ = self.webhook(Reply(500), Reply(200))
        self.api.publish()
        tail = self.tail(webhook["id"], "--since", "1h", "--status", "succeeded", "--count", "1")
        self.assertEqual(0, tail.wait())
        self.assertTrue(tail.lines[1].endswith("\tsucceeded"), tail.lines)

    def test_what_cannot_be_watched_is_told_at_once(self):
        for arguments, code in (
            (("nobody",), 3),
            (("whk_0000000000000000",), 3),
            (("--status", "lost"), 2),
            (("--since", "x"), 2),
            (("--count", "0"), 2),
            (("--socket", "/nonexistent"), 5),
        ):
            tail = self.tail(*arguments)
            self.assertEqual(code, tail.wait(), (arguments, tail.err))

    def test_a_reader_who_leaves_ends_it_quietly(self):
        webhook, _ = self.webhook()
        self.api.publish()
        reading, writing = os.pipe()
        tail = self.tail(webhook["id"], "--since", "1h", stdout=writing)
        os.close(writing)
        self.assertTrue(os.read(reading, 10))
        os.close(reading)
        self.assertEqual(0, tail.wait())
        self.assertEqual([], tail.err)

    def test_a_terminal_gets_aligned_lines_that_cannot_steer_it(self):
        webhook, path = self.webhook(Reply(500, body=b"\x1b[31m"), Reply(302))
        leader, follower = pty.openpty()
        self.api.publish()
        arguments = ("--since", "1h", "--count", "2", "--color", "never")
        tail = self.tail(webhook["id"], *arguments, stdout=follower)
        os.close(follower)
        self.assertEqual(0, tail.wait(), tail.err)
        shown = b""
        try:
            while piece := os.read(leader, 65536):
                shown += piece
        except OSError:
            pass  # a terminal's end
        os.close(leader)
        lines = shown.decode().replace("\r\n", "\n").splitlines()
        self.assertEqual(2, len(lines), lines)
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d  pending    500 ")
        self.assertEqual(lines[0].index("user.created"), lines[1].index("user.created"))
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertNotIn("\x1b", shown.decode())


class RestartTest(unittest.TestCase):
    def test_a_restart_loses_and_repeats_nothing(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        daemon = Daemon("--retry-schedule", "1,1,1")
        self.addCleanup(daemon.close)
        daemon.start()
        webhook = daemon.api.create(receiver.url("/r"))["id"]
        tail = Tail(daemon, "--no-header", "--since", "1h")
        self.addCleanup(tail.close)
        lines = "\n".join('{"event_type":"user.created","data":{}}' for _ in range(200)).encode()

        def publish():
            answer = daemon.api.request("POST", "/api/v1/events/batch", lines, NDJSON)
            self.assertEqual(202, answer.status)

        publish()
        tail.wait_lines(50)
        publish()
        daemon.kill()
        daemon.start()
        publish()
        daemon.wait_deliveries(webhook, 600, status="succeeded", timeout=60)
        tail.wait_lines(600)

        probe = daemon.ctl("tail", "--since", "1h", "--count", "600", "-o", "jsonl")
        self.assertEqual(0, probe.code, probe)
        ids = [str(json.loads(line)["id"]) for line in probe.out.splitlines()]
        self.assertEqual(ids, [line.split("\t")[0] for line in tail.lines[:600]])
        self.assertTrue(any("connecting again in" in line for line in tail.err), tail.err)
        self.assertTrue(any("connected again" in line for line in tail.err), tail.err)
        self.assertEqual(130, tail.stop())


class Wait(Tail):
    command = "wait"


class WaitTest(DaemonTest):
    def test_a_restart_of_the_daemon_ends_no_wait(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        _, path = self.webhook(Reply(gate=gate))
        event = self.api.publish()["event_id"]
        self.delivered(path)
        wait = Wait(self.daemon, "--event-id", event, "-v")
        self.addCleanup(wait.close)
        eventually(lambda: wait.err, "it has looked")
        self.daemon.kill()
        gate.set()
        eventually(lambda: any("no daemon" in line for line in wait.err), "it has found nobody")
        self.daemon.start()
        self.assertEqual(0, wait.wait(), wait.err)

    def test_a_delivery_is_waited_for(self):
        webhook, _ = self.webhook(Reply(500))
        self.api.publish()
        delivery = self.only_delivery(webhook)
        done = self.daemon.ctl("wait", delivery["id"], "-o", "json")
        self.assertEqual(0, done.code, done)
        self.assertEqual("succeeded", json.loads(done.out)["status"])

    def test_all_deliveries_of_an_event_are_waited_for(self):
        self.webhook()
        self.webhook(Reply(500))
        event = self.api.publish()["event_id"]
        done = self.daemon.ctl("wait", "--event-id", event, "--no-header")
        self.assertEqual(0, done.code, done)
        self.assertEqual(2, done.out.count("succeeded"))

    def test_a_failure_is_7_and_one_that_waits_8(self):
        self.webhook(Reply(410))
        event = self.api.publish()["event_id"]
        self.assertEqual(7, self.daemon.ctl("wait", "--event-id", event).code)
        self.doCleanups()
        self.webhook(status="paused")
        event = self.api.publish()["event_id"]
        done = self.daemon.ctl("wait", "--event-id", event, "--timeout", "500ms")
        self.assertEqual(8, done.code, done)
        self.assertIn("--timeout", done.err)

    def test_what_is_not_there_is_3_and_what_is_no_id_2(self):
        for arguments, code in (
            (("999999",), 3),
            (("--event-id", "evt_nobody"), 3),
            (("x",), 2),
            ((), 2),
            (("1", "--event-id", "e"), 2),
            (("1", "--tenant", "t"), 2),
        ):
            done = self.daemon.ctl("wait", *arguments)
            self.assertEqual(code, done.code, (arguments, done))


if __name__ == "__main__":
    unittest.main()
