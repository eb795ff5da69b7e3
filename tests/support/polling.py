"""Waiting for something to become true, with a bound: no test sleeps and hopes."""

import os
import time

# Sanitizer builds are several times slower; every bound grows with this.
PATIENCE = float(os.environ.get("WEBHOOKD_TEST_PATIENCE", "1"))


def eventually(probe, what, timeout=20.0, interval=0.02):
    """The first truthy result of `probe`. AssertionError that names `what` after `timeout` s."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * PATIENCE:g} s: {what}; last: {result!r}")
        time.sleep(interval)
