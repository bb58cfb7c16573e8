# SPDX-License-Identifier: BSD-2-Clause
"""A process that takes one step of a connection's life at a time (cm_steps.cc)."""

import subprocess

from .process import Failure, eventually


class Steps:
    def __init__(self, suite, side, name):
        self.process = suite.start(side, name, [suite.options.program], stdin=subprocess.PIPE)
        self.answered = 0

    def begin(self, command):
        """Says a command whose answer is taken later."""
        self.process.child.stdin.write(command.encode() + b"\n")
        self.process.child.stdin.flush()

    def end(self, seconds=20):
        """The answer to the oldest command that has none."""
        def answers():
            # Behind the last line end stands what is not yet whole. Other lines are the library's log.
            lines = self.process.text().split("\n")[:-1]
            found = [line[2:] for line in lines if line.startswith("= ")]
            return found[self.answered:]

        if not eventually(lambda: answers() or not self.process.running(), seconds) or not answers():
            raise Failure(f"{self.process.name} does not answer")
        answer = answers()[0]
        self.answered += 1
        return answer

    def say(self, command, seconds=20):
        self.begin(command)
        return self.end(seconds)

    def must(self, command, answer="0"):
        got = self.say(command)
        if got != answer:
            raise Failure(f"{self.process.name}: {command}: {got} instead of {answer}")

    def must_see(self, *events, seconds=20):
        for event in events:
            got = self.say(f"event {int(seconds * 1000)}", seconds + 10)
            if got != event:
                raise Failure(f"{self.process.name}: {got} instead of {event}")

    def must_see_nothing(self, seconds=0.2):
        self.must_see("none", seconds=seconds)

    def resolve(self, address, port):
        self.must(f"resolve {address} {port}")
        self.must_see("ADDR_RESOLVED 0")
        self.must("route")
        self.must_see("ROUTE_RESOLVED 0")
