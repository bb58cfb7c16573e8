#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Peers are killed (-9) inside libfabric's shared memory while their peer waits there for them: it goes on."""

from harness.suite import SKIPPED, Suite, options, skip

ROUNDS = 6
SECONDS = 100


def survives(suite, manner):
    survivor = suite.start(suite.hosts.server, "survivor", [suite.options.program, manner, str(ROUNDS)])
    if survivor.wait(SECONDS) == SKIPPED:
        skip("this libfabric has other regions")
    survivor.must_end_well(0)
    print(survivor.text().strip())


def main():
    suite = Suite(options(__doc__, program="killed_inside"))
    suite.case("a program that polls", survives, suite, "poll")
    suite.case("a program that waits for events", survives, suite, "wait")
    suite.finish()


if __name__ == "__main__":
    main()
