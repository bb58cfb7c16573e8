#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""raw_ethernet_bw and raw_ethernet_lat exchange frames between two network namespaces. Needs root."""

import re

from harness import hosts, judge
from harness.process import Failure, eventually
from harness.suite import Suite, need, options


def mac(namespace, link):
    return re.search(r"link/ether (\S+)", hosts.ip("-n", namespace, "-o", "link", "show", "dev", link))[1]


def run(suite, program, flags, size):
    """What the server and the client print."""
    names = suite.hosts.names
    server, client = mac(names[0], "vserver"), mac(names[1], "vclient")
    command = ["stdbuf", "-oL", program, "-F", "-s", str(size)] + flags
    receiver = suite.start(suite.hosts.server, "server", command + [
        "-d", suite.hosts.server.device, "--server", "-B", server, "-E", client])
    if not eventually(lambda: "MAC attached" in receiver.text(), 20):
        raise Failure("the server steers no frames to itself")
    sender = suite.start(suite.hosts.client, "client", command + [
        "-d", suite.hosts.client.device, "--client", "-B", client, "-E", server])
    sender.must_end_well(60)
    receiver.must_end_well(20)
    return receiver.text(), sender.text()


def latency(suite, size):
    """One frame at a time: none is lost."""
    for text in run(suite, "raw_ethernet_lat", ["-n", "400"], size):
        judge.perftest(text, [size], 400)


def bandwidth(suite, size):
    """For a second: what comes in bursts may find no room between the hosts, and nobody sends it again."""
    for text in run(suite, "raw_ethernet_bw", ["-D", "1", "-f", "0"], size):
        rows = judge.perftest_rows(text)
        if [row[0] for row in rows] != [size] or rows[0][1] == 0:
            raise Failure(f"no frame has come: {rows}")


def main():
    opts = options(__doc__)
    need("raw_ethernet_bw", "raw_ethernet_lat", "stdbuf")
    suite = Suite(opts)
    for size in (64, 1500):
        suite.case(f"bandwidth, {size} bytes", bandwidth, suite, size)
        suite.case(f"latency, {size} bytes", latency, suite, size)
    suite.finish()


if __name__ == "__main__":
    main()
