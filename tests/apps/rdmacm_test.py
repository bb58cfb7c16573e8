#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The programs of rdmacm-utils connect, move their data and part: rping, ucmatose, cmtime, rdma_client and the rest."""

import os
import re

from harness import judge
from harness.ports import claim, free_port
from harness.process import Failure
from harness.suite import Suite, need, options

PROGRAMS = ["rping", "ucmatose", "cmtime", "rdma_client", "rdma_server", "udaddy", "mckey", "ib_send_bw"]
SECONDS = 90
UDADDY_PORT = 7174
UDP_SPACE = 0x8000  # ports of the UDP port space stand at the other half of the numbers
IB_SPACE = 0xc000
MULTICAST_PORT = 21000  # a socket at it is there when a process has joined a group


def both(suite, server, client, port, seconds=SECONDS):
    """Runs a server until it serves, then a client; both must end well."""
    first = suite.start(suite.hosts.server, "server", server)
    first.must_serve(port)
    second = suite.start(suite.hosts.client, "client", client)
    second.must_end_well(seconds)
    first.must_end_well(10)
    return first.text(), second.text()


def rping(suite, address, flags, count):
    port = free_port()
    common = ["-p", str(port), "-C", str(count), "-v"] + flags
    _, client = both(suite, ["rping", "-s", "-a", address] + common, ["rping", "-c", "-a", address] + common, port)
    # Without the beginning of the line: what the program's other thread says on the error stream may stand in it.
    pings = len(set(re.findall(r"rdma-ping-\d+:", client)))
    if pings != count:
        raise Failure(f"{pings} pings of {count}")


def rping_wildcard(suite, address, any_address):
    port = free_port()
    common = ["-p", str(port), "-C", "10", "-V"]
    both(suite, ["rping", "-s", "-a", any_address] + common, ["rping", "-c", "-a", address] + common, port)


def must_be_refused(process, reason):
    if process.wait(20) in (None, 0):
        raise Failure(f"the {process.name} got its port")
    if reason not in process.text():
        raise Failure(f"the {process.name} does not say: {reason}")


def port_of_another(suite):
    """A port belongs to one process of a host, until that dies."""
    port = free_port()
    command = ["rping", "-s", "-a", suite.hosts.address, "-p", str(port)]
    first = suite.start(suite.hosts.server, "first", command)
    first.must_serve(port)
    must_be_refused(suite.start(suite.hosts.server, "second", command), "Address already in use")
    first.kill()
    flags = ["-p", str(port), "-C", "10", "-a", suite.hosts.address]
    both(suite, ["rping", "-s"] + flags, ["rping", "-c"] + flags, port)


def privileged_port(suite):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as limit:
        port = int(limit.read()) - 1
    if port > 0:
        command = ["setpriv", "--bounding-set", "-net_bind_service", "rping", "-s", "-p", str(port)]
        must_be_refused(suite.start(suite.hosts.server, "unprivileged", command), "Permission denied")


def ucmatose(suite, address, flags):
    port = free_port()
    common = ["-p", str(port)] + flags
    server, client = both(suite, ["ucmatose", "-b", address] + common, ["ucmatose", "-s", address] + common, port)
    for name, text in (("server", server), ("client", client)):
        if "test complete" not in text or "return status 0" not in text:
            raise Failure(f"the {name} does not say that its test is complete")


def ucmatose_refused(suite):
    """Nobody listens: the client learns it at once."""
    client = suite.start(suite.hosts.client, "client", ["ucmatose", "-s", suite.hosts.address, "-p", str(free_port())])
    if client.wait(20) is None:
        raise Failure("the client waits for a server that is not there")
    if "RDMA_CM_EVENT_REJECTED, error: 8" not in client.text():
        raise Failure("the client was not told that the service is not there")


def cmtime(suite, connections):
    port = free_port()
    common = ["-p", str(port), "-c", str(connections)]
    address = suite.hosts.address
    server = suite.start(suite.hosts.server, "server", ["cmtime", "-b", address] + common)
    server.must_serve(port)
    client = suite.start(suite.hosts.client, "client", ["cmtime", "-s", address] + common)
    client.must_end_well(SECONDS)
    if not server.running():  # it serves until it is ended
        raise Failure("the server ended")
    if not re.search(r"^disconnect\s*:", client.text(), re.MULTILINE):
        raise Failure("no times were printed")


def endpoints(suite, kind, flags=(), space=0):
    """Both ends by rdma_create_ep, synchronous."""
    port = free_port()
    both(suite, [f"rdma_{kind}server", "-p", str(port), *flags],
         [f"rdma_{kind}client", "-s", suite.hosts.address, "-p", str(port), *flags], port ^ space)


def mckey(suite, address, group):
    """Two receivers, one on each host, and a sender."""
    sides = suite.hosts.server, suite.hosts.client
    own = {suite.hosts.server: address, suite.hosts.client: suite.hosts.client_address_like(address)}
    receivers = [suite.start(side, "receiver", ["mckey", "-b", own[side], "-m", group]) for side in sides]
    for receiver in receivers:
        receiver.must_bind(MULTICAST_PORT)
    sender = suite.start(suite.hosts.client, "sender", ["mckey", "-b", own[suite.hosts.client], "-m", group, "-s"])
    for process in [sender] + receivers:
        process.must_end_well(SECONDS)
        if "data transfers complete" not in process.text():
            raise Failure(f"the {process.name} does not say that its test is complete")


def udaddy(suite, address, flags):
    """Datagrams between services that find each other; the program's port is always the same."""
    server, client = both(suite, ["udaddy", "-b", address] + flags, ["udaddy", "-s", address] + flags,
                          UDADDY_PORT ^ UDP_SPACE)
    for name, text in (("server", server), ("client", client)):
        if "return status 0" not in text:
            raise Failure(f"the {name} does not say that its test is complete")


def perftest(suite, program, flags):
    """perftest's own connections by rdma_cm."""
    port = free_port()
    command = [program, "-F", "-R", "-n", "200", "-p", str(port)] + flags
    sides = suite.hosts.server, suite.hosts.client
    _, client = both(suite, command + ["-d", sides[0].device], command + ["-d", sides[1].device, suite.hosts.address],
                     port)
    judge.perftest(client, [8 if "atomic" in program else 64], 200)


def main():
    opts = options(__doc__)
    need(*PROGRAMS)
    suite = Suite(opts)
    address = suite.hosts.address
    suite.case("rping, 1000 times", rping, suite, address, [], 1000)
    suite.case("rping, validated, 60000 bytes", rping, suite, address, ["-V", "-S", "60000"], 50)
    suite.case("rping, QPs of the program's own", rping, suite, address, ["-q"], 100)
    suite.case("rping, wildcard", rping_wildcard, suite, address, "0.0.0.0")
    suite.case("rping, IPv6", rping, suite, suite.hosts.address6, [], 100)
    suite.case("rping, IPv6 wildcard", rping_wildcard, suite, suite.hosts.address6, "::0")
    suite.case("rping, IPv6 wildcard, IPv4 client", rping_wildcard, suite, address, "::0")
    suite.case("rping, port of another process", port_of_another, suite)
    suite.case("rping, privileged port", privileged_port, suite)
    suite.case("ucmatose", ucmatose, suite, address, [])
    suite.case("ucmatose, IPv6", ucmatose, suite, suite.hosts.address6, [])
    suite.case("ucmatose, 100 connections", ucmatose, suite, address, ["-c", "100", "-C", "2"])
    suite.case("ucmatose, migrated", ucmatose, suite, address, ["-m", "-c", "5"])
    suite.case("ucmatose, large messages", ucmatose, suite, address, ["-S", "1000000", "-C", "5"])
    suite.case("ucmatose, by address", ucmatose, suite, address, ["-f", "ip"])
    suite.case("ucmatose, by name", ucmatose, suite, suite.hosts.name, ["-f", "name"])
    gid = "::ffff:" + address
    suite.case("ucmatose, by GID", ucmatose, suite, gid, ["-f", "gid"])
    suite.case("ucmatose, no messages", ucmatose, suite, address, ["-C", "0"])
    suite.case("ucmatose, nobody listens", ucmatose_refused, suite)
    suite.case("cmtime, 1000 connections", cmtime, suite, 1000)
    suite.case("rdma_client and rdma_server", endpoints, suite, "")
    suite.case("rdma_xclient and rdma_xserver", endpoints, suite, "x")
    suite.case("rdma_xclient and rdma_xserver, XRC", endpoints, suite, "x", ["-c", "x"], IB_SPACE)
    suite.case("mckey", mckey, suite, address, f"239.7.{os.getpid() >> 8 & 255}.{os.getpid() & 255}")
    suite.case("mckey, IPv6", mckey, suite, suite.hosts.address6, f"ff15::7:{os.getpid() & 0xffff:x}")
    claim(UDADDY_PORT)
    suite.case("udaddy", udaddy, suite, address, [])
    suite.case("udaddy, IPv6, 8 connections", udaddy, suite, suite.hosts.address6, ["-c", "8", "-C", "3"])
    for verb in ("send", "write", "read", "atomic"):
        for measure in ("bw", "lat"):
            flags = [] if verb == "atomic" else ["-s", "64"]
            suite.case(f"ib_{verb}_{measure} -R", perftest, suite, f"ib_{verb}_{measure}", flags)
    suite.finish()


if __name__ == "__main__":
    main()
