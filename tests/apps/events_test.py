#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""ibv_asyncwatch, which only opens a device, is told when the link goes down and up, an address changes, and the
interface vanishes. Needs network namespaces."""

from harness import hosts
from harness.process import Failure, eventually
from harness.suite import Suite, need, options

SECONDS = 10
DOWN, UP, GIDS = (f"IBV_EVENT_{name} (" for name in ("PORT_ERR", "PORT_ACTIVE", "GID_CHANGE"))


class Events:
    def __init__(self, suite):
        self.suite = suite
        self.side = suite.hosts.server
        self.names = suite.hosts.names

    def watch(self):
        # Line by line, although its output is no terminal.
        watcher = self.suite.start(self.side, "ibv_asyncwatch",
                                   ["stdbuf", "-oL", "ibv_asyncwatch", "-d", self.side.device])
        self.told(watcher, "async event FD")
        return watcher

    @staticmethod
    def told(watcher, *what):
        """These words come in this order."""
        def in_order():
            text, at = watcher.text(), 0
            for each in what:
                at = text.find(each, at)
                if at < 0:
                    return False
                at += len(each)
            return True
        if not eventually(in_order, SECONDS):
            raise Failure(f"no {what} from ibv_asyncwatch")

    def link(self):
        """Down and up again."""
        watcher = self.watch()
        hosts.ip("-n", self.names[0], "link", "set", "vserver", "down")
        self.told(watcher, DOWN)
        hosts.ip("-n", self.names[0], "link", "set", "vserver", "up")
        self.told(watcher, DOWN, UP)

    def carrier(self):
        """The other end of the cable goes."""
        watcher = self.watch()
        hosts.ip("-n", self.names[1], "link", "set", "vclient", "down")
        self.told(watcher, DOWN)
        hosts.ip("-n", self.names[1], "link", "set", "vclient", "up")
        self.told(watcher, DOWN, UP)

    def address(self):
        watcher = self.watch()
        hosts.ip("-n", self.names[0], "addr", "add", "10.81.8.1/24", "dev", "vserver")
        self.told(watcher, GIDS)
        hosts.ip("-n", self.names[0], "addr", "del", "10.81.8.1/24", "dev", "vserver")
        self.told(watcher, GIDS, GIDS)

    def vanish(self):
        watcher = self.watch()
        hosts.ip("-n", self.names[0], "link", "del", "vserver")
        self.told(watcher, "IBV_EVENT_DEVICE_FATAL (")


def main():
    opts = options(__doc__)
    need("ibv_asyncwatch", "stdbuf")
    suite = Suite(opts)
    events = Events(suite)
    # The last one takes the interface away.
    for case in (events.link, events.carrier, events.address, events.vanish):
        suite.case(case.__name__, case)
    suite.finish()


if __name__ == "__main__":
    main()
