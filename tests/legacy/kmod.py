# SPDX-License-Identifier: BSD-2-Clause
"""Runs modules by verbatim-kmod, with the harness of the apps tests."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "apps"))

from harness.ports import free_port  # noqa: E402, F401
from harness.process import Failure, Process, eventually  # noqa: E402
from harness.suite import Suite, options, skip  # noqa: E402, F401

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEADERS = ROOT / "compat-headers" / "kernel"


class Module(Process):
    """A running verbatim-kmod. It ends when close() ends its commands."""

    def __init__(self, suite, name, arguments, provider=None):
        feed, self.input = os.pipe()
        argv = suite.hosts.server.argv([suite.options.kmod, "run", *arguments])
        if provider and "--provider" in argv:
            argv[argv.index("--provider") + 1] = provider
        super().__init__(name, argv, stdin=feed)
        os.close(feed)
        suite.processes.append(self)

    def command(self, line):
        os.write(self.input, (line + "\n").encode())

    def close(self):
        if self.input is not None:
            os.close(self.input)
        self.input = None

    def end(self):
        self.close()
        super().end()

    def must_say(self, text, seconds=60, times=1):
        if not eventually(lambda: self.text().count(text) >= times or not self.running(), seconds):
            raise Failure(f"{self.name} does not say '{text}' within {seconds} s")
        if self.text().count(text) < times:
            raise Failure(f"{self.name} ended without saying '{text}'")
