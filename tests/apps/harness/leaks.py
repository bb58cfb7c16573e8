# SPDX-License-Identifier: BSD-2-Clause
"""Nothing may outlive a test: no process, no file in /dev/shm."""

import contextlib
import os
import re
import signal

from . import proc
from .process import MARK, MARK_VALUE, Failure, Process, eventually

SHM = "/dev/shm"
# A survivor may take a moment to notice a death and to clean up.
GRACE_SECONDS = 5


def shm_files():
    return set(os.listdir(SHM))


class Watch:
    """Taken before a test, checked after it. Tests run side by side: files of other tests are none of our business."""

    def __init__(self):
        self.before = shm_files()

    def check(self):
        if eventually(lambda: not self._found(), GRACE_SECONDS):
            return
        found = self._found()
        for pid in proc.marked(MARK, MARK_VALUE):  # the cases that follow must not see them
            os.kill(pid, signal.SIGKILL)
        raise Failure("; ".join(found) or "left-overs went away only just now")

    def _found(self):
        processes = [f"process {pid} remains: {proc.command(pid)}" for pid in proc.marked(MARK, MARK_VALUE)]
        files = [f"{SHM}/{name} remains" for name in sorted(shm_files() - self.before) if self._ours(name)]
        return processes + files

    @staticmethod
    def _ours(name):
        """libfabric and Verbatim put the id of the owner into the name; without one, a file that nobody uses counts."""
        numbers = {int(field) for field in re.split(r"[^0-9A-Za-z]+", name) if field.isdecimal()}
        if numbers & set(Process.stopped):
            # Ended by this harness, perhaps before it had a peer that would clean up: as the next process would do.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{SHM}/{name}")
            return False
        if numbers & set(Process.started):
            return True
        if any(number > 1 for number in numbers):
            return False
        return not proc.users_of(f"{SHM}/{name}")
