#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Processes with one secret talk to each other; with another, or with none, they are refused."""

import os
import tempfile

from harness import judge
from harness.ports import free_port
from harness.process import Failure
from harness.suite import Suite, need, options

PROGRAM = "ibv_rc_pingpong"
SIZE, EXCHANGES = 4096, 100
RETRY_EXCEEDED = "transport retry counter exceeded"


def command(secret, port):
    program = [PROGRAM, "-g", "1", "-s", str(SIZE), "-n", str(EXCHANGES), "-p", str(port)]
    return ["env", f"VERBATIM_SECRET={secret}"] + program


def pair(suite, server_secret, client_secret):
    port = free_port()
    server = suite.start(suite.hosts.server, "server", command(server_secret, port) + ["-d", suite.hosts.server.device])
    server.must_listen(port)
    client = suite.start(suite.hosts.client, "client", command(client_secret, port) +
                         ["-d", suite.hosts.client.device, suite.hosts.address])
    return server, client


def talk(suite, server_secret, client_secret):
    for process in pair(suite, server_secret, client_secret):
        process.must_end_well(30)
        judge.pingpong(process.text(), SIZE, EXCHANGES)


def refuse(suite, server_secret, client_secret):
    server, client = pair(suite, server_secret, client_secret)
    if client.wait(30) in (None, 0) or RETRY_EXCEEDED not in client.text():
        raise Failure("the client has no retry error")
    if "secret" not in client.text() + server.text():
        raise Failure("nobody is told why")


def open_file(suite):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("secret\n")
        file.flush()
        os.chmod(file.name, 0o644)
        program = suite.start(suite.hosts.server, "server", command("@" + file.name, free_port()))
        if program.wait(30) in (None, 0) or "only its owner" not in program.text():
            raise Failure("a secret that all can read is taken")


def closed_file(suite):
    with tempfile.NamedTemporaryFile("w") as file:  # mode 0600
        file.write("from a file\n")
        file.flush()
        talk(suite, "@" + file.name, "from a file")


def main():
    opts = options(__doc__)
    need(PROGRAM)
    suite = Suite(opts)
    suite.case("a file and its text", closed_file, suite)
    suite.case("different secrets", refuse, suite, "one", "other")
    suite.case("only the server", refuse, suite, "one", "")
    suite.case("only the client", refuse, suite, "", "one")
    suite.case("a file for all to read", open_file, suite)
    suite.finish()


if __name__ == "__main__":
    main()
