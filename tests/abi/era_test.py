# SPDX-License-Identifier: BSD-2-Clause
"""Programs built in any era run: two processes, events, an SRQ, atomics, and queries that write nothing too much."""
import unittest

import doors

ERAS = ("10", "11", "13", "17", "20", "22", "44", "49", "59", "62", "65")
LAYOUTS = ("10", "13", "22", "44", "65")  # where work requests, tables or what is queried differ


class Era(unittest.TestCase):
    def check(self, provider, eras):
        for era in eras:
            with self.subTest(era=era):
                result = doors.by_launcher(["--device", "vb_lo", "--provider", provider, doors.program("era_" + era)])
                self.assertEqual(result.stdout, f"era {era}: all right\n", result.stderr)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_every_era_over_shm(self):
        self.check("shm", ERAS)

    def test_every_layout_over_tcp(self):
        self.check("tcp", LAYOUTS)


unittest.main(verbosity=2)
