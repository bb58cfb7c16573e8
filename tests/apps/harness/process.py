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

    def must_serve(self, port, seconds=20):
        """Until the connection manager listens at the port (those of the UDP port space: port ^ 0x8000)."""
        self._must_have(proc.served_ports, port, seconds)

    def must_bind(self, port, seconds=20):
        """Until it has a UDP socket at the port."""
        self._must_have(proc.datagram_ports, port, seconds)

    def _must_have(self, ports, port, seconds):
        if not eventually(lambda: port in ports(self.pid) or not self.running(), seconds):
            raise Failure(f"{self.name} did not serve at port {port} within {seconds} s")
        if not self.running():
            raise Failure(f"{self.name} ended with {describe(self.child.poll())} before it served")

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
