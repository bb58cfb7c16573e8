#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The full circle: libfabric's own verbs provider on our device, in fi_pingpong, while the engine uses libfabric."""

import re

from harness.ports import free_port
from harness.process import Failure, Process, eventually
from harness.suite import Suite, need, options

SECONDS = 60
MESSAGES = ["-p", "verbs", "-e", "msg"]
DATAGRAMS = ["-p", "verbs", "-e", "dgram"]
RELIABLE = ["-p", "verbs;ofi_rxm", "-e", "rdm"]


def exchange(suite, flags, size, iterations, count=1):
    """Both sides report `count` sizes, with each payload checked (-c)."""
    port = str(free_port())
    command = ["fi_pingpong", "-c", "-S", str(size), "-I", str(iterations)] + flags
    server = suite.start(suite.hosts.server, "server", command + ["-B", port])
    server.must_listen(int(port))
    client = suite.start(suite.hosts.client, "client", command + ["-P", port, suite.hosts.address])
    client.must_end_well(SECONDS)
    server.must_end_well(10)
    for side in (server, client):
        rows = re.findall(rf"^\S+\s+{iterations}\s+={iterations}\s", side.text(), re.MULTILINE)
        if len(rows) != count or "rror" in side.text():
            raise Failure(f"the {side.name} reports {len(rows)} sizes instead of {count}")


def listing(suite):
    """The program's libfabric sees our device in each of its forms."""
    program = suite.start(suite.hosts.client, "fi_info", ["fi_info", "-p", "verbs"])
    program.must_end_well(SECONDS)
    domains = set(re.findall(r"domain: (\S+)", program.text()))
    kinds = set(re.findall(r"type: (\S+)", program.text()))
    device = suite.hosts.client.device
    if domains != {device, f"{device}-dgram"} or kinds != {"FI_EP_MSG", "FI_EP_DGRAM", "FI_EP_RDM"}:
        raise Failure(f"fi_info shows domains {sorted(domains)} of types {sorted(kinds)}")


def inner_use(suite):
    """The engine's own use of libfabric does not find our devices: below them this provider has nothing to stand on."""
    provider = "verbs;ofi_rxm"
    port = free_port()

    def start(side, name, arguments):
        command = [suite.options.launcher, "run", "--provider", provider, "--device", side.device, "--", "ibv_rc_pingpong",
                   "-g", "1", "-p", str(port), "-d", side.device, *arguments]
        suite.processes.append(Process(name, side.enter + command))
        return suite.processes[-1]

    server = start(suite.hosts.server, "server", [])
    server.must_listen(port)
    client = start(suite.hosts.client, "client", [suite.hosts.address])
    if not eventually(lambda: f'no provider "{provider}"' in server.text() + client.text(), 20):
        raise Failure("nobody says that the provider is not there")


def main():
    opts = options(__doc__)
    need("fi_pingpong", "fi_info")
    suite = Suite(opts)
    suite.case("fi_info lists the device", listing, suite)
    suite.case("verbs, msg, 64 bytes", exchange, suite, MESSAGES, 64, 100)
    suite.case("verbs, msg, 1 MiB", exchange, suite, MESSAGES, 1 << 20, 10)
    suite.case("verbs, dgram, 64 bytes", exchange, suite, DATAGRAMS, 64, 100)
    suite.case("verbs, dgram, 2048 bytes", exchange, suite, DATAGRAMS, 2048, 50)
    suite.case("verbs;ofi_rxm, 64 bytes", exchange, suite, RELIABLE, 64, 100)
    suite.case("verbs;ofi_rxm, tagged, 64 KiB", exchange, suite, RELIABLE + ["-m", "tagged"], 65536, 20)
    suite.case("verbs;ofi_rxm, 1 MiB", exchange, suite, RELIABLE, 1 << 20, 10)
    if opts.hosts == "local":
        suite.case("the engine's own libfabric", inner_use, suite)
    suite.finish()


if __name__ == "__main__":
    main()
