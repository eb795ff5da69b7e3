"""What is done to a daemon under load. Each fault sees to it that it takes effect: AssertionError
when it does not, or when the daemon does not bear it as the contract says."""

import time

from api_client import BASE
from polling import PATIENCE, eventually

DRAIN = 5.0  # seconds, as the daemon is told
JUMPS = (7, 40, 3600, 5 * 3600, 24 * 3600)  # seconds; 5 are the least that the daemon cares about


def kill(world):
    """kill -9 at a random moment."""
    world.kill()


def kill_in_recovery(world):
    """kill -9, and once more in the midst of the recovery."""
    world.kill()
    for _ in range(20):
        world.daemon.spawn()
        time.sleep(world.random.uniform(0.0, 0.08) * PATIENCE)
        assert world.daemon.is_running(), f"no start: {world.daemon.stderr()}"
        was_ready = "ready\n" in world.daemon.stderr()
        world.kill()
        if not was_ready:
            return
    raise AssertionError("it was ready each time before it could be killed")


def stop(world):
    """SIGSTOP for a moment, then SIGCONT."""
    world.stop()
    time.sleep(world.random.uniform(0.1, 0.8))
    world.resume()
    accepts_again(world)


def kill_while_stopped(world):
    """SIGSTOP, then kill -9."""
    world.stop()
    time.sleep(world.random.uniform(0.0, 0.5))
    world.kill()


def terminate(world):
    """SIGTERM: all that is under way ends within the drain time."""
    began = time.monotonic()
    code = world.daemon.terminate()
    took = time.monotonic() - began
    assert code == 0, f"SIGTERM: it ended with {code}: {world.daemon.stderr()}"
    assert took < (DRAIN + 5) * PATIENCE, f"SIGTERM: it ended after {took:.1f} s"


def full_disk(world):
    """No file can grow any more: publishing is refused, reading goes on, and publishing comes back
    by itself once there is space."""
    before = world.disk.refused_growth()
    with world.disk_that(world.disk.GROWS_NOT):
        refuses(world)
        reads_go_on(world)
        time.sleep(world.random.uniform(0.0, 0.5))
        reads_go_on(world)
    assert world.disk.refused_growth() > before, "no write was told that there is no space"
    accepts_again(world)


def low_space(world):
    """Less is free than is kept for results: the same, and all that was accepted is delivered."""
    with world.disk_that(world.disk.LITTLE_IS_FREE):
        refuses(world)
        reads_go_on(world)
        world.wait_for_backlog()
    accepts_again(world)


def failing_fsync(world):
    """What cannot be made durable is not acknowledged, and the daemon ends."""
    before = world.disk.failed_fsyncs()
    with world.disk_that(world.disk.FSYNC_FAILS):
        world.ledger.forbid_acceptance(True)
        code = world.daemon.wait(20.0)
        world.ledger.forbid_acceptance(False)
    assert world.disk.failed_fsyncs() > before, f"no fsync failed: {world.daemon.stderr()}"
    assert code > 0, f"every fsync failed, and it ended with {code}: {world.daemon.stderr()}"


def clock_forward(world):
    set_clock(world, 1)


def clock_back(world):
    set_clock(world, -1)


def set_clock(world, direction):
    loops = len(world.daemon.api.request("GET", "/api/v1/admin/status").json()["loops"])
    noticed = world.daemon.stderr().count("the clock was set")
    world.set_clock(direction * world.random.choice(JUMPS))
    eventually(
        lambda: world.daemon.stderr().count("the clock was set") >= noticed + loops,
        "every loop notices that the clock was set",
    )
    accepts_again(world)


def clock_while_down(world):
    """The clock is set between a crash and the next start."""
    world.kill()
    world.set_clock(world.random.choice((-1, 1)) * world.random.choice(JUMPS))


def rotate(world):
    """New secrets under load, with a grace period for the old ones and without."""
    for name in world.random.sample(sorted(world.endpoints.ids), 4):
        world.endpoints.rotate(world.daemon.api, name, world.random.choice((0, 3600)))
    accepts_again(world)


def pause(world):
    """A webhook that is paused gets nothing, also after a crash, and all of it when resumed."""
    name = world.random.choice(sorted(world.endpoints.ids))
    quiet_since = world.endpoints.pause(world.daemon.api, name)
    if world.random.random() < 0.5:
        time.sleep(world.random.uniform(0.0, 0.3))
        world.kill()
        world.start()
        world.let_publish()
    time.sleep(max(0.0, quiet_since - time.monotonic()) + 0.4)
    accepts_again(world)
    world.endpoints.resume(world.daemon.api, name, quiet_since)


# The order in which each is taken is that of the shuffled deck.
FAULTS = {
    "kill": kill,
    "kill in recovery": kill_in_recovery,
    "stop": stop,
    "kill while stopped": kill_while_stopped,
    "terminate": terminate,
    "full disk": full_disk,
    "low space": low_space,
    "failing fsync": failing_fsync,
    "clock forward": clock_forward,
    "clock back": clock_back,
    "clock while down": clock_while_down,
    "rotate": rotate,
    "pause": pause,
}


def deck(random, cycles):
    """The faults of a run: each kind as often as any other, as far as that can be."""
    drawn = []
    while len(drawn) < cycles:
        kinds = list(FAULTS)
        random.shuffle(kinds)
        drawn += kinds
    return drawn[:cycles]


# ---- what a daemon must do meanwhile


def accepts_again(world):
    ledger = world.ledger
    before = ledger.acknowledged
    eventually(
        lambda: ledger.acknowledged > before or not world.daemon.is_running(), "a publication"
    )
    assert world.daemon.is_running(), f"it has ended: {world.daemon.stderr()}"


def refuses(world):
    ledger = world.ledger
    before = ledger.refused
    eventually(lambda: ledger.refused > before, "a publication is answered 503")


def reads_go_on(world):
    for path in (f"{BASE}/", "/api/v1/admin/deliveries?per_page=5"):
        answer = world.daemon.api.request("GET", path)
        assert answer.status == 200, f"GET {path}: {answer}"
