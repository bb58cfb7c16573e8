#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A process is killed (-9) in the middle of a transfer: its peer learns of it, ends, and nothing is left behind."""

import re

from harness import judge
from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, need, options

PROGRAMS = ["ib_write_bw", "ib_send_bw", "ib_read_bw"]
ERRORS = r"error|fail|unable|couldn't|unexpected"
NOTICE_SECONDS = 15


def start_endless(suite, program, flags, period=1):
    """A pair that transfers for ever; back when both are in the middle of it, `period` seconds before the client prints
    its next result. A thread of perftest's does that, and crashes if the program has begun to end meanwhile."""
    port = free_port()
    command = [program, "-F", "--run_infinitely", "-p", str(port)] + flags
    server = suite.start(suite.hosts.server, "server", command + ["-D", "3600", "-d", suite.hosts.server.device])
    server.must_listen(port)
    client = suite.start(suite.hosts.client, "client",
                         command + ["-D", str(period), "-d", suite.hosts.client.device, suite.hosts.address])
    # With the first result that counts iterations the transfer is well under way.
    under_way = lambda: any(iterations > 0 for _, iterations, _ in judge.perftest_rows(client.text()))
    eventually(lambda: under_way() or not client.running() or not server.running(), 20)
    if not client.running() or not server.running() or not under_way():
        raise Failure("no transfer came into being")
    return server, client


def must_notice(survivor):
    """It ends by itself, or at least says that something is wrong.

    With hardware, a receiver that sends nothing never learns of a death: that it does so here is our own promise.
    """
    status = survivor.wait(NOTICE_SECONDS)
    if status is None and not re.search(ERRORS, survivor.text(), re.IGNORECASE):
        raise Failure(f"the {survivor.name} noticed nothing within {NOTICE_SECONDS} s")
    if status is not None and status < 0:
        raise Failure(f"the {survivor.name} crashed")


def kill_one(suite, program, victim, flags):
    server, client = start_endless(suite, program, flags, 1 if victim == "client" else 3)
    dying, survivor = (client, server) if victim == "client" else (server, client)
    dying.kill()
    must_notice(survivor)


def kill_both(suite, program, flags):
    """Nobody is left to clean up: the next pair does."""
    for process in start_endless(suite, program, flags):
        process.kill()
    server, client = suite.pair(["ib_send_lat", "-F", "-n", "100", "-s", "64"])
    judge.perftest(client, [64], 100)
    judge.perftest(server, [64], 100)


def main():
    opts = options(__doc__)
    need(*PROGRAMS)
    suite = Suite(opts)
    for program in PROGRAMS:
        suite.case(f"{program}, client killed", kill_one, suite, program, "client", [])
    suite.case("ib_write_bw, server killed", kill_one, suite, "ib_write_bw", "server", [])
    suite.case("ib_send_bw, server killed", kill_one, suite, "ib_send_bw", "server", [])
    suite.case("ib_read_bw, server killed", kill_one, suite, "ib_read_bw", "server", [])
    suite.case("ib_write_bw in both directions, 4 QPs, client killed", kill_one, suite, "ib_write_bw", "client",
               ["-b", "-q", "4"])
    suite.case("ib_write_bw, both killed", kill_both, suite, "ib_write_bw", [])
    suite.finish()


if __name__ == "__main__":
    main()
