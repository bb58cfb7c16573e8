# SPDX-License-Identifier: BSD-2-Clause
"""The libraries need nothing that a program may not have, or may have in another version."""
import os
import re
import subprocess
import sys
import unittest

import doors

BASE = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}


def dynamic(library):
    path = os.path.join(doors.LIBDIR, library)
    return subprocess.run(["readelf", "-dW", path], check=True, capture_output=True, text=True).stdout


def needed(library):
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic(library)))


class Dependencies(unittest.TestCase):
    def test_the_engine_needs_the_c_library_only(self):
        self.assertEqual(needed("libverbatim.so.0") - BASE, set())

    def test_the_doors_need_the_engine_beside_them(self):
        for door in doors.DOORS:
            with self.subTest(door):
                self.assertEqual(needed(door) - BASE, {"libverbatim.so.0"})
                self.assertIn("[$ORIGIN]", dynamic(door))
                self.assertIn(f"soname: [{door}]", dynamic(door))

    def test_unversioned_names_lead_to_the_doors(self):
        for name in ("libibverbs.so", "librdmacm.so"):
            self.assertEqual(os.readlink(os.path.join(doors.LIBDIR, name)), name + ".1")


if doors.SANITIZER:
    sys.exit(doors.SKIPPED)
unittest.main(verbosity=2)
