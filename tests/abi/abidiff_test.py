# SPDX-License-Identifier: BSD-2-Clause
"""abidiff finds nothing removed and nothing changed against the system's libraries. Functions' types are compared when
the engine is compiled: every entry point is declared as the system's header has it (ibverbs_native.h)."""
import os
import shutil
import subprocess
import sys
import unittest

import doors

# Bits of its exit status: abidiff(1).
USAGE, CHANGE, INCOMPATIBLE = 1 | 2, 4, 8


def abidiff(before, after):
    return subprocess.run(["abidiff", "--no-added-syms", before, after], capture_output=True, text=True, timeout=60)


class Abidiff(unittest.TestCase):
    def test_nothing_is_removed_or_changed(self):
        for door in doors.DOORS:
            with self.subTest(door):
                result = abidiff(os.path.join(doors.SYSTEM_LIBDIR, door), os.path.join(doors.LIBDIR, door))
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_it_would_find_what_is_missing(self):
        """Without the newest release's node the way back shows symbols removed."""
        for door in doors.DOORS:
            with self.subTest(door):
                result = abidiff(os.path.join(doors.LIBDIR, door), os.path.join(doors.SYSTEM_LIBDIR, door))
                self.assertEqual(result.returncode & USAGE, 0, result.stderr)
                self.assertEqual(result.returncode & (CHANGE | INCOMPATIBLE), CHANGE | INCOMPATIBLE, result.stdout)


if not shutil.which("abidiff"):
    print("abidiff (abigail-tools) is not installed")
    sys.exit(doors.SKIPPED)
unittest.main(verbosity=2)
