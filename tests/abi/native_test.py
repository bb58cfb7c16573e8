# SPDX-License-Identifier: BSD-2-Clause
"""Each object goes to the library that made it: ours to us, a native library's to that library."""
import os
import unittest

import doors

MOCK = os.path.join(doors.PROGRAMS, "libabi_mock_device.so")
MOCK_CM = os.path.join(doors.PROGRAMS, "libabi_mock_cm.so")
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

    def connections(self, what):
        result = doors.by_launcher([doors.program("both_cm"), what], native_ibverbs=MOCK, native_rdmacm=MOCK_CM,
                                   device="vb_lo")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertTrue(result.stdout.endswith("all right\n"), result.stdout)
        return result.stdout.splitlines()

    def test_one_channel_has_the_events_of_both_kinds(self):
        lines = self.connections("channel")
        self.assertEqual(lines.count("native rdma_listen 5"), 1)
        # Set before there was an address.
        self.assertEqual(lines.count("native rdma_set_option 0 1 1"), 1)

    def test_calls_without_a_channel_wait_for_events_of_both_kinds(self):
        self.assertEqual(self.connections("endpoints").count("native rdma_listen 0"), 1)

    def test_an_address_says_whose_an_identifier_is(self):
        lines = self.connections("addresses")
        self.assertIn("native rdma_set_option 0 0 7", lines)
        self.assertEqual([line.split()[2] for line in lines if line.startswith("native rdma_bind_addr")],
                         ["192.0.2.1", "0.0.0.0", "0.0.0.0", "198.51.100.1"])

    def test_open_devices_of_both_kinds_are_listed(self):
        self.assertEqual(self.connections("devices").count("native rdma_free_devices"), 1)

    def test_a_native_library_that_cannot_be_opened_leaves_ours(self):
        lines, messages = self.output(native_ibverbs="/nonexistent/libibverbs.so.1")
        self.assertIn("count 1", lines)
        self.assertIn("/nonexistent/libibverbs.so.1", messages)


unittest.main(verbosity=2)
