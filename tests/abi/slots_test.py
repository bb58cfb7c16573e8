# SPDX-License-Identifier: BSD-2-Clause
"""The tables that programs call through are full, and what is unsupported fails with EOPNOTSUPP and says so once."""
import errno
import unittest

import doors


class Slots(unittest.TestCase):
    def test_no_slot_is_empty_and_unsupported_ones_fail(self):
        result = doors.by_launcher(["--device", "vb_lo", doors.program("slots")])
        self.assertEqual(result.returncode, 0, result.stderr)
        unsupported = f"(nil) {errno.EOPNOTSUPP}"
        self.assertEqual(result.stdout.splitlines(), ["ops 0", "newer 0", "before priv 0", "after priv 0",
                                                      "older 0", f"esp {unsupported}", "close 0"])
        self.assertEqual(result.stderr.count("verbs_context.create_flow_action_esp is not supported (EOPNOTSUPP)"), 1)


unittest.main(verbosity=2)
