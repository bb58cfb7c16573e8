# SPDX-License-Identifier: BSD-2-Clause
"""Runs tests of rdma-core one by one, as asked for: worker.py TESTS_DIRECTORY [ARGUMENTS OF run_tests.py].

Reads test names from the standard input, one a line; an empty one asks for the list of tests. Answers each with one
line of JSON on the file descriptor that was the standard output; what the tests print goes to the standard error.
"""

import faulthandler
import importlib
import json
import os
import sys
import types
import unittest
from pathlib import Path

VENDORS = ("test_mlx5", "test_efa", "test_cuda")  # tests of one vendor's devices


def load(directory):
    """The test modules for any device, as the package `tests`; its own __init__ would load the vendors', too."""
    package = types.ModuleType("tests")
    package.__path__ = [str(directory)]
    sys.modules["tests"] = package
    sys.path.insert(0, str(directory))
    names = sorted(file.stem for file in directory.glob("test_*.py") if not file.name.startswith(VENDORS))
    return [importlib.import_module(f"tests.{name}") for name in names]


def flatten(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flatten(each)
        else:
            yield each


def last_line(error):
    text = str(error[1]).strip() or error[0].__name__
    return f"{error[0].__name__}: {text.splitlines()[0]}"


class Outcome(unittest.TextTestResult):
    """Keeps the worst thing that happened to the one test."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.outcome, self.reason = "ok", ""

    def _keep(self, outcome, reason):
        if self.outcome in ("ok", "skipped"):
            self.outcome, self.reason = outcome, reason

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._keep("skipped", reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._keep("FAIL", last_line(err))

    def addError(self, test, err):
        super().addError(test, err)
        self._keep("ERROR", last_line(err))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._keep("FAIL" if issubclass(err[0], test.failureException) else "ERROR", last_line(err))


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()
    directory = Path(sys.argv.pop(1))
    modules = load(directory)
    importlib.import_module("args_parser").parser.parse_args()
    loader = unittest.defaultTestLoader
    tests = {test.id(): test for module in modules for test in flatten(loader.loadTestsFromModule(module))}
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Outcome)
    for line in sys.stdin:
        name = line.strip()
        if not name:
            answer = sorted(tests)
        else:
            result = runner.run(tests.pop(name))
            answer = [result.outcome, result.reason]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
