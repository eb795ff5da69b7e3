"""The tour in README.md, run as it is written."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from daemon import WEBHOOKD, bare_environment
from polling import PATIENCE, eventually

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def tours(text):
    """What stands between the marks, each as the script its ```sh blocks make."""
    parts = re.findall(r"<!-- tour -->(.*?)<!-- /tour -->", text, re.DOTALL)
    return [
        "\n".join(re.findall(r"^```sh\n(.*?)^```$", part, re.DOTALL | re.MULTILINE))
        for part in parts
    ]


def end_group(process):
    """What a tour left running in the background ends with it: politely, or after five seconds."""

    def gone():
        try:
            os.killpg(process.pid, 0)
            return False
        except ProcessLookupError:
            return True

    try:
        os.killpg(process.pid, signal.SIGTERM)
        eventually(gone, "the tour's processes end", timeout=5)
    except ProcessLookupError:
        pass
    except AssertionError:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10 * PATIENCE)


class ReadmeTourTest(unittest.TestCase):
    def test_the_blocks_are_found(self):
        text = "x\n```sh\nno\n```\n<!-- tour -->\n```sh\na\n```\ntext\n"
        text += "```json\nno\n```\n```sh\nb\nc\n```\n<!-- /tour -->\n"
        self.assertEqual(["a\n\nb\nc\n"], tours(text))

    def test_the_tour_runs_as_it_is_written(self):
        scripts = tours(README.read_text())
        self.assertEqual(1, len(scripts), "README.md has one tour")
        self.assertIn("webhookctl", scripts[0])
        with tempfile.TemporaryDirectory(prefix="webhookd-tour-") as home:
            output = self.run_script(scripts[0], home)
        self.assertIn("succeeded", output)

    def run_script(self, script, home):
        runtime = pathlib.Path(home) / "run"
        runtime.mkdir(mode=0o700)
        environment = bare_environment(
            home,
            XDG_RUNTIME_DIR=str(runtime),
            XDG_STATE_HOME=f"{home}/state",
            XDG_CONFIG_HOME=f"{home}/config",
            # Nobody's daemon on the usual port or socket is in the way, or spoken to.
            WEBHOOKD_LISTEN="127.0.0.1:0",
            WEBHOOKCTL_SOCKET=f"{runtime}/webhookd/webhookd.sock",
        )
        environment["PATH"] = f"{pathlib.Path(WEBHOOKD).parent}:{environment['PATH']}"
        with open(f"{home}/output", "w+") as output:
            process = subprocess.Popen(
                ["bash", "-e", "-c", script],
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code = process.wait(90 * PATIENCE)
            finally:
                end_group(process)
            text = pathlib.Path(output.name).read_text()
        self.assertEqual(0, code, text)
        return text


if __name__ == "__main__":
    unittest.main()
