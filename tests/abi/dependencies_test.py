# SPDX-License-Identifier: BSD-2-Clause
"""The libraries need nothing that a program may not have, or may have in another version."""
import os
import re
import subprocess
import sys
import unittest

import doors

OLDEST_GLIBC = (2, 34)
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

    def test_the_oldest_c_library_that_loads_them(self):
        """docs/abi.md states it. Built on an older system they need less."""
        libraries = ["libverbatim.so.0", "libverbatim_view.so", "rsocket/librspreload.so", *doors.DOORS]
        for library in libraries:
            with self.subTest(library):
                path = os.path.join(doors.LIBDIR, library)
                text = subprocess.run(["readelf", "-VW", path], check=True, capture_output=True, text=True).stdout
                versions = [tuple(map(int, found.split("."))) for found in re.findall(r"Name: GLIBC_([\d.]+)", text)]
                self.assertLessEqual(max(versions, default=(0,)), OLDEST_GLIBC)

    def test_the_libraries_stay_when_they_are_closed(self):
        for library in ("libverbatim.so.0", *doors.DOORS):
            self.assertIn("NODELETE", dynamic(library))

    def test_unversioned_names_lead_to_the_doors(self):
        for name in ("libibverbs.so", "librdmacm.so"):
            self.assertEqual(os.readlink(os.path.join(doors.LIBDIR, name)), name + ".1")


if doors.SANITIZER:
    sys.exit(doors.SKIPPED)
unittest.main(verbosity=2)
