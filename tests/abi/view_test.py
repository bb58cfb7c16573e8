# SPDX-License-Identifier: BSD-2-Clause
"""What the launcher shows a program of its devices in sysfs and /dev, by the ways that programs look there."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import doors

DEVICE = "/sys/class/infiniband/vb_lo"


def shell(script, **options):
    result = doors.by_launcher(["--device", "vb_lo", "--", "sh", "-c", script], **options)
    return result.stdout, result.stderr


def python(expression):
    command = ["/usr/bin/python3", "-c", f"import os, stat\nprint({expression})"]
    return doors.by_launcher(["--device", "vb_lo", "--", *command]).stdout.strip()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class View(unittest.TestCase):
    def shows(self, script, wanted):
        out, err = shell(script)
        self.assertEqual((out, err), (wanted + "\n", ""))

    def test_the_device_is_listed_and_has_a_port(self):
        self.assertIn("vb_lo", shell("ls /sys/class/infiniband")[0].split())
        self.assertIn("vb_lo", python("os.listdir('/sys/class/infiniband/')"))
        self.shows(f"cat {DEVICE}/ports/1/state", "4: ACTIVE")
        self.shows(f"cat {DEVICE}/ports/1/link_layer", "Ethernet")
        self.shows(f"cat {DEVICE}/ports/1/pkeys/0", "0xffff")

    def test_it_says_what_the_verbs_say(self):
        out, _ = shell(f"ibv_devinfo -v -d vb_lo; cat {DEVICE}/node_guid {DEVICE}/board_id {DEVICE}/fw_ver")
        devinfo, (guid, board, firmware) = out, out.splitlines()[-3:]
        self.assertRegex(devinfo, rf"node_guid:\s+{guid}\n")
        self.assertRegex(devinfo, rf"board_id:\s+{re.escape(board)}\n")
        self.assertRegex(devinfo, rf"fw_ver:\s+{re.escape(firmware)}\n")

    def test_each_gid_has_its_type_and_interface(self):
        self.shows(f"cat {DEVICE}/ports/1/gids/1", "0000:0000:0000:0000:0000:ffff:7f00:0001")
        types = shell(f"cd {DEVICE}/ports/1/gid_attrs && grep -r . types ndevs | sort")[0].splitlines()
        self.assertTrue({"types/0:RoCE v2", "types/1:RoCE v2", "ndevs/0:lo", "ndevs/1:lo"} <= set(types), types)
        self.assertEqual(sum("types" in row for row in types), sum("ndevs" in row for row in types))

    def test_it_leads_to_the_interface(self):
        self.shows(f"ls {DEVICE}/device/net/", "lo")
        self.shows(f"cat {DEVICE}/device/net/lo/ifindex", "1")
        self.shows(f"readlink {DEVICE}/device/net/lo", "/sys/class/net/lo")

    def test_paths_resolve_to_themselves(self):
        self.shows(f"realpath {DEVICE}/ports/../device", f"{DEVICE}/device")
        self.assertEqual(python(f"os.path.realpath('{DEVICE}')"), DEVICE)

    def test_the_device_node_is_a_character_device_that_reads_and_writes(self):
        name = shell("ls /dev/infiniband")[0].split()
        node = "/dev/infiniband/" + next(each for each in name if re.fullmatch(r"uverbs\d{4,}", each))
        self.shows(f"stat -c %F {node}", "character special file")
        self.shows(f"cat {DEVICE.replace('infiniband/vb_lo', 'infiniband_verbs/' + os.path.basename(node))}/ibdev", "vb_lo")
        for question in (f"stat.S_ISCHR(os.lstat('{node}').st_mode)", f"os.access('{node}', os.R_OK | os.W_OK)",
                         f"os.path.realpath('{node}') == '{node}'", f"not os.path.islink('{node}')",
                         f"os.read(os.open('{node}', os.O_RDWR), 1) == b''"):
            self.assertEqual(python(question), "True", question)
        out, err = shell("ls -la /dev/infiniband/ " + DEVICE)
        self.assertEqual(err, "")
        self.assertRegex(out, r"crw.* " + os.path.basename(node))

    def test_libfabric_does_not_read_the_kernels_symbols_for_devices_that_are_not_there(self):
        def found_by(library):
            path = os.path.join(os.environ["VERBATIM_TEST_PROGRAMS"], library + ".so.test")
            return python(f"__import__('ctypes').CDLL('{path}').finds_kernel_symbols()")

        native = any(name.startswith("uverbs") for name in os.listdir("/sys/class/infiniband_verbs")
                     ) if os.path.isdir("/sys/class/infiniband_verbs") else False
        self.assertEqual(found_by("libother"), str(int(os.path.exists("/proc/kallsyms"))))
        self.assertEqual(found_by("libfabric"), str(int(native and os.path.exists("/proc/kallsyms"))))

    def test_what_is_not_there_is_not_there(self):
        for path in (f"{DEVICE}/nothing", "/sys/class/infiniband/vb_nothing", "/sys/class/infinibands"):
            out, err = shell(f"cat {path}")
            self.assertEqual(out, "")
            self.assertIn("No such file or directory", err)

    def test_all_other_paths_are_the_systems(self):
        for path in ("/sys/class/net/lo/ifindex", "/dev/null", "/etc/passwd", "/proc/version"):
            script = f"stat -L -c '%d %i %F' {path}; cat {path} | wc -c"
            self.assertEqual(shell(script)[0], subprocess.run(["sh", "-c", script], capture_output=True, text=True,
                                                              check=True).stdout, path)

    def test_files_are_made_with_the_mode_that_was_asked_for(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "made")
            python(f"os.close(os.open('{path}', os.O_CREAT | os.O_WRONLY, 0o640))")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o640 & ~_umask())

    def test_rdma_link_lists_the_device(self):
        self.assertIn("link vb_lo/1 state ACTIVE physical_state LINK_UP netdev lo", shell("rdma link")[0].splitlines())
        for command in ("rdma link show -j", "rdma -j link"):
            links = {each["ifname"]: each for each in json.loads(shell(command)[0])}
            self.assertEqual((links["vb_lo"]["netdev"], links["vb_lo"]["port"]), ("lo", 1))

    def test_rdma_leaves_all_else_to_the_system(self):
        system = subprocess.run(["rdma", "help"], capture_output=True, text=True, check=False)
        self.assertEqual(shell("rdma help"), (system.stdout, system.stderr))

    def test_two_launchers_share_one_view(self):
        self.assertEqual(shell("echo $VERBATIM_VIEW"), shell("echo $VERBATIM_VIEW"))

    def test_a_preload_by_hand_has_no_view(self):
        by_hand = doors.by_hand(["sh", "-c", f"test -e {DEVICE} || echo none"], device="vb_lo")
        self.assertEqual(by_hand.stdout, "none\n")


unittest.main(verbosity=2)
