# SPDX-License-Identifier: BSD-2-Clause
"""Reads the programs' reports."""

import math
import re

from .process import Failure

ALL_SIZES = [1 << power for power in range(1, 24)]  # perftest -a
DATAGRAM_SIZES = [size for size in ALL_SIZES if size <= 4096]


def pingpong(text, size, iterations):
    """Every message arrived, and its content was right (with -c)."""
    if "invalid data" in text:
        raise Failure("the payload is wrong: " + next(line for line in text.splitlines() if "invalid data" in line))
    for wanted in (f"{size * iterations * 2} bytes in ", f"{iterations} iters in "):
        if wanted not in text:
            raise Failure(f"no line with '{wanted}'")


def perftest_rows(text):
    """The result table: (size, iterations, numbers) of each row."""
    rows = []
    for line in text.splitlines():
        found = re.match(r"\s*(\d+)\s+(\d+)\s+((?:\S+\s*)+)$", line)
        if found:
            rows.append((int(found[1]), int(found[2]), [float(number) for number in found[3].split()]))
    return rows


# perftest measures the frequency of the CPU's clock first. On a busy machine it gives up: all its times are infinite.
NO_CLOCK = "Correlation coefficient"
DEVIATION = 4  # of the seven numbers in a latency row: not a number where the values were (nearly) the same


def perftest(text, sizes, iterations):
    """One row for every size, with the iterations that were asked for and measured values that make sense."""
    rows = perftest_rows(text)
    if [row[0] for row in rows] != sizes:
        raise Failure(f"results for sizes {[row[0] for row in rows]} instead of {sizes}")
    for size, done, numbers in rows:
        if done != iterations:
            raise Failure(f"size {size}: {done} iterations instead of {iterations}")
        if NO_CLOCK not in text:
            _must_make_sense(size, numbers)
    for line in text.splitlines():
        if re.search(r"error|failed|couldn't|unable", line, re.IGNORECASE):
            raise Failure(f"it printed: {line.strip()}")


def _must_make_sense(size, numbers):
    judged = [number for column, number in enumerate(numbers) if len(numbers) != 7 or column != DEVIATION]
    if not all(math.isfinite(number) and number >= 0 for number in judged) or max(judged) <= 0:
        raise Failure(f"size {size}: results {numbers}")


def fields(text):
    """`name: value` lines, as ibv_devinfo prints them."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}
