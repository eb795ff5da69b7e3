"""A daemon that cannot start says why, and what to do about it."""

import pathlib
import socket
import tempfile
import unittest

from daemon import run_webhookd


class StartupTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="webhookd-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)

    def run_with(self, *flags, state=None, listen="none"):
        return run_webhookd(
            "--dev",
            "--state-dir",
            state or self.home / "state",
            "--socket",
            self.home / "d.sock",
            "--listen",
            listen,
            *flags,
            home=self.home,
        )

    def refused(self, result, *words, code=None):
        """It ended with an error that holds the words, was never ready and did not crash."""
        self.assertGreater(result.code, 0, result)
        if code is not None:
            self.assertEqual(code, result.code, result)
        self.assertNotRegex(result.err, r"(?m)^ready$")
        self.assertIn("error", result.err)
        for word in words:
            self.assertIn(str(word), result.err)

    def config(self, text):
        path = self.home / "webhookd.conf"
        path.write_text(text)
        return path

    def test_a_state_directory_that_cannot_be_written(self):
        (self.home / "file").write_text("")
        for state in ("/proc/webhookd-state", self.home / "file" / "state", self.home / "file"):
            self.refused(self.run_with(state=state), state)

    def test_a_state_directory_that_was_made_read_only_stays_so(self):
        state = self.home / "state"
        state.mkdir(mode=0o555)
        self.refused(self.run_with(), state, "--state-dir", code=1)
        self.assertEqual(0o555, state.stat().st_mode & 0o7777)
        self.assertEqual([], list(state.iterdir()))

    def test_a_socket_where_none_can_be(self):
        result = run_webhookd(
            "--dev",
            "--state-dir",
            self.home / "state",
            "--socket",
            "/proc/webhookd/d.sock",
            "--listen",
            "none",
            home=self.home,
        )
        self.refused(result, "/proc/webhookd")
        result = run_webhookd(
            "--dev",
            "--state-dir",
            self.home / "state",
            "--socket",
            self.home / ("s" * 120),
            "--listen",
            "none",
            home=self.home,
        )
        self.refused(result)

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            self.refused(self.run_with(listen=address), address)

    def test_addresses_that_are_none(self):
        for address in (
            "127.0.0.1",
            "127.0.0.1:x",
            "127.0.0.1:70000",
            "nowhere.invalid:80",
            ":",
            "[::1:80",
        ):
            self.refused(self.run_with(listen=address), code=2)

    def test_what_cannot_start_is_told_by_check_config_and_by_the_start_alike(self):
        (self.home / "bad.json").write_text("{")
        for flags, word in (
            (("--listen", "foo"), "foo"),
            (("--listen", "127.0.0.1:99999"), "99999"),
            (("--listen", "0.0.0.0:1"), "--allow-plaintext"),
            (("--allow-networks", "10.0.0.0/99"), "10.0.0.0/99"),
            (("--allow-networks", "nonsense"), "--allow-networks"),
            (("--jwks", self.home / "absent.json"), "absent.json"),
            (("--jwks", self.home / "bad.json"), "bad.json"),
            (("--admin-group", "no-such-group"), "no-such-group"),
            (("--socket", self.home / ("s" * 110)), "107"),
            (("--config", self.config('allow_networks = ["zzz"]')), "zzz"),
        ):
            for mode in ((), ("--check-config",)):
                result = run_webhookd(
                    "--dev", "--state-dir", self.home / "state", *flags, *mode, home=self.home
                )
                self.refused(result, word, code=2)
                self.assertEqual("", result.out)
        self.assertEqual(
            ["bad.json", "webhookd.conf"], sorted(path.name for path in self.home.iterdir())
        )

    def test_an_empty_value_is_no_default(self):
        for flags in (
            ("--state-dir", ""),
            ("--socket", ""),
            ("--listen", ""),
            ("--config", ""),
            ("--jwks", ""),
            ("--loops", ""),
            ("--retry-schedule", ""),
            ("--retry-schedule", "1,,2"),
            ("--retry-schedule", "1,"),
            ("--allow-networks", ",10.0.0.0/8"),
        ):
            result = run_webhookd("--dev", *flags, "--check-config", home=self.home)
            self.refused(result, flags[0], "empty", code=2)
        for text in (
            "listen = []",
            'state_dir = ""',
            "retry_schedule = []",
            'retry_schedule = ["1", ""]',
            'retry_schedule = "1,,2"',
        ):
            path = self.config(text)
            self.refused(self.run_with("--config", path), "empty", code=2)

    def test_a_list_may_be_one_text_with_commas_or_several(self):
        path = self.config('retry_schedule = ["1s,2", 3]\nallow_networks = "10.0.0.0/8,fd00::/8"\n')
        result = run_webhookd("--check-config", "--config", path, home=self.home)
        self.assertEqual(0, result.code, result)

    def test_a_configuration_that_is_a_directory(self):
        self.refused(self.run_with("--config", self.home), self.home, "is a directory", code=2)

    def test_an_empty_configuration_is_one(self):
        result = run_webhookd("--check-config", "--config", "/dev/null", home=self.home)
        self.assertEqual(0, result.code, result)

    def test_a_header_prefix_that_other_headers_have(self):
        for prefix in ("webhook", "Webhook", "content"):
            self.refused(self.run_with("--header-prefix", prefix), "--header-prefix", prefix, code=2)

    def test_all_misspelt_keys_are_told_at_once_in_the_order_of_their_lines(self):
        path = self.config('lisen = "none"\nlog_level = "warn"\nadmin_grup = "a"\n')
        result = self.run_with("--config", path)
        self.refused(result, f"{path}:1: lisen", "mean listen?", f"{path}:3: admin_grup", code=2)
        self.assertLess(result.err.index("lisen"), result.err.index("admin_grup"))

    def test_a_misspelt_key_in_the_configuration_names_the_nearest(self):
        path = self.config('log_level = "warn"\nretry_shedule = [1, 2]\n')
        self.refused(
            self.run_with("--config", path), f"{path}:2", "retry_shedule", "retry_schedule", code=2
        )

    def test_a_configuration_that_is_no_toml_or_of_wrong_types(self):
        for text in (
            "= 1",
            "listen = [",
            'log_level = "loud"',
            'drain_timeout = "soon"',
            "loops = -1",
            'loops = "many"',
            "max_event_bytes = 1",
            'min_free_space = "some"',
            'min_free_space = "1PiB"',
            'retention_failed = "0s"',
            'retention_audit = "long"',
            'retry_schedule = ["x"]',
            "dev = 2",
            'dev = "true"',
            "allow_plaintext = [true]",
            "listen = true",
            "loops = 1.5",
            "[section]\nlisten = 1",
        ):
            path = self.config(text)
            self.refused(self.run_with("--config", path), code=2)
        self.refused(self.run_with("--config", self.home / "absent.conf"), "absent.conf", code=2)

    def test_check_config_judges_without_starting(self):
        path = self.config('retry_schedule = ["1s", 2]\nallow_networks = ["10.0.0.0/8"]\n')
        result = run_webhookd("--check-config", "--config", path, home=self.home)
        self.assertEqual(0, result.code, result)
        self.assertFalse((self.home / "state").exists())
        self.refused(
            run_webhookd(
                "--check-config", "--config", self.config('lisen = "none"'), home=self.home
            ),
            "listen",
            code=2,
        )

    def test_flags_that_do_not_exist_name_the_nearest(self):
        self.refused(self.run_with("--retry-shedule", "1"), "--retry-schedule", code=2)
        self.refused(self.run_with("surplus"), code=2)
        for flags in (
            ("--retry-schedule", "1,x"),
            ("--retry-schedule", ",".join(["1"] * 21)),
            ("--drain-timeout", "-1"),
            ("--log-level", "loud"),
            ("--allow-networks", "10.0.0.0/33"),
            ("--allow-networks", "banana"),
        ):
            self.refused(self.run_with(*flags), code=2)

    def test_a_key_set_that_cannot_be_read(self):
        (self.home / "jwks.json").write_text("{")
        self.refused(self.run_with("--jwks", self.home / "absent.json"), "absent.json")
        self.refused(self.run_with("--jwks", self.home / "jwks.json"), "jwks.json")

    def test_version_and_help(self):
        version = run_webhookd("--version", home=self.home)
        self.assertEqual((0, ""), (version.code, version.err))
        self.assertRegex(version.out, r"^webhookd \d+\.\d+\.\d+\n$")
        self.assertIn("--state-dir", run_webhookd("--help", home=self.home).out)


if __name__ == "__main__":
    unittest.main()
