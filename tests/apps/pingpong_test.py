#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""ibv_{rc,uc,ud,srq,xsrq}_pingpong exchange messages, and the payload is right where they look (-c)."""

from harness import judge
from harness.process import Failure
from harness.suite import Suite, need, options

# (message size, exchanges)
SIZES = [(1, 200), (1000, 200), (65536, 100), (1048576, 20)]
DATAGRAM_SIZES = [(1, 200), (64, 200), (4096, 200)]

# What each program's options select. GID 1 here, GID 0 with the sizes.
MODES = {
    "ibv_rc_pingpong": [[], ["-e"], ["-N"], ["-t"], ["-N", "-e"], ["-N", "-t"]],
    "ibv_uc_pingpong": [[], ["-e"]],
    "ibv_ud_pingpong": [[], ["-e"]],
    "ibv_srq_pingpong": [[], ["-e"], ["-q", "1"], ["-q", "64"]],
}


def exchange(suite, program, flags, size, iterations):
    command = [program, "-c", "-s", str(size), "-n", str(iterations)] + flags
    for text in suite.pair(command):
        judge.pingpong(text, size, iterations)


def exchange_xrc(suite, flags, size, iterations):
    """ibv_xsrq_pingpong looks at every payload by itself, and says so in one word."""
    server, client = suite.pair(["ibv_xsrq_pingpong", "-s", str(size), "-n", str(iterations)] + flags)
    for text in (server, client):
        if "success" not in text:
            raise Failure("it does not report success")


def xrc(suite):
    for gid in ("0", "1"):
        for mode in ([], ["-e"]):
            flags = ["-g", gid] + mode
            suite.case(" ".join(flags), exchange_xrc, suite, flags, 4096, 100)
    for size, iterations in SIZES:
        suite.case(f"{size} bytes", exchange_xrc, suite, ["-g", "0"], size, iterations)
    suite.finish()


def main():
    opts = options(__doc__, program="ibv_rc_pingpong")
    need(opts.program)
    suite = Suite(opts)
    if opts.program == "ibv_xsrq_pingpong":
        return xrc(suite)
    for mode in MODES[opts.program]:
        flags = ["-g", "1"] + mode
        suite.case(" ".join(flags), exchange, suite, opts.program, flags, 4096, 200)
    datagrams = opts.program == "ibv_ud_pingpong"
    for size, iterations in DATAGRAM_SIZES if datagrams else SIZES:
        flags = ["-g", "0"] + ([] if datagrams else ["-m", "4096"])
        suite.case(f"{size} bytes", exchange, suite, opts.program, flags, size, iterations)
    # More exchanges than the queues hold: they go round many times.
    suite.case("shallow queues", exchange, suite, opts.program, ["-g", "1", "-r", "16"], 64, 1000)
    suite.finish()


if __name__ == "__main__":
    main()
