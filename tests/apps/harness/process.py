# SPDX-License-Identifier: BSD-2-Clause
"""A program under test: started with a mark in its environment, waited for within bounds, ended by its own id."""

import os
import select
import signal
import subprocess
import tempfile
import time
import uuid
import weakref

from . import proc

MARK = "VERBATIM_APPS_TEST"
MARK_VALUE = uuid.uuid4().hex
POLL_SECONDS = 0.003
LISTEN_TICKS = 4  # of clock ticks, 40 ms: a thousand times what listening needs


class Failure(Exception):
    """What a test found wrong; the text is shown as it is."""


def eventually(condition, seconds):
    """Polls until the condition holds; gives its last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(POLL_SECONDS)


class Process:
    started = []  # the ids of all processes of this test
    stopped = []  # those that the harness itself has ended by a signal

    def __init__(self, name, argv, stdin=subprocess.DEVNULL):
        self.name = name
        self.argv = argv
        self.output = tempfile.TemporaryFile()
        environment = dict(os.environ, **{MARK: MARK_VALUE})
        self.child = subprocess.Popen(argv, stdin=stdin, stdout=self.output, stderr=subprocess.STDOUT,
                                      start_new_session=True, env=environment)
        self.pid = self.child.pid
        self.pidfd = os.pidfd_open(self.pid)
        weakref.finalize(self, os.close, self.pidfd)
        Process.started.append(self.pid)

    def text(self):
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode(errors="replace")

    def running(self):
        return self.child.poll() is None

    def wait(self, seconds):
        """The exit status (negative for a signal), or None when the time is over."""
        if self.running():
            end = select.poll()
            end.register(self.pidfd, select.POLLIN)
            end.poll(max(0, seconds) * 1000)
        return self.child.poll()

    def must_end_well(self, seconds):
        status = self.wait(seconds)
        if status is None:
            raise Failure(f"{self.name} did not end within {seconds:g} s")
        if status != 0:
            raise Failure(f"{self.name} ended with {describe(status)}")

    def must_listen(self, port, seconds=20):
        if not eventually(lambda: port in proc.listening_ports(self.pid) or not self.running(), seconds):
            raise Failure(f"{self.name} did not listen at port {port} within {seconds} s")
        if not self.running():
            raise Failure(f"{self.name} ended with {describe(self.child.poll())} before it listened")

    def must_bind(self, port, seconds=20):
        """Until it has the UDP port, as the connection manager's identifiers and members of multicast groups have."""
        self._must_reach(lambda: port in proc.datagram_ports(self.pid), f"have port {port}", seconds)

    def must_serve(self, port, seconds=20):
        """Until it waits for whoever comes to the connection manager's port (of the UDP port space: port ^ 0x8000).

        Nothing outside tells a port that is bound from one that listens. But nothing between the two waits, or needs
        the processor for long: a thread that sleeps or has computed that long has listened.
        """
        self.must_bind(port, seconds)
        at_first = {}

        def has_gone_on(thread, state, ticks):
            return state == "S" or ticks - at_first.setdefault(thread, ticks) >= LISTEN_TICKS

        self._must_reach(lambda: all(has_gone_on(thread, *now) for thread, now in proc.threads(self.pid).items()),
                         f"serve at port {port}", seconds)

    def _must_reach(self, condition, what, seconds):
        if not eventually(lambda: condition() or not self.running(), seconds):
            raise Failure(f"{self.name} did not {what} within {seconds} s")
        if not self.running():
            raise Failure(f"{self.name} ended with {describe(self.child.poll())} before it could {what}")

    def kill(self):
        """kill -9, by the id of this process."""
        self.child.kill()
        self.child.wait()

    def end(self):
        """What its test left running: asked first, then killed."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            if not self.running():
                return
            Process.stopped.append(self.pid)
            self.child.send_signal(how)
            self.wait(2)

    def report(self):
        state = "still running" if self.running() else describe(self.child.poll())
        body = "".join(f"    | {line}\n" for line in self.text().splitlines()[-60:])
        return f"  {self.name} (pid {self.pid}, {state}): {' '.join(self.argv)}\n{body}"


def describe(status):
    if status is not None and status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
