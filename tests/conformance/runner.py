# SPDX-License-Identifier: BSD-2-Clause
"""Drives workers: one test at a time, so that one that crashes or hangs takes nothing with it but its worker."""

import json
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass

from .results import Result

START_SECONDS = 60  # to import pyverbs and all tests, on a busy machine


@dataclass
class Limits:
    test: float
    total: float


class Worker:
    """A process that runs tests by name. It leads a session of its own: what its tests leave behind is ended with it."""

    def __init__(self, command, log):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                      start_new_session=True)
        self.buffer = b""

    def ask(self, line, seconds):
        """The answer; None if there was none within that time or the process ended."""
        try:
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            return None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.child.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(0, deadline - time.monotonic())):
                    return None
                got = os.read(self.child.stdout.fileno(), 65536)
                if not got:
                    return None
                self.buffer += got
        answer, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(answer)

    def end(self):
        """How it ended: its exit status, or None if it had to be killed."""
        try:
            status = self.child.wait(1)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()
        return status

    def finish(self):
        """Lets it exit by itself, as a program does."""
        try:
            self.child.stdin.close()
            self.child.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        return self.end()


def how_it_ended(status, seconds):
    if status is None:
        return f"did not end within {seconds:g} s"
    if status < 0:
        return f"the process was ended by {signal.Signals(-status).name}"
    return f"the process ended with status {status}"


def run(command, only, limits, log):
    """The results of all tests whose names contain `only`, in their order."""
    end = time.monotonic() + limits.total
    worker = Worker(command, log)
    names = worker.ask("", START_SECONDS)
    if names is None:
        raise SystemExit(f"conformance: the tests cannot be loaded, see {log.name}")
    found = []
    for name in (name for name in names if only in name):
        if time.monotonic() > end:
            found.append(Result(name, "ERROR", f"not run: the tests took more than {limits.total:g} s"))
            continue
        if worker is None:
            worker = Worker(command, log)
            worker.ask("", START_SECONDS)
        start = time.monotonic()
        answer = worker.ask(name, limits.test)
        if answer is None:
            answer = ["ERROR", how_it_ended(worker.end(), limits.test)]
            worker = None
        found.append(Result(name, *answer))
        print(f"{found[-1]} ({time.monotonic() - start:.1f} s)", flush=True)
    if worker:
        status = worker.finish()
        if status != 0:
            found.append(Result("exit of the last worker", "ERROR", how_it_ended(status, 10)))
    return found
