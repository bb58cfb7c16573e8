# SPDX-License-Identifier: BSD-2-Clause
"""Free TCP ports for the programs' own out-of-band exchange, safe against tests that run at the same time."""

import os
import random
import socket

from .process import Failure, eventually

# Below the ephemeral ports and Verbatim's own.
FIRST, LAST = 10000, 20000
_locks = []


def free_port():
    """A port that no other test takes while this process lives: an abstract socket name is the lock."""
    for _ in range(1000):
        port = random.randint(FIRST, LAST)
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0verbatim-apps-{port}")
            if _bindable(port):
                _locks.append(lock)
                return port
        except OSError:
            pass
        lock.close()
    raise Failure(f"no free port in {FIRST}-{LAST} (process {os.getpid()})")


def claim(port, seconds=120):
    """For a program whose port cannot be chosen: no other test of this host has it while this process lives."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def bound():
        try:
            lock.bind(f"\0verbatim-apps-{port}")
            return True
        except OSError:
            return False

    if not eventually(bound, seconds):
        raise Failure(f"another test keeps port {port}")
    _locks.append(lock)


def _bindable(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind(("::", port))
            return True
        except OSError:
            return False
