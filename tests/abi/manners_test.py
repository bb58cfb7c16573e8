# SPDX-License-Identifier: BSD-2-Clause
"""Good manners in somebody else's process, and what happens where something that the library uses is missing."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import doors

DEVICE = ["--device", "vb_lo"]
NOBODY = 65534
MANNERS = doors.program("manners")


def why_no_setuid():
    """The program's own rights count for nothing in some containers."""
    if os.geteuid() != 0:
        return "needs root"
    if os.statvfs(tempfile.gettempdir()).f_flag & os.ST_NOSUID:
        return "setuid is off in the temporary directory"
    with open("/proc/self/status", encoding="ascii") as status:
        return "no new privileges here" if "NoNewPrivs:\t1" in status.read() else ""


def setuid_copy(program, folder):
    """The program, belonging to nobody, with nobody's rights whoever runs it."""
    copy = os.path.join(folder, "privileged")
    shutil.copy(program, copy)
    os.chown(copy, NOBODY, -1)
    os.chmod(copy, 0o4755)
    os.chmod(folder, 0o755)
    return copy


class Ends(unittest.TestCase):
    def ends(self, mode, status, times):
        for _ in range(times):
            result = doors.by_launcher([*DEVICE, MANNERS, mode])
            self.assertEqual(result.returncode, status, result.stderr)
        return result

    def test_exit_in_a_thread(self):
        self.ends("exit-in-thread", 7, 3)

    def test_exit_in_a_handler_that_interrupts_a_call(self):
        self.ends("exit-in-handler", 8, 12)

    def test_objects_can_be_destroyed_after_exit_has_begun(self):
        self.assertEqual(self.ends("destroy-at-exit", 0, 3).stdout, "cleaned up\n")
        self.assertEqual(self.ends("destroy-in-destructor", 0, 3).stdout, "cleaned up\n")

    def test_a_library_that_is_closed_can_be_opened_again(self):
        variables = doors.environment(device="vb_lo")
        variables["LD_LIBRARY_PATH"] = doors.LIBDIR
        result = doors.run([doors.program("unload")], variables)
        self.assertEqual((result.returncode, result.stdout), (0, "used 1 device(s), 0\n" * 3), result.stderr)


class Traces(unittest.TestCase):
    def works(self, mode):
        result = doors.by_launcher([*DEVICE, MANNERS, mode])
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_environment_descriptors_handlers_and_mask_stay(self):
        self.assertEqual(self.works("no-trace").stdout, "inherited 0 more\n")

    def test_a_signal_is_the_programs_and_ends_a_wait(self):
        self.works("interrupted")

    def test_a_child_may_exec_a_program_that_uses_verbs(self):
        self.works("fork-exec")


class Privileges(unittest.TestCase):
    @unittest.skipIf(why_no_setuid(), why_no_setuid())
    def test_the_launcher_says_that_it_cannot_reach_a_setuid_program(self):
        with tempfile.TemporaryDirectory() as folder:
            program = setuid_copy("/bin/true", folder)
            result = doors.by_launcher([*DEVICE, program])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"'{program}' runs with rights of its own", result.stderr)

    @unittest.skipIf(why_no_setuid(), why_no_setuid())
    def test_a_relinked_setuid_program_takes_no_options_from_its_caller(self):
        """Or everybody could make it load a library of theirs."""
        with tempfile.TemporaryDirectory() as folder:
            program = setuid_copy(doors.program("privileged"), folder)
            options = doors.environment(native_ibverbs="/nonexistent/libibverbs.so.1", native="only", device="vb_none")
            result = subprocess.run([program], env=options, capture_output=True, text=True, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("/nonexistent", result.stderr)
            self.assertRegex(result.stdout, r"device vb_")


class Confined(unittest.TestCase):
    def confined(self, how, *command, **options):
        result = doors.by_launcher([*DEVICE, doors.program("confine"), how, *command], **options)
        if result.returncode == doors.SKIPPED:
            self.skipTest(result.stderr)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def test_without_proc_and_shared_memory_the_fabric_carries_all(self):
        result = self.confined("bare", doors.program("era_44"))
        self.assertEqual(result.stderr.count("no shared memory: /proc is not there; local peers use the fabric"), 2)

    def test_without_process_vm_large_messages_still_arrive(self):
        result = self.confined("no-vm", doors.program("newer"), provider="shm")
        self.assertEqual(result.stderr.count("process_vm_readv is forbidden (error 1): large messages are copied"), 2)

    def test_a_small_shared_memory_directory_is_named(self):
        result = self.confined("no-shm", doors.program("era_44"))
        self.assertEqual(result.stderr.count("no shared memory: /dev/shm has not enough room"), 2)


if doors.SANITIZER:
    sys.exit(doors.SKIPPED)  # their runtimes have manners of their own
unittest.main(verbosity=2)
