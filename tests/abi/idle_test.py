# SPDX-License-Identifier: BSD-2-Clause
"""A program that never uses verbs gets no thread, no libfabric and no second libibverbs from a preload; and one that only
looks at the devices no libfabric, which may be the one that asks."""
import os
import sys
import unittest

import doors


class Idle(unittest.TestCase):
    def test_a_preload_alone_starts_nothing(self):
        output = doors.by_hand([doors.program("idle")]).stdout
        self.assertIn("Threads:\t1\n", output)
        self.assertNotIn("libfabric", output)
        mapped = {line.split()[-1] for line in output.splitlines() if "libibverbs" in line}
        self.assertEqual(mapped, {os.path.realpath(os.path.join(doors.LIBDIR, "libibverbs.so.1"))})

    def test_listing_opening_and_querying_do_without_libfabric(self):
        result = doors.by_hand([doors.program("idle"), "query"], device="vb_lo")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("port 4\n", result.stdout)
        self.assertNotIn("libfabric", result.stdout)


if "thread" in os.path.basename(doors.SANITIZER) or "tsan" in doors.SANITIZER:
    sys.exit(doors.SKIPPED)  # its runtime has a thread of its own
unittest.main(verbosity=2)
