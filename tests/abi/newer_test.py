# SPDX-License-Identifier: BSD-2-Clause
"""A program of the newest release runs: what came since the distribution's release does what it says."""
import unittest

import doors


class Newer(unittest.TestCase):
    def test_over_shm_and_tcp(self):
        for provider in ("shm", "tcp"):
            with self.subTest(provider=provider):
                result = doors.by_launcher(["--device", "vb_lo", "--provider", provider, doors.program("newer")])
                self.assertEqual((result.returncode, result.stdout), (0, "newer: all right\n"), result.stderr)

    def test_completion_counters_are_exact_for_every_mask(self):
        result = doors.by_launcher(["--device", "vb_lo", doors.program("counters")])
        self.assertEqual((result.returncode, result.stdout), (0, "63 masks\n"), result.stderr)

    def test_placement_is_logged(self):
        result = doors.by_launcher(["--device", "vb_lo", "--log", "info", doors.program("newer")])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, r"memory region at 0x\w+, length \d+, is at home on node \d+ \(CPU 0\): ")

    def test_what_vanished_from_the_headers_is_there_again(self):
        for language in ("c", "cxx"):
            with self.subTest(language=language):
                result = doors.by_launcher(["--device", "vb_lo", doors.program("vanished_" + language)])
                self.assertEqual((result.returncode, result.stdout), (0, "vanished: all right\n"), result.stderr)

    def test_the_connection_manager_and_rsockets(self):
        for provider in ("shm", "tcp"):
            with self.subTest(provider=provider):
                result = doors.by_launcher(["--device", "vb_lo", "--provider", provider, doors.program("newer_cm")])
                self.assertEqual((result.returncode, result.stdout), (0, "all right\n"), result.stderr)

    def test_ofeds_xrc(self):
        result = doors.by_launcher(["--device", "vb_lo", doors.program("ofa_xrc")])
        self.assertEqual((result.returncode, result.stdout), (0, "all right\n"), result.stderr)


unittest.main(verbosity=2)
