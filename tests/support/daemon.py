"""webhookd and webhookctl as processes of a test, on a state directory of their own."""

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from api_client import ApiClient
from polling import PATIENCE, eventually

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "release"
WEBHOOKD = os.environ.get("WEBHOOKD", str(BUILD / "webhookd"))
WEBHOOKCTL = os.environ.get("WEBHOOKCTL", str(BUILD / "webhookctl"))

# What a sanitizer prints when it has found something.
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")


class Failed(AssertionError):
    """A program did not do what every test relies on."""


def bare_environment(home, **more):
    """Nothing of the caller's own settings but what the sanitizers and the system need."""
    kept = {
        k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR") or k.endswith("SAN_OPTIONS")
    }
    return {**kept, "HOME": str(home), "LANG": "C.UTF-8", **more}


def dies_with_us(command):
    """`command` run so that the kernel kills it when this process is gone."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def with_preload(command, environment):
    """The command and its environment so that nothing is loaded into setpriv, too."""
    rest = dict(environment)
    preload = rest.pop("LD_PRELOAD", None)
    return (["env", f"LD_PRELOAD={preload}", *command] if preload else command), rest


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str


class Daemon:
    """One state directory and the daemon on it, which may be ended and started many times.

    close() ends the process and removes the directory. `env`: more of its environment.
    """

    def __init__(self, *flags, dev=True, allow="127.0.0.0/8,::1", listen="127.0.0.1:0", env=None):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="webhookd-"))
        self.state, self.socket = self.home / "state", self.home / "run" / "d.sock"
        self.socket.parent.mkdir(mode=0o755)
        self.flags = [*(["--dev"] if dev else []), "--socket", str(self.socket)]
        self.flags += ["--state-dir", str(self.state), "--listen", listen]
        self.flags += ["--allow-networks", allow] if allow else []
        self.flags += [str(flag) for flag in flags]
        self.env, self.process, self.starts, self.tcp = env or {}, None, 0, None
        self.api = ApiClient(self.socket)

    # ---- life

    def start(self, timeout=20.0):
        """Returns the seconds until it said `ready`. Failed when it does not."""
        began = time.monotonic()
        self.spawn()
        deadline = began + timeout * PATIENCE
        while "ready\n" not in (text := self.stderr()):
            if self.process.poll() is not None:
                raise Failed(f"webhookd ended with {self.process.returncode}:\n{text}")
            if time.monotonic() > deadline:
                raise Failed(f"webhookd not ready within {timeout * PATIENCE:g} s:\n{text}")
            time.sleep(0.005)
        found = re.search(r"^listening on http://(.+):(\d+)$", text, re.MULTILINE)
        self.tcp = (found[1].strip("[]"), int(found[2])) if found else None
        return time.monotonic() - began

    def spawn(self, *more):
        """Starts the program and waits for nothing."""
        self.starts += 1
        command, env = with_preload([WEBHOOKD, *self.flags, *more], self.env)
        with open(self.stderr_file(), "wb") as log:
            self.process = subprocess.Popen(
                dies_with_us(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=bare_environment(self.home, **env),
            )

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stderr_file(self):
        return self.home / f"stderr.{self.starts}"

    def stderr(self):
        """Of the latest start."""
        return self.stderr_file().read_text(errors="replace")

    def all_stderr(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.home.glob("stderr.*")))

    def kill(self):
        """kill -9, and gone when it returns."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.api.close()

    def terminate(self, timeout=40.0):
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout=40.0):
        try:
            code = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(
                f"webhookd did not end within {timeout * PATIENCE:g} s:\n{self.stderr()}"
            ) from None
        self.api.close()
        return code

    def close(self):
        """Ends it. Failed when it does not end well, or a sanitizer has spoken."""
        try:
            running = self.process is not None and self.process.poll() is None
            code = self.terminate() if running else 0
            said = SANITIZER.search(self.all_stderr()) if self.starts else None
            if code != 0 or said:
                raise Failed(f"webhookd ended with {code}:\n{self.all_stderr()}")
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()
            shutil.rmtree(self.home, ignore_errors=True)

    # ---- ways in

    def tcp_api(self, token=None):
        return ApiClient(self.tcp, token)

    def minted(self, **claims):
        """A client over TCP with a token of the daemon's own."""
        return self.tcp_api(self.api.token(**claims))

    def ctl(self, *arguments, stdin="", timeout=60.0, env=None):
        """webhookctl over the socket, its output in pipes."""
        done = subprocess.run(
            [WEBHOOKCTL, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout * PATIENCE,
            env=self.ctl_environment(**(env or {})),
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ctl_environment(self, **more):
        return bare_environment(self.home, WEBHOOKCTL_SOCKET=str(self.socket), **more)

    # ---- waiting

    def wait_status(self, webhook, delivery, *statuses, timeout=20.0):
        """The delivery's detail once its status is one of `statuses`."""

        def probe():
            detail = self.api.delivery(webhook, delivery)
            return detail if detail["status"] in statuses else None

        return eventually(probe, f"delivery {delivery} is {' or '.join(statuses)}", timeout)

    def wait_deliveries(self, webhook, count, timeout=20.0, **query):
        """The newest page of deliveries once there are exactly `count`."""

        def probe():
            page = self.api.deliveries(webhook, **query)
            return page["items"] if page["total"] == count else None

        return eventually(probe, f"{count} deliveries with {query}", timeout)


def run_webhookd(*flags, timeout=20.0, home="/nonexistent", env=None):
    """webhookd with flags that make it end by itself."""
    done = subprocess.run(
        dies_with_us([WEBHOOKD, *map(str, flags)]),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout * PATIENCE,
        env=bare_environment(home, **(env or {})),
    )
    return Result(done.returncode, done.stdout, done.stderr)
