"""The show behind `./dev demo`: a daemon, receivers that verify signatures, real events, one
receiver that is down at first. Exits 0 only when everything happened as it says."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

# Found only once the path is set.
import signatures
from daemon import dies_with_us
from receiver import Receiver, Reply

READY_WITHIN = 20.0
STOPPED_WITHIN = 30.0


class Wrong(Exception):
    """Something is not as the show claims."""


def require(condition, sentence):
    if not condition:
        raise Wrong(sentence)


def say(text):
    print(f"\n# {text}", flush=True)


class Stage:
    """The programs, in surroundings of their own: nothing of the user's is read or touched."""

    def __init__(self, programs, home):
        self.programs, self.home, self.daemon = (
            pathlib.Path(programs).resolve(),
            pathlib.Path(home),
            None,
        )
        for name in ("run", "state", "config"):
            (self.home / name).mkdir(mode=0o700)
        kept = {
            k: v
            for k, v in os.environ.items()
            if k in ("TERM", "LANG", "NO_COLOR", "COLUMNS") or k.endswith("SAN_OPTIONS")
        }
        self.environment = {
            **kept,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "WEBHOOKCTL_OUTPUT": "table",
        }

    def start_daemon(self, *flags):
        command = ["webhookd", "--dev", *flags]
        print(f"$ {shlex.join(command)} 2>webhookd.log &", flush=True)
        log = self.home / "webhookd.log"
        with open(log, "wb") as stderr:
            self.daemon = subprocess.Popen(
                dies_with_us([self.programs / "webhookd", *command[1:]]),
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        deadline = time.monotonic() + READY_WITHIN
        while "ready\n" not in log.read_text(errors="replace"):
            alive = self.daemon.poll() is None and time.monotonic() < deadline
            require(alive, f"webhookd did not get ready:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        print(log.read_text(errors="replace"), end="", flush=True)

    def stop_daemon(self):
        """Its exit status."""
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(STOPPED_WITHIN)

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()

    def ctl(self, *words, expected=0, shown=True, **more):
        """Runs a command as a person types it. With `capture_output`, its output."""
        if shown:
            print(f"$ {shlex.join(['webhookctl', *words])}", flush=True)
        done = subprocess.run(
            [self.programs / "webhookctl", *words],
            env=self.environment,
            text=True,
            cwd=self.home,
            timeout=60,
            **more,
        )
        if shown and done.stdout:
            print(done.stdout, end="", flush=True)
        ended = f"webhookctl {words[0]} ended with {done.returncode}, not {expected}"
        require(done.returncode == expected, ended)
        return done.stdout or ""

    def create(self, *words):
        """Makes a webhook; its secret, which is shown this once."""
        shown = self.ctl("create", *words, stdout=subprocess.PIPE)
        secret = re.search(r"whsec_\S+", shown)
        require(secret, "create showed no secret")
        return secret[0]

    def newest_delivery(self, webhook):
        """Its id, status and number of attempts."""
        answer = self.ctl("deliveries", webhook, "-o", "json", shown=False, stdout=subprocess.PIPE)
        newest = json.loads(answer)["items"][0]
        return str(newest["id"]), newest["status"], newest["attempt_count"]


class Audience:
    """The receivers: each request is verified, told, and answered."""

    def __init__(self, receiver):
        self.receiver, self.secrets, self.wrong = receiver, {}, []

    def hook(self, path, statuses=()):
        """`path` will answer with `statuses` first, then 200."""
        waiting = list(statuses)

        def answer(request):
            secret = self.secrets.get(request.path)
            fault = signatures.fault(secret, request) if secret else "nobody told its secret"
            if fault:
                self.wrong.append(fault)
            status = 401 if fault else waiting.pop(0) if waiting else 200
            print(
                f"    receiver {path}: {request.header('X-ScaiKey-Event-Type')}, attempt "
                f"{request.header('X-ScaiKey-Attempt')}, {fault or 'both signatures verify'}: "
                f"answers {status}",
                flush=True,
            )
            return Reply(status, body=b"thank you" if status == 200 else b"down for maintenance")

        self.receiver.script(path, then=answer)
        return self.receiver.url(path)


def show_success(stage, audience):
    say("A webhook. Its signing secret is shown this once.")
    url = audience.hook("/accounts")
    audience.secrets["/accounts"] = stage.create(url, "--event", "user.*", "--name", "accounts")
    say("Events. Every digit arrives as it was published.")
    stage.ctl(
        "publish",
        "user.created",
        "--data",
        '{"id": "usr_1", "balance": 0.10, "name": "Zoë"}',
        "--wait",
        "20s",
    )
    stage.ctl(
        "publish",
        "user.suspended",
        "--data",
        '{"id": "usr_1", "nonce": 123456789012345678901234567890}',
        "--wait",
        "20s",
    )
    first, second = audience.receiver.wait_for(2, "/accounts")
    require(
        b'"balance":0.10' in first.body and b"123456789012345678901234567890" in second.body,
        "digits were changed",
    )
    print(f"    received: {second.body.decode()}")


def show_retries(stage, audience):
    say("A receiver that is down at first: it is tried again until it answers.")
    url = audience.hook("/billing", [503, 500])
    audience.secrets["/billing"] = stage.create(
        url, "--event", "group.member_added", "--name", "billing"
    )
    stage.ctl("publish", "group.member_added", "--data", '{"group": "grp_7", "user": "usr_1"}')
    wait_until(stage, "billing", "pending", 1)
    say("It waits for its next attempt:")
    stage.ctl("deliveries", "billing")
    audience.receiver.wait_for(3, "/billing")
    wait_until(stage, "billing", "succeeded", 3)
    say("And here is how it went:")
    stage.ctl("delivery", "billing", stage.newest_delivery("billing")[0])


def wait_until(stage, webhook, status, attempts):
    """Until the newest delivery has the status after so many attempts."""
    deadline = time.monotonic() + 20
    while stage.newest_delivery(webhook)[1:] != (status, attempts):
        require(time.monotonic() < deadline, f"{webhook}: no delivery {status} after {attempts}")
        time.sleep(0.05)


def show(stage, audience):
    say("A daemon of our own, which tries again after 3, 1 and 4 seconds")
    stage.start_daemon("--listen", "127.0.0.1:0", "--retry-schedule", "3,1,4")
    show_success(stage, audience)
    show_retries(stage, audience)
    say("One test event, now:")
    stage.ctl("test", "accounts")
    say("All deliveries of both webhooks, and the numbers:")
    stage.ctl("deliveries", "accounts")
    stage.ctl("deliveries", "billing")
    stage.ctl("stats", "billing", "--window", "1h")
    stage.ctl("list")
    say("The end")
    print("$ kill %1", flush=True)
    require(stage.stop_daemon() == 0, "webhookd did not end well")
    counts = [len(audience.receiver.requests(path)) for path in ("/accounts", "/billing")]
    require(counts == [3, 3], f"the receivers got {counts} requests, not 3 and 3")
    require(not audience.wrong, f"signatures: {audience.wrong}")


def main():
    if len(sys.argv) != 2:
        print("usage: demo.py FOLDER_OF_PROGRAMS", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="webhookd-demo-") as home:
        receiver, stage = Receiver(), Stage(sys.argv[1], home)
        try:
            show(stage, Audience(receiver))
        except (Wrong, AssertionError, OSError, subprocess.TimeoutExpired) as error:
            print(f"\nerror: the demo failed: {error}", file=sys.stderr)
            return 1
        finally:
            stage.close()
            receiver.stop()
    print(f"\nEvery event was delivered, signed and verified; {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
