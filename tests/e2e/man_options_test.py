"""The man pages hold every option of --help, and no other."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from daemon import WEBHOOKCTL, WEBHOOKD, bare_environment, run_webhookd
from polling import PATIENCE

MAN = pathlib.Path(__file__).resolve().parents[2] / "man"

# An option stands at the start of its line of help, after other spellings of the same at most.
HELP_LINE = re.compile(r"^ +((?:-\w|--[\w-]+)(?:,\s*(?:-\w|--[\w-]+))*)")


def help_options(text):
    """Long options that --help lists, and short ones without a long name."""
    found = set()
    for line in text.splitlines():
        if match := HELP_LINE.match(line):
            spellings = re.split(r",\s*", match[1])
            found.update([s for s in spellings if s.startswith("--")] or spellings)
    return found


def page_options(text):
    """Options that an mdoc page names with `Fl Fl`, in the text and in its macros' arguments."""
    return {f"--{name}" for name in re.findall(r"\bFl Fl ([\w-]*\w)", text)}


def section(page, title):
    """The part of a page under `.Sh title`."""
    match = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


def ctl_help(*command):
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [WEBHOOKCTL, *command, "--help"],
            capture_output=True,
            text=True,
            timeout=30 * PATIENCE,
            env=bare_environment(home),
        )
    assert done.returncode == 0, done
    return done.stdout


def subcommands(text):
    """The commands that a --help lists."""
    match = re.search(r"^Subcommands:\n((?: .*\n?)+)", text, re.MULTILINE)
    return re.findall(r"^  ([\w-]+)", match[1], re.MULTILINE) if match else []


def all_helps(*command):
    """(command, help) of the program and everything below it."""
    text = ctl_help(*command)
    yield command, text
    for name in subcommands(text):
        yield from all_helps(*command, name)


class ParserTest(unittest.TestCase):
    def test_options_of_a_help_text_are_found(self):
        text = "Usage: x [OPTIONS]\n\n  -h,--help           Print\n"
        text += "  --state-dir DIR     Where --not is\n  -y,--yes  \n  PLAIN x\n  -1   One\n"
        self.assertEqual({"--help", "--state-dir", "--yes", "-1"}, help_options(text))

    def test_options_of_a_page_are_found(self):
        text = ".Op Fl Fl state-dir Ar DIR\n.It Fl h , Fl Fl help\nas \\fB--no\\fR\n.Fl Fl dev ,\n"
        self.assertEqual({"--state-dir", "--help", "--dev"}, page_options(text))


class DaemonPageTest(unittest.TestCase):
    def setUp(self):
        self.page = (MAN / "webhookd.8").read_text()
        self.help = help_options(run_webhookd("--help").out)

    def test_every_option_is_on_the_page_and_no_other(self):
        self.assertGreater(len(self.help), 10)
        self.assertEqual(self.help, page_options(section(self.page, "OPTIONS")))
        self.assertLessEqual(page_options(self.page), self.help)

    def test_every_option_is_in_the_synopsis(self):
        self.assertEqual(
            self.help - {"--help", "--version"},
            page_options(section(self.page, "SYNOPSIS")) - {"--help", "--version"},
        )

    def test_every_key_of_the_configuration_is_an_option_and_the_other_way_round(self):
        page = (MAN / "webhookd.conf.5").read_text()
        lines = re.findall(r"^\.It Ic (.*)$", page, re.MULTILINE)
        keys = {
            name.replace("_", "-") for line in lines for name in re.findall(r"[a-z][a-z_]+", line)
        }
        self.assertEqual(
            {o[2:] for o in self.help} - {"help", "version", "config", "check-config"}, keys
        )


class ClientPageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = (MAN / "webhookctl.1").read_text()
        cls.helps = dict(all_helps())

    def test_every_option_of_every_command_is_on_the_page_and_no_other(self):
        options = set().union(*map(help_options, self.helps.values()))
        self.assertGreater(len(options), 20)
        self.assertEqual(options, page_options(self.page))

    def test_every_command_is_on_the_page(self):
        for command in self.helps:
            if command:
                self.assertRegex(
                    self.page,
                    rf"(?m)^\.(It|Ss|Nm|Op|Ic|Cm).*\b{re.escape(' '.join(command))}\b",
                    command,
                )

    def test_every_exit_status_of_the_contract_that_there_is_has_its_line(self):
        text = section(self.page, "EXIT STATUS")
        for status in ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "130"):
            self.assertRegex(text, rf"(?m)^\.It {status}\b", status)


class PagesTest(unittest.TestCase):
    pages = ("webhookctl.1", "webhookd.8", "webhookd.conf.5")

    def test_mandoc_has_nothing_to_say(self):
        for name in self.pages:
            done = subprocess.run(
                ["mandoc", "-T", "lint", "-W", "warning", MAN / name],
                capture_output=True,
                text=True,
                timeout=30 * PATIENCE,
            )
            self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))

    def test_each_has_the_sections_that_people_look_for(self):
        for name in self.pages:
            page = (MAN / name).read_text()
            for title in ("NAME", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"):
                self.assertTrue(section(page, title).strip(), f"{name}: {title}")


if __name__ == "__main__":
    unittest.main()
