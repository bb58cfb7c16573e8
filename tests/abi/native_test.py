# SPDX-License-Identifier: BSD-2-Clause
"""Each object goes to the library that made it: ours to us, a native library's to that library."""
import os
import unittest

import doors

MOCK = os.path.join(doors.PROGRAMS, "libabi_mock_device.so")
OF_MOCK = ["device mock0 guid 1234", "native ibv_open_device mock0", "pd of this device", "dealloc 0", "close 0"]


class Native(unittest.TestCase):
    def output(self, *arguments, **options):
        options = {"native_ibverbs": MOCK, "device": "vb_lo", **options}
        result = doors.by_launcher([doors.program("dispatch"), *arguments], **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines(), result.stderr

    def test_native_devices_follow_ours(self):
        lines, _ = self.output()
        self.assertIn("count 2", lines)
        ours = [line for line in lines if line.startswith("device vb_lo")]
        self.assertEqual(len(ours), 1)
        after = lines[lines.index(ours[0]) + 1:]
        self.assertEqual(after[:3], ["pd of this device", "dealloc 0", "close 0"])
        self.assertEqual(after[3:], OF_MOCK + ["native ibv_free_device_list"])

    def test_only_native_devices_are_shown_when_asked(self):
        lines, _ = self.output(native="only")
        self.assertEqual(lines, ["native ibv_fork_init", "fork 0", "native ibv_get_device_list", "count 1"] + OF_MOCK +
                         ["native ibv_free_device_list"])

    def test_no_native_library_is_opened_when_off(self):
        lines, _ = self.output(native="off")
        self.assertEqual([line for line in lines if "native" in line or "mock" in line], [])
        self.assertIn("count 1", lines)

    def test_private_symbols_keep_their_arguments(self):
        lines, _ = self.output("private")
        self.assertEqual(lines.count("sum 87654321"), 2)
        self.assertEqual(lines.count("native log 5: 1 2.25 three 4.5 5 6"), 2)
        self.assertIn("allow 1", lines)

    def test_a_missing_private_symbol_is_named_once_and_fails(self):
        lines, messages = self.output("private")
        self.assertEqual(lines.count("absent 95"), 2)
        self.assertEqual(messages.count("ibv_cmd_dereg_mr@IBVERBS_PRIVATE_34 is not there"), 1)

    def test_one_program_uses_both_kinds_of_device_at_once(self):
        result = doors.by_launcher([doors.program("both")], native_ibverbs=MOCK, device="vb_lo")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("vb_lo completed 20\nmock0 completed 20\n", result.stdout)
        self.assertEqual(result.stdout.count("native ibv_ack_cq_events 1"), 20)
        self.assertEqual(result.stdout.count("native ibv_ack_async_event"), 1)

    def test_a_native_library_that_cannot_be_opened_leaves_ours(self):
        lines, messages = self.output(native_ibverbs="/nonexistent/libibverbs.so.1")
        self.assertIn("count 1", lines)
        self.assertIn("/nonexistent/libibverbs.so.1", messages)


unittest.main(verbosity=2)
