# SPDX-License-Identifier: BSD-2-Clause
"""Where a server and a client run: on one host, or on two hosts made of network namespaces."""

import atexit
import os
import re
import subprocess

from . import proc
from .process import Failure, eventually

PREFIX = "verbatim-apps"
# The kernel tells of a carrier about once a second.
LINK_SECONDS = 10


class Side:
    """One of the two: how a command is started there, and the device it sees."""

    def __init__(self, options, device, enter=()):
        self.device = device
        self.enter = list(enter)
        self.launcher = [options.launcher, "run", "--provider", options.provider, "--device", device, "--"]
        if not options.launcher:
            self.launcher = []

    def argv(self, command):
        return self.enter + self.launcher + command


class Local:
    """Both on this host, on the loopback device."""

    def __init__(self, options):
        self.server = self.client = Side(options, options.device)
        self.address, self.address6, self.name = "127.0.0.1", "::1", "localhost"

    @staticmethod
    def client_address_like(address):
        return address

    def close(self):
        pass


class Namespaces:
    """Two network namespaces with a veth pair between them. Needs root."""

    def __init__(self, options):
        remove_stale()
        self.names = [f"{PREFIX}-{os.getpid()}-{side}" for side in ("server", "client")]
        atexit.register(self.close)
        for name in self.names:
            ip("netns", "add", name)
        self.server, self.client = (Side(options, f"vb_v{side}", ["ip", "netns", "exec", name])
                                    for side, name in zip(("server", "client"), self.names))
        self.address, self.address6 = "10.81.7.1", "fd81:7::1"
        self.name = self.address  # a network namespace has no names of its own
        self.connect()

    def connect(self):
        """Makes the veth pair: at the start, and again where a test has deleted it."""
        server, client = self.names
        ip("link", "add", "vserver", "netns", server, "type", "veth", "peer", "name", "vclient", "netns", client)
        self._set_up(server, "vserver", "10.81.7.1/24", "fd81:7::1/64")
        self._set_up(client, "vclient", "10.81.7.2/24", "fd81:7::2/64")
        self.wait_for_links()

    def wait_for_links(self):
        for name, link in zip(self.names, ("vserver", "vclient")):
            if not eventually(lambda: "state UP" in ip("-n", name, "link", "show", "dev", link), LINK_SECONDS):
                raise Failure(f"{link} does not come up")

    @staticmethod
    def add_link(namespace, name, address):
        """Another interface of one host, which leads nowhere."""
        ip("-n", namespace, "link", "add", name, "type", "veth", "peer", "name", f"{name}end")
        Namespaces._set_up(namespace, name, address)
        ip("-n", namespace, "link", "set", f"{name}end", "up")

    @staticmethod
    def client_address_like(address):
        """The client's address of the same family."""
        return "fd81:7::2" if ":" in address else "10.81.7.2"

    @staticmethod
    def _set_up(namespace, link, *addresses):
        ip("-n", namespace, "link", "set", "lo", "up")
        # Without duplicate address detection the addresses can be used at once.
        for address in addresses:
            ip("-n", namespace, "addr", "add", address, "dev", link, "nodad")
        ip("-n", namespace, "link", "set", link, "up")

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def remove_stale():
    """The namespaces of tests that were killed before they could clean up."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    for name, pid in re.findall(rf"^({PREFIX}-(\d+)-\w+)", listed, re.MULTILINE):
        if not proc.exists(int(pid)):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def why_no_namespaces():
    """Empty when network namespaces can be made."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = f"{PREFIX}-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], stderr=subprocess.DEVNULL, check=False)
    return "" if made.returncode == 0 else f"no network namespace can be made here: {made.stderr.strip()}"
