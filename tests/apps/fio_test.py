#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""fio's rdma engine: WRITE, READ, and SEND with the data verified by the receiver.

The engine's server is a job that reads, its client one that writes, whatever the verb is. It connects with an RNR retry
count of 0, and waits half a second for the server's receives: they are all posted at once here, because a sender that is
faster than the server would fail, as on any hardware.
"""

from harness.ports import free_port
from harness.process import Failure
from harness.suite import Suite, need, options

BLOCKS = 128


def start(suite, verb, server_flags=(), client_flags=()):
    port = free_port()
    common = ["--ioengine=rdma", f"--port={port}", "--bs=32k", f"--size={BLOCKS * 32}k", f"--iodepth={BLOCKS}",
              "--thread", "--verify_state_save=0"]
    server = suite.start(suite.hosts.server, f"server of {verb}",
                         ["fio"] + common + ["--name=server", "--rw=read", *server_flags])
    server.must_serve(port)
    client = suite.start(suite.hosts.client, verb,
                         ["fio"] + common + ["--name=client", "--rw=write", f"--hostname={suite.hosts.address}",
                                             f"--verb={verb}", *client_flags])
    return server, client


def end(server, client):
    client.must_end_well(60)
    server.must_end_well(20)
    if "io=4096KiB" not in client.text():
        raise Failure(f"{client.name} did not move all of its data")


def one_sided(suite):
    """At the same time: most of it is waiting."""
    for pair in [start(suite, "write"), start(suite, "read")]:
        end(*pair)


def verified(suite):
    """A block that is sent has a checksum, which the server checks. Alone, because of the half second."""
    server, client = start(suite, "send", ["--verify=crc32c"], ["--verify=crc32c", "--do_verify=0"])
    end(server, client)
    if "io=4096KiB" not in server.text() or "verify" in server.text():
        raise Failure("the data was not received as it was sent")


def main():
    opts = options(__doc__)
    need("fio")
    suite = Suite(opts)
    suite.case("WRITE and READ", one_sided, suite)
    suite.case("SEND, verified", verified, suite)
    suite.finish()


if __name__ == "__main__":
    main()
