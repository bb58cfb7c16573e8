#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The distribution's librpma, unmodified, on memory of a file: what was flushed to persistence is in the file when the
target has been killed (-9)."""

import pathlib
import tempfile

from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, options, skip

BLOCK = 4096
BLOCKS = (5, 256)


def expected(blocks):
    return b"".join(bytes(1 + (i * 7 + offset) % 251 for offset in range(BLOCK)) for i in range(blocks))


def must_say(process, word):
    eventually(lambda: word in process.text() or not process.running(), 60)
    if word not in process.text():
        raise Failure(f"{process.name} does not say '{word}'")


def survives(suite, blocks):
    with tempfile.TemporaryDirectory() as folder:
        file, port, address = pathlib.Path(folder) / "memory", free_port(), suite.hosts.address
        target = suite.start(suite.hosts.server, "target", [suite.options.program, "target", address, str(port), str(file)])
        must_say(target, "listening")
        writer = suite.start(suite.hosts.client, "writer", [suite.options.program, "writer", address, str(port), str(blocks)])
        must_say(writer, "flushed")
        target.kill()
        data = file.read_bytes()
        if data[:blocks * BLOCK] != expected(blocks):
            raise Failure("what was flushed is not in the file")
        if data[blocks * BLOCK:].strip(b"\0"):
            raise Failure("something else is in the file")
        writer.must_end_well(30)


def main():
    opts = options(__doc__, program="")
    if not opts.program:
        skip("librpma is not installed")
    suite = Suite(opts)
    for blocks in BLOCKS:
        suite.case(f"{blocks} blocks survive the target", survives, suite, blocks)
    suite.finish()


if __name__ == "__main__":
    main()
