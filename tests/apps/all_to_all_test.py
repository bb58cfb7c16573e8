#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many processes, each connected to each other, exchange data that is checked (all_to_all.cc)."""

import re

from harness.process import Failure, Process
from harness.suite import Suite, options


def run(suite, program, flags, seconds):
    process = suite.start(suite.hosts.server, "all_to_all", [program] + flags)
    try:
        process.must_end_well(seconds)
        if "all data right" not in process.text():
            raise Failure("it does not say that all data were right")
    finally:
        # The left-over check looks at the workers, too.
        Process.started += [int(pid) for pid in re.findall(r"worker pid (\d+)", process.text())]


def main():
    opts = options(__doc__, program="./all_to_all", processes="64")
    suite = Suite(opts)
    few = ["--processes", "6", "--rounds", "5"]
    many = ["--processes", opts.processes]
    suite.case("6 processes", run, suite, opts.program, few, 30)
    suite.case("6 processes, large messages", run, suite, opts.program, few + ["--sizes", "65536,1048576"], 60)
    suite.case("6 processes, events", run, suite, opts.program, few + ["--events"], 30)
    suite.case("6 processes, GID 0", run, suite, opts.program, few + ["--gid", "0"], 30)
    suite.case(f"{opts.processes} processes, events", run, suite, opts.program, many + ["--events"], 90)
    suite.case(f"{opts.processes} processes, polling", run, suite, opts.program, many, 90)
    suite.finish()


if __name__ == "__main__":
    main()
