# SPDX-License-Identifier: BSD-2-Clause
"""The doors export what the system's libraries export: names, versions, default marks, kinds. Nothing else."""
import os
import subprocess
import unittest

import doors


def exports(path):
    """symbol@version or symbol@@version, with "function" or "data"."""
    lines = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", path], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    fields = [line.split() for line in lines]
    return {(name, "function" if kind in "Tt" else "data") for _, kind, name in fields if kind in "TtBbDdRr" and "@" in name}


class Exports(unittest.TestCase):
    def test_both_doors_export_the_systems_symbols(self):
        for door in doors.DOORS:
            with self.subTest(door):
                ours = exports(os.path.join(doors.LIBDIR, door))
                system = exports(os.path.join(doors.SYSTEM_LIBDIR, door))
                self.assertGreater(len(system), 60)
                self.assertEqual(sorted(system - ours), [], "missing")
                self.assertEqual(sorted(ours - system), [], "not in the system's")

    def test_the_engine_exports_only_its_entry_points(self):
        names = exports(os.path.join(doors.LIBDIR, "libverbatim.so.0"))
        wrong = [name for name, _ in names if not name.startswith("vb_") or not name.endswith("@@VERBATIM_PRIVATE_0")]
        self.assertEqual(wrong, [])


unittest.main(verbosity=2)
