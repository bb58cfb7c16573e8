# SPDX-License-Identifier: BSD-2-Clause
"""A thread that waits for an event can be cancelled, and what it waited on can then be destroyed."""
import sys
import unittest

import doors


class Cancel(unittest.TestCase):
    def test_waiting_threads_end_by_cancellation(self):
        result = doors.by_launcher(["--device", "vb_lo", doors.program("cancel")])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.splitlines(), ["completion cancelled", "event cancelled", "destroy 0", "close 0"])


if doors.SANITIZER:
    sys.exit(doors.SKIPPED)  # their interceptors stand between pthread_cancel and the call
unittest.main(verbosity=2)
