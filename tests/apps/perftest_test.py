#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The perftest programs run in every mode that their users run them in, and report a result for every size."""

from harness import judge
from harness.process import Failure
from harness.suite import Suite, need, options

DEFAULT_LATENCY_INLINE = {"ib_send_lat": 236, "ib_write_lat": 220}


class Case:
    """`rows`: the sizes in the table; `total`: iterations in each row (perftest adds up those of all QPs). `hosts`:
    also between two hosts, for what depends on the way between the two; the rest is the same as on one host over TCP."""

    def __init__(self, title, flags, iterations, rows=(4096,), qps=1, hosts=False):
        self.title = title
        self.hosts = hosts
        self.rows = list(rows)
        self.total = iterations * qps
        self.flags = flags + ["-n", str(iterations)]
        if "-a" not in flags and self.rows != [0]:
            self.flags += ["-s", str(self.rows[0])]


# Starting the two programs takes longer than what they measure: modes that do not touch each other share a case. And
# perftest measures the processor's clock for a quarter of a second for each size: every size runs in the plain mode of
# each program, others take a size that travels as one message and one that does not.
SMALL, LARGE = 64, 1 << 20


def both_sizes(title, flags, iterations, hosts=False):
    return [Case(f"{title}, {size} bytes", flags, iterations, [size], hosts=hosts) for size in (SMALL, LARGE)]


def bandwidth_cases():
    return [
        Case("all sizes", ["-a"], 5, judge.ALL_SIZES, hosts=True),
        *both_sizes("both directions", ["-b"], 100, hosts=True),
        Case("16 QPs, both directions", ["-q", "16", "-b"], 100, qps=16, hosts=True),
        Case("post lists, 4 QPs, both directions", ["-l", "16", "-q", "4", "-b"], 320, [64], qps=4),
        Case("post lists", ["-l", "16"], 1600, [64]),
        Case("ibv_post_send, completion moderation, GID 0", ["--use_old_post_send", "-Q", "20", "-x", "0"], 2000),
    ]


def latency_cases():
    return [
        Case("all sizes", ["-a"], 5, judge.ALL_SIZES, hosts=True),
        Case("ibv_post_send, GID 0", ["--use_old_post_send", "-x", "0"], 300, [2]),
    ]


def inline_cases():
    return [Case(f"inline {size}", ["-I", str(size)], 100, [size]) for size in (1, 512)]


def send_cases(bandwidth):
    cases = both_sizes("SRQ", ["--use-srq"], 100, hosts=True)
    if bandwidth:
        cases.append(Case("SRQ, 64 QPs", ["--use-srq", "-q", "64"], 100, qps=64))
        cases.append(Case("receive lists", ["--recv_post_list=16"], 320, [64]))
    return cases


def unreliable_cases(bandwidth):
    # Few iterations: nothing may be lost, because the receiver counts.
    cases = both_sizes("UC", ["-c", "UC"], 20, hosts=True)
    if bandwidth:
        cases.append(Case("UC, both directions", ["-c", "UC", "-b"], 500))
    return cases


def datagram_cases(bandwidth):
    # perftest stops at the MTU, and its multicast GIDs are IPv6's, as index 0 is.
    cases = [
        Case("UD", ["-c", "UD"], 200, [64]),
        Case("UD, events", ["-c", "UD", "-e"], 100, [64]),
        Case("multicast", ["-c", "UD", "-g", "-x", "0"], 50, [64]),
    ]
    if bandwidth:
        cases += [
            Case("UD, all sizes", ["-c", "UD", "-a"], 5, judge.DATAGRAM_SIZES),
            Case("UD, both directions", ["-c", "UD", "-b"], 500),
            Case("UD, 16 QPs", ["-c", "UD", "-q", "16"], 50, qps=16),
            Case("UD, post lists", ["-c", "UD", "-l", "16"], 320, [64]),
            Case("UD, SRQ", ["-c", "UD", "--use-srq"], 200),
        ]
    return cases


def atomic_cases(bandwidth):
    cases = [Case("FETCH_AND_ADD, events", ["-A", "FETCH_AND_ADD", "-e"], 500, [8], hosts=True)]
    for kind in ("CMP_AND_SWAP", "FETCH_AND_ADD"):
        cases.append(Case(kind, ["-A", kind], 500, [8], hosts=True))
    if bandwidth:
        kind = "CMP_AND_SWAP"
        cases.append(Case("16 QPs, both directions", ["-A", kind, "-q", "16", "-b"], 50, [8], qps=16))
        cases.append(Case("post lists", ["-A", kind, "-l", "16"], 320, [8]))
    for case in cases:  # the size of an atomic cannot be asked for
        case.flags = case.flags[:-2]
    return cases


def xrc_cases(verb, bandwidth):
    if verb == "atomic":
        case = Case("XRC", ["-c", "XRC"], 200, [8])
        case.flags = case.flags[:-2]
        return [case]
    cases = [Case("XRC", ["-c", "XRC"], 200, [SMALL])]
    if bandwidth:
        cases.append(Case("XRC, both directions", ["-c", "XRC", "-b"], 50, [LARGE]))
    return cases


def cases_of(program):
    verb, bandwidth = program.split("_")[1], program.endswith("_bw")
    if verb == "atomic":
        return atomic_cases(bandwidth) + xrc_cases(verb, bandwidth)
    cases = bandwidth_cases() if bandwidth else latency_cases()
    if bandwidth:
        cases.append(Case("on-demand memory", ["--odp"], 100, [65536]))
    if verb != "read":
        cases += inline_cases() + unreliable_cases(bandwidth)
    if verb == "send":
        cases += send_cases(bandwidth) + datagram_cases(bandwidth)
    if verb != "write":  # perftest has no events for writes
        cases += both_sizes("events", ["-e"], 100, hosts=True)
    return cases + xrc_cases(verb, bandwidth)


def measure(suite, program, case):
    server, client = suite.pair([program, "-F"] + case.flags)
    judge.perftest(client, case.rows, case.total)
    if program.split("_")[1] == "send":
        judge.perftest(server, case.rows, case.total)


def default_inline(suite, program):
    """The device is one for which perftest uses inline sends and ibv_wr_* without being asked."""
    _, client = suite.pair([program, "-F", "-n", "100", "-s", "64"])
    judge.perftest(client, [64], 100)
    wanted = f"Max inline data : {DEFAULT_LATENCY_INLINE[program]}[B]"
    if wanted not in client:
        raise Failure(f"no line with '{wanted}'")
    if "ibv_wr* API     : ON" not in client:
        raise Failure("perftest does not use the ibv_wr_* API")


def main():
    opts = options(__doc__, program="ib_send_bw")
    need(opts.program)
    suite = Suite(opts)
    for case in cases_of(opts.program):
        if opts.hosts == "netns" and not case.hosts:
            continue
        suite.case(case.title, measure, suite, opts.program, case)
    if opts.program in DEFAULT_LATENCY_INLINE and opts.hosts == "local":
        suite.case("inline by default", default_inline, suite, opts.program)
    suite.finish()


if __name__ == "__main__":
    main()
