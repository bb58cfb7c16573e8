#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The link between two hosts goes down in the middle of a transfer. Within the retry budget nothing is lost; when it
stays down, the sender gets RETRY_EXC_ERR as soon as its budget is spent. Connections that carry the data are reset: the
transfer fails or goes on, but does not hang."""

import re
import subprocess
import time

from harness.hosts import ip
from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, need, options, skip

RETRIES = 7  # perftest's retry_cnt
FIRST_CONTROL, LAST_CONTROL = 21000, 21000 + 4095  # VERBATIM_PORT_BASE, and a port for each slot
RETRY_EXCEEDED = "status 12"
SLACK_SECONDS = 1.0  # what an error may take beyond the budget


def budget_seconds(timeout):
    """(retry_cnt + 1) times the local ACK timeout."""
    return (RETRIES + 1) * 4.096e-6 * 2 ** timeout


def rows(process):
    """How many seconds have been reported (a message may stand behind the last of them)."""
    return len(re.findall(r"^ *\d+[ \t]+\d+(?:[ \t]+[\d.]+){3}[ \t]*$", process.text(), re.MULTILINE))


def start(suite, program, timeout, port):
    """A pair that transfers for ever; back when it is in the middle of it."""
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
    client = start(suite, program, 20, free_port())  # a budget of 34 s
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
    client = start(suite, program, timeout, free_port())
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


def reset_fabric(suite, port):
    """Resets the connections that carry the data, and no others. False: this kernel cannot."""
    others = " and ".join(f"{end} != :{port} and ( {end} lt :{FIRST_CONTROL} or {end} gt :{LAST_CONTROL} )"
                          for end in ("sport", "dport"))
    done = subprocess.run(["ip", "netns", "exec", suite.hosts.names[1], "ss", "-HK", "-tn", "state", "established",
                           f"( {others} )"], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip())


def reset_connection(suite, program):
    """What was on its way is lost. That is an error, or nothing that anybody notices, but never silence."""
    port = free_port()
    client = start(suite, program, 14, port)
    if not reset_fabric(suite, port):
        print("this kernel resets no connections on request (INET_DIAG_DESTROY)")
        return
    before = rows(client)
    if not eventually(lambda: not client.running() or rows(client) > before + 2, 30):
        raise Failure("the transfer neither goes on nor fails")
    if not client.running() and not re.search("status", client.text()):
        raise Failure("the transfer ends without an error")


def main():
    opts = options(__doc__)
    need("ib_send_bw", "ib_write_bw", "ib_read_bw")
    if opts.hosts != "netns":
        skip("a link to take down is between network namespaces")
    suite = Suite(opts)
    suite.case("two seconds down, sends", short_outage, suite, "ib_send_bw", 2)
    suite.case("down for good, writes", long_outage, suite, "ib_write_bw")
    suite.case("down for good, reads", long_outage, suite, "ib_read_bw")
    suite.case("connections reset, sends", reset_connection, suite, "ib_send_bw")
    suite.case("connections reset, reads", reset_connection, suite, "ib_read_bw")
    suite.finish()


if __name__ == "__main__":
    main()
