#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The distribution's tgtd and libiscsi, unmodified, over iSER: what is written to a disk is in the file behind it, and
is read again; also by two initiators at once, and after one was killed (-9)."""

import os
import pathlib
import subprocess
import tempfile

from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, need, options, skip

NAME = "iqn.2026-01.test:disk"
SIZE = 6 << 20


class Target:
    """tgtd with disks. It is configured by tgtadm, through a socket of its own in the folder."""

    def __init__(self, suite, folder, disks):
        self.suite, self.port, self.number = suite, free_port(), os.getpid()
        self.environment = dict(os.environ, TGT_IPC_SOCKET=f"{folder}/socket")
        self.files = [pathlib.Path(folder, f"disk{each}") for each in range(disks)]
        for file in self.files:
            file.write_bytes(bytes(SIZE))
        # Its TCP portal, which it does not start without, is of no use here.
        self.process = suite.start(suite.hosts.server, "target", [
            "env", f"TGT_IPC_SOCKET={folder}/socket", "tgtd", "-f", "-C", str(self.number),
            "--iscsi", f"portal={suite.hosts.address}:{free_port()}", "--iser", f"port={self.port}"])
        if not eventually(lambda: self.admin("sys", "show") or not self.process.running(), 30):
            raise Failure("tgtd cannot be configured")
        self.process.must_serve(self.port)
        self.must("target", "new", "--tid", "1", "-T", NAME)
        for number, file in enumerate(self.files, 1):
            self.must("logicalunit", "new", "--tid", "1", "--lun", str(number), "-b", str(file))
        # Over iSER it wants both: the address and the name.
        self.must("target", "bind", "--tid", "1", "-I", "ALL")
        self.must("target", "bind", "--tid", "1", "-Q", "iqn.2026-01.test:initiator")

    def admin(self, mode, operation, *arguments):
        return subprocess.run(["tgtadm", "-C", str(self.number), "--lld", "iser", "--mode", mode, "--op", operation,
                               *arguments], env=self.environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    def must(self, mode, operation, *arguments):
        if not self.admin(mode, operation, *arguments):
            raise Failure(f"tgtadm --mode {mode} --op {operation} {' '.join(arguments)} fails")

    def url(self, disk):
        return f"iser://{self.suite.hosts.address}:{self.port}/{NAME}/{disk + 1}"


    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It has to be killed: it ignores SIGTERM while it has a target, and may crash when that is taken away."""
        self.process.end()


def start_initiator(suite, target, folder, disk, seed):
    copy = pathlib.Path(folder, f"copy{disk}")
    return copy, suite.start(suite.hosts.client, f"initiator {disk}",
                             [suite.options.program, target.url(disk), str(copy), str(seed)])


def must_have_written(target, disk, copy, initiator):
    initiator.must_end_well(60)
    if "same" not in initiator.text():
        raise Failure(f"{initiator.name} does not say that it is the same")
    if target.files[disk].read_bytes() != copy.read_bytes():
        raise Failure(f"what {initiator.name} wrote is not in the file")


def together(suite):
    with tempfile.TemporaryDirectory() as folder, Target(suite, folder, 2) as target:
        for disk, (copy, initiator) in enumerate([start_initiator(suite, target, folder, disk, disk + 1)
                                                  for disk in range(2)]):
            must_have_written(target, disk, copy, initiator)


def after_a_death(suite):
    with tempfile.TemporaryDirectory() as folder, Target(suite, folder, 1) as target:
        victim = start_initiator(suite, target, folder, 0, 3)[1]
        if not eventually(lambda: any(target.files[0].read_bytes()) or not victim.running(), 30):
            raise Failure("nothing is written")
        victim.kill()
        must_have_written(target, 0, *start_initiator(suite, target, folder, 0, 4))
        if not target.process.running():
            raise Failure("the target has ended")


def main():
    opts = options(__doc__, program="")
    need("tgtd", "tgtadm")
    if not opts.program:
        skip("libiscsi is not installed")
    if os.geteuid() != 0:
        skip("tgtd needs root")
    suite = Suite(opts)
    suite.case("two initiators", together, suite)
    suite.case("an initiator after one that was killed", after_a_death, suite)
    suite.finish()


if __name__ == "__main__":
    main()
