# SPDX-License-Identifier: BSD-2-Clause
"""One ctest entry: several cases, all of which run, and a report of all that failed."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

from . import hosts
from .leaks import Watch
from .ports import free_port
from .process import Failure, Process

SKIPPED = 77


def options(description, **extra):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--launcher", default=os.environ.get("VERBATIM_TEST_LAUNCHER", ""),
                        help="the verbatim command; empty runs the programs on the system's own libraries")
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--device", default="vb_lo", help="the device of the host kind `local`")
    parser.add_argument("--hosts", default="local", choices=("local", "netns"))
    parser.add_argument("--only", default="", help="run only the cases whose title contains this")
    for name, default in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=default)
    return parser.parse_args()


class Suite:
    def __init__(self, opts):
        # ctest ends a test that takes too long by a signal: namespaces are removed on that way, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.options = opts
        self.failed = []
        self.count = 0
        if opts.hosts == "netns" and hosts.why_no_namespaces():
            skip(hosts.why_no_namespaces())
        self.hosts = (hosts.Namespaces if opts.hosts == "netns" else hosts.Local)(opts)

    def case(self, title, body, *arguments, **named):
        """Runs body(*arguments, **named), with a fresh list of processes that are all ended afterwards."""
        if self.options.only not in title:
            return
        self.count += 1
        start, watch, self.processes = time.monotonic(), Watch(), []
        problem = self._attempt(lambda: body(*arguments, **named), ())
        for process in self.processes:
            process.end()
        # Looked for after a failure too: what is left would disturb the cases that follow.
        problem = "; ".join(filter(None, (problem, self._attempt(watch.check, ()))))
        print(f"{'FAIL' if problem else 'ok  '} {title} ({time.monotonic() - start:.2f} s)", flush=True)
        if problem:
            self.failed.append(title)
            print(f"  {problem}\n" + "".join(process.report() for process in self.processes), flush=True)

    @staticmethod
    def _attempt(body, arguments):
        try:
            body(*arguments)
        except Failure as failure:
            return str(failure)
        except Exception:  # a defect of the test itself must not hide the cases that follow
            return traceback.format_exc()
        return None

    def start(self, side, name, command, stdin=subprocess.DEVNULL):
        process = Process(name, side.argv(command), stdin)
        self.processes.append(process)
        return process

    def pair(self, command, seconds=60, port_flag="-p"):
        """Runs `command` as server and as client until both end well; gives what they printed."""
        port = free_port()
        command = command + [port_flag, str(port)]
        server = self.start(self.hosts.server, "server", command + ["-d", self.hosts.server.device])
        server.must_listen(port)
        client = self.start(self.hosts.client, "client",
                            command + ["-d", self.hosts.client.device, self.hosts.address])
        client.must_end_well(seconds)
        server.must_end_well(10)
        return server.text(), client.text()

    def finish(self):
        self.hosts.close()
        print(f"{self.count - len(self.failed)} of {self.count} cases passed")
        if self.count == 0:
            print("no case was run")
        for title in self.failed:
            print(f"failed: {title}")
        sys.exit(1 if self.failed or self.count == 0 else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")
