#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Ten ways to register memory, one after the other on one connection: in one process, and between two."""

from kmod import Failure, Module, Suite, free_port, options

WAYS = 10


def must_be_well(module):
    if "ping: all ways are well" not in module.text():
        raise Failure(f"{module.name} does not say that all is well")


def one_process(suite):
    module = Module(suite, "both", [suite.options.module, f"port={free_port()}"])
    module.close()
    module.must_end_well(60)
    must_be_well(module)
    if module.text().count(": ok\n") != WAYS:
        raise Failure(f"not {WAYS} ways")


def two_processes(suite):
    port = free_port()
    server = Module(suite, "server", [suite.options.module, "role=server", f"port={port}"])
    server.must_say("ping: listening")
    client = Module(suite, "client", [suite.options.module, "role=client", f"port={port}"])
    for module in (server, client):
        module.close()
    for module in (client, server):
        module.must_end_well(60)
        must_be_well(module)


suite = Suite(options(__doc__, kmod="", module=""))
suite.case("in one process", one_process, suite)
suite.case("between two processes", two_processes, suite)
suite.finish()
