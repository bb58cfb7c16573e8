# SPDX-License-Identifier: BSD-2-Clause
"""A wrong option is refused by the launcher, and by the library at the first listing; both name what is allowed."""
import unittest

import doors

WRONG = [("port_base", "80"), ("port_base", "70000"), ("port_base", "x"), ("native", "maybe"), ("log", "loud"),
         ("device", "vb_lo,,vb_eth0")]


class Options(unittest.TestCase):
    def test_the_launcher_refuses_flags(self):
        for name, value in WRONG:
            with self.subTest(name=name, value=value):
                flag = "--" + name.replace("_", "-")
                result = doors.by_launcher([flag, value, "--", "true"])
                self.assertEqual(result.returncode, 2)
                self.assertIn(f"{flag}: VERBATIM_{name.upper()}='{value}' is not valid: it takes", result.stderr)

    def test_the_launcher_refuses_variables(self):
        result = doors.by_launcher(["true"], native="maybe")
        self.assertEqual(result.returncode, 2)
        self.assertIn("VERBATIM_NATIVE='maybe'", result.stderr)

    def test_the_library_shows_no_device_and_says_why_once(self):
        result = doors.by_hand(["ibv_devices"], port_base="80")
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stderr.count("VERBATIM_PORT_BASE='80' is not valid"), 1)
        self.assertIn("Invalid argument", result.stderr)

    def test_an_empty_variable_counts_as_not_set(self):
        self.assertEqual(doors.by_launcher(["true"], port_base="").returncode, 0)

    def test_arguments_of_the_program_are_its_own(self):
        echo = ["sh", "-c", 'echo "$VERBATIM_LOG $*"', "sh", "--log", "loud", "--", "--help"]
        for separator in ([], ["--"]):
            result = doors.by_launcher(["--log", "info", *separator, *echo])
            self.assertEqual(result.stdout, "info --log loud -- --help\n")


unittest.main(verbosity=2)
