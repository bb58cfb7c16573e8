# SPDX-License-Identifier: BSD-2-Clause
"""Vendor libraries and libfabric's own verbs provider bind to our door, and work beside us."""
import errno
import os
import shutil
import unittest

import doors

ASK = """
import ctypes, sys
verbs = ctypes.CDLL("libibverbs.so.1")
verbs.ibv_get_device_list.restype = ctypes.POINTER(ctypes.c_void_p)
device = verbs.ibv_get_device_list(None)[0]
supported = getattr(ctypes.CDLL(sys.argv[1]), sys.argv[2])
supported.restype = ctypes.c_bool
print(supported(ctypes.c_void_p(device)))
"""


PROBE_EFA = """
import ctypes
verbs = ctypes.CDLL("libibverbs.so.1")
verbs.ibv_get_device_list.restype = verbs.ibv_open_device.restype = ctypes.POINTER(ctypes.c_void_p)
context = verbs.ibv_open_device(ctypes.c_void_p(verbs.ibv_get_device_list(None)[0]))
attr = (ctypes.c_char * 64)()
print(ctypes.CDLL("libefa.so.1").efadv_query_device(context, attr, 64))
"""


class Vendor(unittest.TestCase):
    def test_vendor_libraries_load_and_do_not_take_our_device_for_theirs(self):
        command = ["/usr/bin/python3", "-c", ASK, "libmlx5.so.1", "mlx5dv_is_supported"]
        result = doors.by_launcher(["--device", "vb_lo", *command])
        self.assertEqual((result.returncode, result.stdout), (0, "False\n"), result.stderr)

    def test_efas_query_of_our_device_is_refused(self):
        result = doors.by_launcher(["--device", "vb_lo", "/usr/bin/python3", "-c", PROBE_EFA])
        self.assertEqual((result.returncode, result.stdout), (0, f"{errno.EOPNOTSUPP}\n"), result.stderr)

    def test_libraries_with_private_symbols_resolve_all_of_them(self):
        for library in ("libmlx5.so.1", "libmlx4.so.1", "libefa.so.1"):
            with self.subTest(library):
                load = f'import ctypes, os; ctypes.CDLL("{library}", mode=os.RTLD_NOW)'
                result = doors.by_launcher(["/usr/bin/python3", "-c", load])
                self.assertEqual(result.returncode, 0, result.stderr)

    @unittest.skipUnless(shutil.which("fi_info"), "no fi_info")
    def test_fi_info_works_under_us(self):
        for native in ("on", "off"):
            with self.subTest(native=native):
                result = doors.by_launcher(["--native", native, "fi_info", "-p", "tcp"])
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("provider: tcp", result.stdout)

    @unittest.skipUnless(os.path.exists("/usr/lib/python3/dist-packages/pyverbs"), "no pyverbs")
    def test_pyverbs_reads_the_gid_type(self):
        ask = 'import pyverbs.device as d; print(d.Context(name="vb_lo").query_gid_type(1, 1))'
        result = doors.by_launcher(["--device", "vb_lo", "/usr/bin/python3", "-c", ask])
        self.assertEqual((result.returncode, result.stdout), (0, "1\n"), result.stderr)


unittest.main(verbosity=2)
