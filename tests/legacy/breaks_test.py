#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every break of the kernel's verbs interface, compiled and run just before and just after it.

A file of breaks/ is a module for both levels. What stands in `#ifdef WRONG` is the other level's form, and must not
compile.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kmod import HEADERS, Failure, Module, Suite, options  # noqa: E402

BREAKS = pathlib.Path(__file__).resolve().parent / "breaks"


# What consumers look for with grep: a line, and another one at most so many lines behind it.
SEARCHED = {
    "rdma/ib_verbs.h": [
        ("struct ib_cq *ib_create_cq(struct ib_device *device,", "const struct ib_cq_init_attr *cq_attr);", 4),
        ("struct ib_atomic_wr {", "", 0), ("IB_PD_UNSAFE_GLOBAL_RKEY", "", 0), ("ib_get_dma_mr", "", 0),
        ("static inline void ib_destroy_cq", "", 0)],
    "rdma/rdma_cm.h": [
        ("struct rdma_cm_id *rdma_create_id(struct net *net,", "ib_qp_type qp_type);", 2),
        ("rdma_set_service_type(struct rdma_cm_id *id, int tos)", "", 0),
        ("int rdma_reject(", "u8 reason);", 1)],
}


def search_text():
    missing = []
    for name, searches in SEARCHED.items():
        lines = (HEADERS / name).read_text().splitlines()
        for first, second, distance in searches:
            found = any(first in line and any(second in near for near in lines[i:i + distance + 1])
                        for i, line in enumerate(lines))
            if not found:
                missing.append(f"{name}: {first} ... {second}")
    if missing:
        raise Failure("not found: " + "; ".join(missing))


def versions(file):
    """Of a break: when it came, and when it came again."""
    return re.findall(r"[\d.]+", re.search(r"^ \* version: (.+)$", file.read_text(), re.MULTILINE)[1])


class Level:
    """A break's file, at the last level before it or at the first behind it."""

    def __init__(self, file, version, after, folder):
        numbers = (version.split(".") + ["0"])[:3]
        code = f"KERNEL_VERSION({','.join(numbers)})"
        self.file, self.when = file, "after" if after else "before"
        self.name = f"{file.stem} {self.when} {version}"
        self.module = str(folder / f"{file.stem}_{self.when}_{version}.so")
        # The compilers of these kernels' days knew no newer C.
        standard = "gnu11" if int(numbers[0]) >= 6 else "gnu89"
        self.flags = [f"-std={standard}", "-Wall", "-Wno-unused", "-Werror", "-fPIC", f"-I{HEADERS}", f"-I{BREAKS}",
                      f"-DLINUX_VERSION_CODE={code if after else f'({code}-1)'}"]

    def has_wrong(self):
        """Whether the preprocessor finds the other level's form in the file, at this level."""
        texts = [subprocess.run(["cc", *self.flags, *extra, "-E", "-P", str(self.file)], capture_output=True, text=True,
                                check=True).stdout for extra in ([], ["-DWRONG"])]
        return texts[0] != texts[1]

    def build(self):
        made = subprocess.run(["cc", *self.flags, "-shared", "-o", self.module, str(self.file)], capture_output=True,
                              text=True, check=False)
        if made.returncode != 0:
            return f"{self.name} does not compile:\n{made.stderr}"
        if "WRONG" in self.file.read_text() and self.has_wrong():
            wrong = subprocess.run(["cc", *self.flags, "-DWRONG", "-fsyntax-only", str(self.file)], capture_output=True,
                                   check=False)
            if wrong.returncode == 0:
                return f"{self.name}: what belongs to the other level compiles"
        return ""


def build_all(levels):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        problems = [problem for problem in pool.map(Level.build, levels) if problem]
    if problems:
        raise Failure("\n".join(problems))


def run_all(suite, levels, provider):
    """One process runs them all; it stops at one that fails, and another one goes on with the rest."""
    failed = []
    while levels:
        module = Module(suite, "modules", [level.module for level in levels], provider)
        module.close()
        if module.wait(120) == 0:
            break
        found = re.search(r"verbatim-kmod: (\S+): could not start", module.text())
        at = [level.module for level in levels].index(found[1]) if found else len(levels) - 1
        failed.append(levels[at].name)
        levels = levels[at + 1:]
    if failed:
        raise Failure(f"failed: {', '.join(failed)}")


def main():
    suite = Suite(options(__doc__, kmod=""))
    suite.case("have the text that is searched for", search_text)
    with tempfile.TemporaryDirectory() as folder:
        levels = [Level(file, version, after, pathlib.Path(folder))
                  for file in sorted(BREAKS.glob("*.c")) for version in versions(file) for after in (0, 1)]
        suite.case("compile, or do not", build_all, levels)
        built = [level for level in levels if pathlib.Path(level.module).exists()]
        for provider in ("shm", "tcp"):
            suite.case(f"do what they should over {provider}", run_all, suite, built, provider)
        suite.finish()


main()
