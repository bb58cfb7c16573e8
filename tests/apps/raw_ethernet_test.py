#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Frames between two network namespaces: raw_ethernet_bw, raw_ethernet_lat, and bursts whose every frame is accounted for.
Needs root."""

import json
import re
import subprocess

from harness import hosts, judge, proc
from harness.process import Failure, eventually
from harness.suite import Suite, need, options

BURST = 400  # frames; far less than what a host has room for
MTU = 1500
# Of a processor, by a thread that has nothing left to do but to poll.
POLLING_SECONDS = 0.1


def mac(namespace, link):
    return re.search(r"link/ether (\S+)", hosts.ip("-n", namespace, "-o", "link", "show", "dev", link))[1]


def macs(suite):
    """Of the server and the client."""
    return [mac(name, link) for name, link in zip(suite.hosts.names, ("vserver", "vclient"))]


def must_poll(process):
    """Receives are posted. Nothing says so: what the program prints last comes before. Frames that come earlier are lost,
    so it must have used more time of a processor than posting takes; how long that takes is no matter."""
    if not eventually(lambda: "#bytes" in process.text(), 20):
        raise Failure("the server steers no frames to itself")
    start = proc.processor_seconds(process.pid)
    if not eventually(lambda: proc.processor_seconds(process.pid) > start + POLLING_SECONDS, 60):
        raise Failure("the server does not poll")


def run(suite, program, flags, size):
    """What the server and the client print."""
    server, client = macs(suite)
    command = ["stdbuf", "-oL", program, "-F", "-s", str(size)] + flags
    receiver = suite.start(suite.hosts.server, "server", command + [
        "-d", suite.hosts.server.device, "--server", "-B", server, "-E", client])
    must_poll(receiver)
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
    """For a second: with that many frames some may find no room between the hosts, and nobody sends them again."""
    for text in run(suite, "raw_ethernet_bw", ["-D", "1", "-f", "0"], size):
        rows = judge.perftest_rows(text)
        if [row[0] for row in rows] != [size] or rows[0][1] == 0:
            raise Failure(f"no frame has come: {rows}")


def lost_on_the_way(suite):
    """Frames of the client that the kernel has dropped between the two interfaces: its backlog was full."""
    link = json.loads(hosts.ip("-n", suite.hosts.names[1], "-s", "-j", "link", "show", "dev", "vclient"))[0]
    return link["stats64"]["tx"]["dropped"]


def send(suite, size):
    """BURST frames that all complete."""
    server, client = macs(suite)
    command = [suite.options.program, "send", suite.hosts.client.device, client, server, str(BURST), str(size)]
    sender = suite.start(suite.hosts.client, "sender", command)
    sender.must_end_well(60)
    if not sender.text().endswith(f"sent {BURST}\n"):  # perhaps behind a warning of the library
        raise Failure("the burst has not left")


def burst(suite, size):
    """All come, in their order, but those that the kernel itself counts as dropped on their way."""
    server, client = macs(suite)
    command = [suite.options.program, "receive", suite.hosts.server.device, client, server, str(BURST), str(size)]
    receiver = suite.start(suite.hosts.server, "receiver", command, subprocess.PIPE)
    if not eventually(lambda: receiver.text() == "ready\n", 20):
        raise Failure("no receives are posted")
    before = lost_on_the_way(suite)
    send(suite, size)
    expected = BURST - (lost_on_the_way(suite) - before)
    receiver.child.stdin.write(f"{expected}\n".encode())
    receiver.child.stdin.close()
    receiver.must_end_well(60)
    if receiver.text() != f"ready\ncome {expected}, out of order 0\n":
        raise Failure(f"{expected} of {BURST} frames have reached the interface")


def tc(suite, *arguments):
    subprocess.run(["ip", "netns", "exec", suite.hosts.names[1], "tc", *arguments], check=True)


def narrow(suite):
    """The interface's queue is full most of the time: frames wait until it takes them, and none is lost."""
    tc(suite, "qdisc", "add", "dev", "vclient", "root", "tbf", "rate", "40mbit", "burst", "3000", "limit", "3000")
    try:
        burst(suite, MTU)
    finally:
        tc(suite, "qdisc", "del", "dev", "vclient", "root")


def filtered(suite):
    """The host lets nothing out: frames complete and are lost, as behind an adapter."""
    tc(suite, "qdisc", "add", "dev", "vclient", "clsact")
    try:
        drop = "1,6 0 0 2"  # a program of one instruction: return TC_ACT_SHOT
        tc(suite, "filter", "add", "dev", "vclient", "egress", "bpf", "da", "bytecode", drop)
        send(suite, MTU)
    finally:
        tc(suite, "qdisc", "del", "dev", "vclient", "clsact")


def main():
    opts = options(__doc__, program="")
    need("raw_ethernet_bw", "raw_ethernet_lat", "stdbuf", "tc")
    suite = Suite(opts)
    for size in (64, MTU):
        suite.case(f"bandwidth, {size} bytes", bandwidth, suite, size)
        suite.case(f"latency, {size} bytes", latency, suite, size)
        suite.case(f"burst, {size} bytes", burst, suite, size)
    suite.case("narrow", narrow, suite)
    suite.case("filtered", filtered, suite)
    suite.finish()


if __name__ == "__main__":
    main()
