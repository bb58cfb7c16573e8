# SPDX-License-Identifier: BSD-2-Clause
"""The launcher, a preload by hand and relinking each reach us, by every way a program may take to libibverbs."""
import os
import unittest

import doors

WAYS = ("needed", "dlopen", "dlopen.1", "dlvsym-1.1", "dlvsym-1.0")


class Loading(unittest.TestCase):
    def check(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [line.split(" ", 1) for line in result.stdout.splitlines()]
        reached = {way: os.path.realpath(path) for way, path in lines if way != "device"}
        ours = os.path.realpath(os.path.join(doors.LIBDIR, "libibverbs.so.1"))
        self.assertEqual(reached, {way: ours for way in WAYS})
        self.assertIn(["device", "vb_lo"], lines)

    def test_the_launcher(self):
        self.check(doors.by_launcher(["--device", "vb_lo", "--", doors.program("loader")]))

    def test_a_preload_by_hand(self):
        self.check(doors.by_hand([doors.program("loader")], device="vb_lo"))

    @unittest.skipIf(doors.SANITIZER, "a sanitizer's dlopen does not look at the program's own path")
    def test_relinking(self):
        self.check(doors.run([doors.program("relinked")], doors.environment(device="vb_lo")))

    def test_the_launcher_keeps_what_was_preloaded(self):
        variables = dict(doors.environment(), LD_PRELOAD="/dev/null/nothing.so")
        result = doors.run([doors.LAUNCHER, "env"], variables)
        preload = result.stdout.splitlines()[0]
        self.assertIn("/dev/null/nothing.so:", preload)
        self.assertIn(os.path.join(doors.LIBDIR, "librdmacm.so.1"), preload)

    def test_the_launcher_exits_as_the_program_does(self):
        self.assertEqual(doors.by_launcher(["sh", "-c", "exit 7"]).returncode, 7)
        missing = doors.by_launcher(["no-such-program"])
        self.assertEqual(missing.returncode, 127)
        self.assertIn("no-such-program", missing.stderr)


unittest.main(verbosity=2)
