# SPDX-License-Identifier: BSD-2-Clause
"""What `cmake --install --prefix` puts there works from there, and without the build tree's paths."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import doors

BUILD = os.environ["VERBATIM_TEST_BUILD"]
LIBRARIES = ("libibverbs.so.1", "libibverbs.so", "librdmacm.so.1", "librdmacm.so", "libverbatim.so.0")
PROGRAM = r"""
#include <infiniband/verbs.h>
#include <stdio.h>
#include <verbatim/verbatim.h>
int main(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  if (!list || !list[0]) return 1;
  puts(ibv_get_device_name(list[0]));
  ibv_free_device_list(list);
  return 0;
}
"""


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.prefix = pathlib.Path(cls.directory.name).resolve() / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", str(cls.prefix)], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        cls.libdir = next(cls.prefix.rglob("libverbatim.so.0")).parent
        cls.launcher = cls.prefix / "bin" / "verbatim"

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def run_here(self, command, **options):
        return doors.run([str(part) for part in command], doors.environment(**options))

    def test_everything_is_there(self):
        for library in LIBRARIES:
            self.assertTrue((self.libdir / library).exists(), library)
        for name in ("include/verbatim/verbatim.h", "share/man/man1/verbatim.1"):
            self.assertTrue((self.prefix / name).exists(), name)

    def test_nothing_points_out_of_the_prefix(self):
        for path in self.prefix.rglob("*"):
            if path.is_symlink():
                self.assertTrue(path.resolve().is_relative_to(self.prefix), path)

    @unittest.skipIf(doors.SANITIZER, "the launcher of a sanitized build takes the runtime from the environment")
    def test_the_launcher_takes_the_installed_libraries(self):
        result = self.run_here([self.launcher, "run", "--device", "vb_lo", "--", doors.program("loader")])
        self.assertEqual(result.returncode, 0, result.stderr)
        reached = dict(line.split(" ", 1) for line in result.stdout.splitlines())["needed"]
        self.assertEqual(pathlib.Path(reached).resolve(), (self.libdir / "libibverbs.so.1").resolve())

    @unittest.skipIf(doors.SANITIZER, "the program is built without the sanitizer")
    @unittest.skipUnless(shutil.which("cc"), "no C compiler")
    def test_programs_are_built_against_it(self):
        source = self.prefix.parent / "program.c"
        source.write_text(PROGRAM)
        program = self.prefix.parent / "program"
        built = self.run_here(["cc", "-Wall", "-Werror", "-I", self.prefix / "include/verbatim", "-I", self.prefix / "include",
                               source, "-o", program, "-L", self.libdir, "-libverbs", f"-Wl,-rpath,{self.libdir}"])
        self.assertEqual(built.returncode, 0, built.stderr)
        result = self.run_here([program], device="vb_lo")
        self.assertEqual((result.returncode, result.stdout), (0, "vb_lo\n"), result.stderr)


unittest.main(verbosity=2)
