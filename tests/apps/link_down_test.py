#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The link between two hosts goes down in the middle of a transfer. Within the retry budget nothing is lost; when it
stays down, the sender gets RETRY_EXC_ERR as soon as its budget is spent."""

import re
import time

from harness import judge
from harness.hosts import ip
from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, need, options, skip

RETRIES = 7  # perftest's retry_cnt
RETRY_EXCEEDED = "status 12"
SLACK_SECONDS = 1.0  # what an error may take beyond the budget


def budget_seconds(timeout):
    """(retry_cnt + 1) times the local ACK timeout."""
    return (RETRIES + 1) * 4.096e-6 * 2 ** timeout


def rows(process):
    return len(judge.perftest_rows(process.text()))


def start(suite, program, timeout):
    """A pair that transfers for ever; back when it is in the middle of it."""
    port = free_port()
    command = [program, "-F", "--run_infinitely", "-D", "1", "-u", str(timeout), "-p", str(port)]
    server = suite.start(suite.hosts.server, "server", command + ["-d", suite.hosts.server.device])
    server.must_listen(port)
    client = suite.start(suite.hosts.client, "client",
                         command + ["-d", suite.hosts.client.device, suite.hosts.address])
    eventually(lambda: rows(client) or not client.running(), 30)
    if not client.running() or not rows(client):
        raise Failure("no transfer came into being")
    return client


def set_link(suite, state):
    ip("-n", suite.hosts.names[1], "link", "set", "vclient", state)


def short_outage(suite, program, seconds):
    client = start(suite, program, 20)  # a budget of 34 s
    set_link(suite, "down")
    before = rows(client)
    ended = client.wait(seconds)
    set_link(suite, "up")
    if ended is not None or not eventually(lambda: rows(client) > before + 2 or not client.running(), 30):
        raise Failure("the transfer does not go on")
    if not client.running() or re.search("status", client.text()):
        raise Failure("the transfer has failed")


def long_outage(suite, program):
    timeout = 16  # a budget of 2.1 s
    client = start(suite, program, timeout)
    since = time.monotonic()
    set_link(suite, "down")
    try:
        told = eventually(lambda: RETRY_EXCEEDED in client.text() or not client.running(), 30)
        took = time.monotonic() - since
    finally:
        set_link(suite, "up")
    if not told or RETRY_EXCEEDED not in client.text():
        raise Failure("no RETRY_EXC_ERR")
    budget = budget_seconds(timeout)
    if not budget / 2 < took < budget + SLACK_SECONDS:
        raise Failure(f"RETRY_EXC_ERR after {took:.2f} s, with a budget of {budget:.2f} s")


def main():
    opts = options(__doc__)
    need("ib_send_bw", "ib_write_bw", "ib_read_bw")
    if opts.hosts != "netns":
        skip("a link to take down is between network namespaces")
    suite = Suite(opts)
    suite.case("two seconds down, sends", short_outage, suite, "ib_send_bw", 2)
    suite.case("down for good, writes", long_outage, suite, "ib_write_bw")
    suite.case("down for good, reads", long_outage, suite, "ib_read_bw")
    suite.finish()


if __name__ == "__main__":
    main()
