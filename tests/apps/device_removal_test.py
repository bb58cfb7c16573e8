#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A network interface vanishes under identifiers at every step: each hears DEVICE_REMOVAL as the last thing, queue pairs
flush, and what does not depend on the interface goes on. The same processes work with an interface that comes again.
Needs network namespaces."""

import re

from harness import proc
from harness.hosts import Side, ip
from harness.ports import free_port
from harness.process import Failure, eventually
from harness.steps import Steps
from harness.suite import Suite, need, options

GONE = "6"  # ENXIO
FLUSHED = "5"  # IBV_WC_WR_FLUSH_ERR
ERROR = "6"  # IBV_QPS_ERR
MILLISECONDS = 20000
ROW = re.compile(r"^ *\d+[ \t]+\d+(?:[ \t]+[\d.]+){3}[ \t]*$", re.MULTILINE)  # what perftest says of a second


class Pair:
    """A listener and a client, which live on from case to case."""

    def __init__(self, suite):
        self.suite, self.port = suite, free_port()
        self.server = Steps(suite, suite.hosts.server, "server")
        self.client = Steps(suite, suite.hosts.client, "client")
        self.listen()

    def listen(self):
        self.server.must(f"listen {self.suite.hosts.address} {self.port}")

    def request(self):
        self.client.resolve(self.suite.hosts.address, self.port)
        self.client.must("connect")
        self.server.must_see("CONNECT_REQUEST 0")

    def establish(self):
        self.request()
        self.server.must("accept")
        self.client.must_see("ESTABLISHED 0")
        self.server.must_see("ESTABLISHED 0")

    def must_start_again(self):
        """With an interface of the same name and address: the listener's port is free, a connection carries data."""
        self.suite.hosts.connect()
        self.listen()
        self.request()
        self.server.must("receive")
        self.server.must("accept")
        self.client.must_see("ESTABLISHED 0")
        self.server.must_see("ESTABLISHED 0")
        self.client.must("send")
        self.server.must(f"completion {MILLISECONDS}")
        self.client.must("disconnect")
        self.server.must_see("DISCONNECTED 0")
        for side in (self.server, self.client):
            side.must("destroy")


def vanish(suite):
    """Both ends of a veth pair go together."""
    ip("-n", suite.hosts.names[0], "link", "del", "vserver")


def must_be_useless(steps, commands=("disconnect",)):
    for command in commands:
        steps.must(command, GONE)
    steps.must("destroy")


def waiting(suite):
    """A listener, an identifier that is only bound, one that knows the way, one for datagrams."""
    pair = Pair(suite)
    address = suite.hosts.address
    bound, datagrams = (Steps(suite, suite.hosts.server, name) for name in ("bound", "datagrams"))
    bound.must(f"bind {address} 0")
    pair.client.resolve(address, pair.port)
    datagrams.must("datagrams")
    datagrams.resolve(address, pair.port)
    datagrams.must("receive")
    vanish(suite)
    pair.server.must_see("DEVICE_REMOVAL 0")
    pair.server.must("swap")
    must_be_useless(pair.server, ["accept", "disconnect"])
    bound.must_see("DEVICE_REMOVAL 0")
    must_be_useless(bound, ["route", "disconnect"])
    pair.client.must_see("DEVICE_REMOVAL 0")
    must_be_useless(pair.client, ["route", "connect"])
    datagrams.must_see("DEVICE_REMOVAL 0")
    datagrams.must(f"completion {MILLISECONDS}", FLUSHED)
    datagrams.must("state", ERROR)
    must_be_useless(datagrams, ["route"])
    pair.must_start_again()


def connecting(suite):
    """A request that the program thinks about is not told of, as with the kernel: the answer fails."""
    pair = Pair(suite)
    pair.request()
    pair.client.must("receive")
    vanish(suite)
    pair.client.must_see("DEVICE_REMOVAL 0")
    pair.client.must(f"completion {MILLISECONDS}", FLUSHED)
    must_be_useless(pair.client)
    pair.server.must_see("DEVICE_REMOVAL 0")
    pair.server.must_see_nothing()
    must_be_useless(pair.server, ["accept"])
    pair.server.must("swap")
    pair.server.must("destroy")
    pair.must_start_again()


def connected(suite):
    pair = Pair(suite)
    pair.establish()
    sides = pair.client, pair.server
    for side in sides:
        side.must("receive")
    vanish(suite)
    removals = {pair.client: 1, pair.server: 2}  # the server's listener is another one
    for side in sides:
        side.must_see(*["DEVICE_REMOVAL 0"] * removals[side])
        side.must(f"completion {MILLISECONDS}", FLUSHED)
        side.must("state", ERROR)
        side.must(f"fatal {MILLISECONDS}")
        must_be_useless(side, ["disconnect", "route"])
        side.must_see_nothing()
    pair.server.must("swap")
    pair.server.must("destroy")
    pair.must_start_again()


def left_behind(suite):
    """The listener of the queue pairs' numbers goes with the last of them, and so does the endpoint: nothing grows when
    an interface comes and goes, but the contexts of the connection manager's own, one for each."""
    pair, files = Pair(suite), {}
    for _ in range(3):
        pair.establish()
        pair.client.must("receive")
        vanish(suite)
        pair.client.must_see("DEVICE_REMOVAL 0")
        pair.server.must_see("DEVICE_REMOVAL 0", "DEVICE_REMOVAL 0")
        pair.client.must(f"completion {MILLISECONDS}", FLUSHED)
        for side in (pair.client, pair.server):
            side.must("destroy")
        pair.server.must("swap")
        pair.server.must("destroy")
        for side in (pair.client, pair.server):
            pid = side.process.pid
            if not eventually(lambda pid=pid: not proc.listening_ports(pid), 20):
                raise Failure("a listener is left")
            most = files.setdefault(pid, proc.network_files(pid))
            if not eventually(lambda pid=pid, most=most: proc.network_files(pid) <= most, 20):
                raise Failure(f"{proc.network_files(pid) - most} descriptors are left")
            files[pid] = proc.network_files(pid)
        suite.hosts.connect()
        pair.listen()


def wildcard(suite):
    """It is on no device in particular, and goes on with those that are left."""
    namespace, spare = suite.hosts.names[0], "10.81.8.1"
    suite.hosts.add_link(namespace, "spare", f"{spare}/24")
    both = Side(suite.options, "vb_vserver,vb_spare", suite.hosts.server.enter)
    server, port = Steps(suite, both, "server"), free_port()
    server.must(f"listen 0.0.0.0 {port}")
    client, neighbour = Steps(suite, suite.hosts.client, "client"), Steps(suite, both, "neighbour")
    client.resolve(suite.hosts.address, port)
    client.must("connect")
    server.must_see("CONNECT_REQUEST 0")
    server.must("accept")
    client.must_see("ESTABLISHED 0")
    server.must_see("ESTABLISHED 0")
    vanish(suite)
    client.must_see("DEVICE_REMOVAL 0")
    server.must_see("DEVICE_REMOVAL 0")
    server.must("destroy")
    neighbour.resolve(spare, port)
    neighbour.must("connect")
    server.must_see("CONNECT_REQUEST 0")
    server.must("accept")
    neighbour.must_see("ESTABLISHED 0")
    server.must_see("ESTABLISHED 0")
    neighbour.must("disconnect")
    server.must_see("DISCONNECTED 0")
    ip("-n", namespace, "link", "del", "spare")
    suite.hosts.connect()


def transferring(suite):
    """In the middle of large writes, whose memory the other host reads."""
    port = free_port()
    command = ["ib_write_bw", "-F", "--run_infinitely", "-D", "1", "-s", "1000000", "-p", str(port)]
    server = suite.start(suite.hosts.server, "server", command + ["-d", suite.hosts.server.device])
    server.must_listen(port)
    client = suite.start(suite.hosts.client, "client", command + ["-d", suite.hosts.client.device, suite.hosts.address])
    if not eventually(lambda: ROW.search(client.text()) or not client.running(), 60) or not client.running():
        raise Failure("no transfer came into being")
    vanish(suite)
    if client.wait(MILLISECONDS / 1000) is None:
        raise Failure("the client hangs")
    if f"status {FLUSHED}" not in client.text():
        raise Failure("its writes are not flushed")
    suite.hosts.connect()


def main():
    opts = options(__doc__, program="")
    need("ib_write_bw")
    suite = Suite(opts)
    if opts.hosts != "netns":
        raise Failure("an interface to delete is in a network namespace")
    for case in (waiting, connecting, connected, left_behind, wildcard, transferring):
        suite.case(case.__name__, case, suite)
    suite.finish()


if __name__ == "__main__":
    main()
