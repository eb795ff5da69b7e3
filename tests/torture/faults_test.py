"""Each fault does what its name says, and is told when it does not take effect."""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

import faults
from daemon import Daemon
from polling import eventually
from preload import DISK_FAULTS, SET_CLOCK, Clock, Disk
from torture import World


def child(code, env):
    """What a Python that runs with the library prints. Without a sanitizer, which is not its."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, env=env
    )
    return done.stdout.split() if done.returncode == 0 else done.stderr


class DiskTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.disk = Disk(os.path.join(self.folder, "state"))
        self.addCleanup(self.disk.close)
        os.mkdir(os.path.join(self.folder, "state"))

    def errors(self, path, *calls):
        """The name of the error of each call on a file that holds 8 bytes; ok: none."""
        path = os.path.join(self.folder, path)
        with open(path, "wb") as file:
            file.write(b"x" * 8)
        code = f"""
import errno, os, sys
f = os.open({path!r}, os.O_RDWR)
for call in {calls!r}:
    try:
        eval(call)
        print("ok")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
        return child(code, {**self.disk.env, "LD_PRELOAD": DISK_FAULTS})

    GROWING = (
        "os.pwrite(f, b'yyyy', 6)",
        "os.ftruncate(f, 9)",
        "os.posix_fallocate(f, 0, 9)",
        "(os.lseek(f, 6, 0), os.write(f, b'yyyy'))",
    )
    STAYING = (
        "os.pwrite(f, b'y', 7)",
        "(os.lseek(f, 0, 0), os.write(f, b'y'))",
        "os.ftruncate(f, 4)",
    )

    def test_no_file_grows_on_a_full_disk_and_what_it_holds_can_be_written_anew(self):
        self.disk.fail(Disk.GROWS_NOT)
        self.assertEqual(["ENOSPC"] * 4, self.errors("state/db", *self.GROWING))
        self.assertEqual(4, self.disk.refused_growth())
        self.assertEqual(["ok"] * 3, self.errors("state/db", *self.STAYING))
        self.assertEqual(["ok"] * 4, self.errors("elsewhere", *self.GROWING))

    def test_an_fsync_fails(self):
        self.disk.fail(Disk.FSYNC_FAILS)
        calls = ("os.fsync(f)", "os.fdatasync(f)", *self.GROWING)
        self.assertEqual(["EIO"] * 2 + ["ok"] * 4, self.errors("state/db", *calls))
        self.assertEqual(2, self.disk.failed_fsyncs())
        self.assertEqual(["ok"] * 2, self.errors("elsewhere", *calls[:2]))

    def test_nothing_is_free_in_its_folder_alone(self):
        code = "import os; print(os.statvfs({!r}).f_bavail == 0, os.statvfs('/').f_blocks > 0)"
        state = os.path.join(self.folder, "state")
        env = {**self.disk.env, "LD_PRELOAD": DISK_FAULTS}
        self.assertEqual("False", child(code.format(state), env)[0])
        self.disk.fail(Disk.LITTLE_IS_FREE)
        self.assertEqual(["True", "True"], child(code.format(state), env))
        self.assertEqual("False", child(code.format("/proc/.."), env)[0])

    def test_a_disk_that_is_well_again_fails_nothing(self):
        self.disk.fail(Disk.GROWS_NOT, Disk.FSYNC_FAILS)
        self.disk.fail()
        self.assertEqual(["ok"] * 5, self.errors("state/db", "os.fsync(f)", *self.GROWING))


class ClockTest(unittest.TestCase):
    def test_it_moves_the_wall_clock_and_no_other(self):
        clock = Clock()
        self.addCleanup(clock.close)
        code = "import time; print(time.clock_gettime(0), time.clock_gettime(1))"
        for ahead in (86400.5, -3600.25, 0):
            clock.set(ahead)
            wall, steady = child(code, {**clock.env, "LD_PRELOAD": SET_CLOCK})
            self.assertAlmostEqual(time.time() + ahead, float(wall), delta=5)
            self.assertAlmostEqual(time.monotonic(), float(steady), delta=5)


class SignalsTest(unittest.TestCase):
    def test_a_stopped_process_stands_still_until_it_is_let_go_on(self):
        world = World.__new__(World)
        process = subprocess.Popen(["sleep", "60"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        world.daemon = types.SimpleNamespace(process=process)
        world.stop()
        stat = f"/proc/{process.pid}/stat"

        def state():
            with open(stat, encoding="ascii") as file:
                return file.read().rpartition(") ")[2][0]

        self.assertEqual("T", state())
        world.resume()
        eventually(lambda: state() != "T", "it goes on")


class BrokenWorld:
    """A daemon on which no fault has the effect that it should have."""

    def __init__(self):
        self.random, self.kills = random.Random(1), 0
        self.daemon = mock.Mock(spec=Daemon)
        self.daemon.stderr.return_value = "ready\n"
        self.daemon.terminate.return_value = self.daemon.wait.return_value = 0
        self.daemon.api = mock.Mock()
        self.daemon.api.request.return_value = mock.Mock(status=500, json=lambda: {"loops": [1]})
        self.ledger = mock.Mock(refused=0, acknowledged=0)
        self.disk = mock.Mock()
        self.disk.refused_growth.return_value = self.disk.failed_fsyncs.return_value = 0
        self.endpoints = mock.Mock(ids={name: name for name in "abcd"})
        self.endpoints.pause.return_value = 0.0

    def kill(self):
        self.kills += 1

    def start(self):
        pass

    stop = resume = let_publish = wait_for_backlog = start

    def set_clock(self, by):
        pass

    @contextlib.contextmanager
    def disk_that(self, *_):
        yield


def at_once(probe, what, **_):
    if not probe():
        raise AssertionError(what)


@mock.patch("faults.eventually", at_once)
@mock.patch("time.sleep", lambda _: None)
class EffectTest(unittest.TestCase):
    def test_a_fault_without_effect_is_told(self):
        takes_effect_anyway = {"kill", "kill while stopped", "clock while down", "terminate"}
        for kind in set(faults.FAULTS) - takes_effect_anyway:
            with self.subTest(kind), self.assertRaises(AssertionError):
                faults.FAULTS[kind](BrokenWorld())

    def test_a_failing_fsync_must_end_the_daemon_with_a_status_of_its_own(self):
        for code, failed, is_well in ((1, 1, True), (0, 1, False), (-9, 1, False), (1, 0, False)):
            world = BrokenWorld()
            world.daemon.wait.return_value = code
            world.disk.failed_fsyncs.side_effect = [0, failed]
            with self.subTest(code=code, failed=failed):
                with contextlib.nullcontext() if is_well else self.assertRaises(AssertionError):
                    faults.failing_fsync(world)

    def test_sigterm_must_end_it_with_success(self):
        for code in (0, 1, -15):
            world = BrokenWorld()
            world.daemon.terminate.return_value = code
            with contextlib.nullcontext() if code == 0 else self.assertRaises(AssertionError):
                faults.terminate(world)


class DeckTest(unittest.TestCase):
    def test_twenty_cycles_have_each_kind(self):
        for seed in range(50):
            drawn = faults.deck(random.Random(seed), 20)
            self.assertEqual(20, len(drawn))
            self.assertEqual(set(faults.FAULTS), set(drawn))


if __name__ == "__main__":
    unittest.main()
