#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""qperf over connections of rdma_cm: every test of its that can be connected so (-cm1)."""

import re

from harness.ports import free_port
from harness.process import Failure
from harness.suite import Suite, need, options

TESTS = {
    "bandwidths": ["rc_bw", "rc_bi_bw", "rc_rdma_read_bw", "rc_rdma_write_bw"],
    "latencies": ["rc_lat", "rc_rdma_read_lat", "rc_rdma_write_lat", "rc_rdma_write_poll_lat"],
    "atomics": ["rc_compare_swap_mr", "rc_fetch_add_mr", "ver_rc_compare_swap", "ver_rc_fetch_add"],
}


def start(suite, name):
    """A server and a client of its own, which runs the tests one after the other, each for a second."""
    port = str(free_port())
    server = suite.start(suite.hosts.server, f"server of {name}", ["qperf", "-lp", port])
    server.must_listen(int(port))
    return suite.start(suite.hosts.client, name,
                       ["qperf", "-lp", port, suite.hosts.address, "-cm1", "-t", "1", "-to", "60"] + TESTS[name])


def qperf(suite):
    for name, client in [(name, start(suite, name)) for name in TESTS]:
        client.must_end_well(60)
        for test in TESTS[name]:
            result = re.search(rf"^{test}:\n\s+\w+\s+=\s+([0-9.]+)", client.text(), re.MULTILINE)
            if not result or float(result[1]) <= 0:
                raise Failure(f"{test} has no result")


def main():
    opts = options(__doc__)
    need("qperf")
    suite = Suite(opts)
    suite.case("qperf -cm1", qperf, suite)
    suite.finish()


if __name__ == "__main__":
    main()
