"""What is preloaded into a daemon: a wall clock that can be set, and a disk that can fail."""

import mmap
import os
import pathlib
import struct
import tempfile

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "release"
SET_CLOCK = os.environ.get("SET_CLOCK", str(BUILD / "tests" / "e2e" / "libset_clock.so"))
DISK_FAULTS = os.environ.get("DISK_FAULTS", str(BUILD / "tests" / "torture" / "libdisk_faults.so"))

# A sanitizer's runtime wants to be the first library of its process.
SANITIZER_RUNTIME = os.environ.get("SANITIZER_RUNTIME", "")


def preloading(*libraries):
    """The environment that brings them into a daemon."""
    for library in libraries:
        if not os.path.exists(library):
            raise FileNotFoundError(f"{library}: build it first")  # ld.so would only warn
    return {"LD_PRELOAD": ":".join(filter(None, (SANITIZER_RUNTIME, *libraries)))}


class Shared:
    """A few numbers in a file that the library maps, too."""

    def __init__(self, count):
        with tempfile.NamedTemporaryFile(prefix="webhookd-preload-", delete=False) as file:
            self.path = file.name
            file.write(bytes(8 * count))
            file.flush()
            self._memory = mmap.mmap(file.fileno(), 8 * count)

    def __getitem__(self, index):
        return struct.unpack_from("=q", self._memory, 8 * index)[0]

    def __setitem__(self, index, value):
        self._memory[8 * index : 8 * index + 8] = struct.pack("=q", value)

    def close(self):
        self._memory.close()
        os.unlink(self.path)


class Clock:
    """The wall clock of a daemon that runs with `env`; set() changes it at once."""

    def __init__(self):
        self._shared = Shared(1)
        self.env = {**preloading(SET_CLOCK), "WEBHOOKD_TEST_CLOCK": self._shared.path}

    def set(self, seconds):
        """So many seconds ahead of the true time."""
        self._shared[0] = int(seconds * 1000)

    def close(self):
        self._shared.close()


class Disk:
    """The disk of a daemon that runs with `env`, as far as it is under one folder."""

    GROWS_NOT, LITTLE_IS_FREE, FSYNC_FAILS = 1, 2, 4

    def __init__(self, folder):
        self._shared = Shared(3)
        self.env = {
            **preloading(DISK_FAULTS),
            "WEBHOOKD_TEST_DISK": self._shared.path,
            "WEBHOOKD_TEST_DISK_OF": str(folder),
        }

    def fail(self, *faults):
        """From now on just so; without faults all is well again."""
        self._shared[0] = sum(faults)

    def refused_growth(self):
        """How often a write was told that there is no space."""
        return self._shared[1]

    def failed_fsyncs(self):
        return self._shared[2]

    def close(self):
        self._shared.close()


def environment(*parts):
    """Of several of them in one daemon."""
    merged = {}
    for part in parts:
        merged.update(part.env)
    libraries = {name: None for part in parts for name in part.env["LD_PRELOAD"].split(":")}
    return {**merged, "LD_PRELOAD": ":".join(libraries)}
