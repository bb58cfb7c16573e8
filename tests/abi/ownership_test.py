# SPDX-License-Identifier: BSD-2-Clause
"""Every call on an object that is not ours goes to the system's library, arguments and answer untouched, at the cost of
one compare. What makes objects without naming one goes there when only real devices are wanted."""
import os
import re
import sys
import unittest

import doors

NAMES = ("ibverbs", "rdmacm")
# A door's jump, the mark's two loads and compare, the stub's jump: no call, no frame.
MOST_STEPS = {"ibv_dealloc_pd": 16, "ibv_modify_qp": 16, "rdma_disconnect": 24}


def mock(name):
    return os.path.join(doors.PROGRAMS, f"libabi_mock_{name}.so")


def ownership(name, mode, native):
    options = {f"native_{each}": mock(each) for each in NAMES}
    return doors.by_launcher(["--device", "vb_lo", doors.program("ownership"), name, mock(name), mode], native=native,
                             **options)


class Ownership(unittest.TestCase):
    def reach_the_library(self, mode, native, at_least):
        for name, least in zip(NAMES, at_least):
            with self.subTest(name):
                result = ownership(name, mode, native)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertGreaterEqual(int(re.search(r"^called (\d+)$", result.stdout, re.M)[1]), least)

    def test_calls_with_a_foreign_object_reach_the_library(self):
        self.reach_the_library("objects", "on", (450, 30))

    def test_all_calls_reach_the_library_where_only_native_devices_are_wanted(self):
        self.reach_the_library("all", "only", (450, 65))

    def test_the_way_there_is_short(self):
        for name in NAMES:
            result = ownership(name, "steps", "on")
            steps = {function: int(count) for function, count in re.findall(r"steps (\w+) (-?\d+)", result.stdout)}
            self.assertTrue(steps, result.stdout + result.stderr)
            for function, count in steps.items():
                with self.subTest(function):
                    self.assertGreater(count, 0)
                    self.assertLessEqual(count, MOST_STEPS[function])


if doors.SANITIZER:
    sys.exit(doors.SKIPPED)  # instrumented code takes more steps, and looks into what the objects are
unittest.main(verbosity=2)
