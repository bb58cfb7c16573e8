#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""raw_ethernet_bw and raw_ethernet_lat exchange frames between two network namespaces. Needs root."""

import re

from harness import hosts, judge
from harness.process import Failure, eventually
from harness.suite import Suite, need, options


def mac(namespace, link):
    return re.search(r"link/ether (\S+)", hosts.ip("-n", namespace, "-o", "link", "show", "dev", link))[1]


def measure(suite, program, flags, size, iterations):
    names = suite.hosts.names
    server, client = mac(names[0], "vserver"), mac(names[1], "vclient")
    command = ["stdbuf", "-oL", program, "-F", "-s", str(size), "-n", str(iterations)] + flags
    receiver = suite.start(suite.hosts.server, "server", command + [
        "-d", suite.hosts.server.device, "--server", "-B", server, "-E", client])
    if not eventually(lambda: "MAC attached" in receiver.text(), 20):
        raise Failure("the server steers no frames to itself")
    sender = suite.start(suite.hosts.client, "client", command + [
        "-d", suite.hosts.client.device, "--client", "-B", client, "-E", server])
    sender.must_end_well(60)
    receiver.must_end_well(20)
    for process in (sender, receiver):
        judge.perftest(process.text(), [size], iterations)


def main():
    opts = options(__doc__)
    need("raw_ethernet_bw", "raw_ethernet_lat", "stdbuf")
    suite = Suite(opts)
    # No more frames than the receiver has posted receives for: a frame that finds none is lost.
    for size in (64, 1500):
        suite.case(f"bandwidth, {size} bytes", measure, suite, "raw_ethernet_bw", [], size, 400)
        suite.case(f"latency, {size} bytes", measure, suite, "raw_ethernet_lat", [], size, 400)
    suite.finish()


if __name__ == "__main__":
    main()
