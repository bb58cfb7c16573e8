#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""rping's persistent server has a hundred clients; one that is killed while connected does not disturb the others.

They come one after the other: the program mixes up two requests that come before it has taken the first. Each waits
most of its time for libfabric to load, so the test needs no core of its own."""

from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, need, options

CLIENTS = 100
SECONDS = 90


def connected(suite, name, command):
    client = suite.start(suite.hosts.client, name, command + ["-v"])
    if not eventually(lambda: "rdma-ping-2:" in client.text(), SECONDS):
        raise Failure(f"the {name} does not ping")
    return client


def persistent(suite):
    port = free_port()
    server = suite.start(suite.hosts.server, "server", ["rping", "-s", "-P", "-p", str(port)])
    server.must_serve(port)
    command = ["rping", "-c", "-a", suite.hosts.address, "-p", str(port)]
    victim = connected(suite, "victim", command)
    running = [connected(suite, f"client {i}", command + ["-C", "20", "-V"]) for i in range(CLIENTS // 2)]
    victim.kill()
    running += [connected(suite, f"client {i}", command + ["-C", "20", "-V"]) for i in range(CLIENTS // 2, CLIENTS)]
    for client in running:
        client.must_end_well(SECONDS)
    if not server.running():
        raise Failure("the persistent server ended")


def main():
    opts = options(__doc__)
    need("rping")
    suite = Suite(opts)
    suite.case(f"{CLIENTS} clients", persistent, suite)
    suite.finish()


if __name__ == "__main__":
    main()
