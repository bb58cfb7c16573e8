#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Eight processes connect to one listener and part, thousands of times: no private data is mixed up, nothing is left."""

from harness.ports import free_port
from harness.suite import Suite, options

PROCESSES = 8
SECONDS = 240


def storm(suite, program, total):
    port = free_port()
    server = suite.start(suite.hosts.server, "server", [program, "server", suite.hosts.address, str(port), str(total)])
    server.must_serve(port)
    command = [program, "client", suite.hosts.address, str(port), str(total // PROCESSES)]
    clients = [suite.start(suite.hosts.client, f"client {i}", command) for i in range(PROCESSES)]
    for client in clients:
        client.must_end_well(SECONDS)
    server.must_end_well(20)


def main():
    opts = options(__doc__, program="cm_storm", total="10000")
    suite = Suite(opts)
    suite.case(f"{opts.total} connections from {PROCESSES} processes", storm, suite, opts.program, int(opts.total))
    suite.finish()


if __name__ == "__main__":
    main()
