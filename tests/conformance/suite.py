# SPDX-License-Identifier: BSD-2-Clause
"""The distribution's copy of rdma-core's tests: where it is, and a copy that can be run."""

import gzip
import shutil
import subprocess
from pathlib import Path

PYTHON = "/usr/bin/python3"  # pyverbs is built for the system's interpreter, whichever one PATH names
SHIPPED = Path("/usr/share/doc/rdma-core/tests")


def why_not():
    """What is missing to run the tests, or ''."""
    if not SHIPPED.is_dir():
        return f"{SHIPPED} is not there (package rdma-core; it may have been installed without documentation)"
    try:
        done = subprocess.run([PYTHON, "-c", "import pyverbs"], capture_output=True, timeout=30, check=False)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else f"{PYTHON} has no pyverbs (package python3-pyverbs)"


def version():
    """Of the package, such as 44.0-2."""
    query = ["dpkg-query", "-W", "-f", "${Version}", "rdma-core"]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def unpack(directory):
    """A fresh copy of the tests; its path."""
    copy = Path(directory).resolve() / "tests"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for file in SHIPPED.iterdir():
        if file.suffix == ".gz":
            (copy / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
        elif file.suffix == ".py":
            shutil.copyfile(file, copy / file.name)
    return copy
