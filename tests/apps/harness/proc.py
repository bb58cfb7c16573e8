# SPDX-License-Identifier: BSD-2-Clause
"""Facts about processes, read from /proc."""

import os
import re

ESTABLISHED, LISTEN = "01", "0A"


def socket_inodes(pid):
    """The inodes of the sockets that a process has open."""
    inodes = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
            if found:
                inodes.add(found.group(1))
    except OSError:
        pass
    return inodes


def _sockets(pid, tables=("tcp", "tcp6")):
    """Rows of the socket tables of the network namespace that a process is in."""
    for table in tables:
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as lines:
                yield from (line.split() for line in list(lines)[1:])
        except OSError:
            continue


def listening_ports(pid):
    """The TCP ports at which this process listens."""
    own = socket_inodes(pid)
    return {int(row[1].split(":")[1], 16) for row in _sockets(pid) if row[3] == LISTEN and row[9] in own}


def datagram_ports(pid):
    """The UDP ports that this process has bound: those of its connection manager's listeners among them."""
    own = socket_inodes(pid)
    return {int(row[1].split(":")[1], 16) for row in _sockets(pid, ("udp", "udp6")) if row[9] in own}


def connected_ports(pid):
    """The remote TCP ports that this process is connected to."""
    own = socket_inodes(pid)
    return {int(row[2].split(":")[1], 16) for row in _sockets(pid) if row[3] == ESTABLISHED and row[9] in own}


def exists(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def threads(pid):
    """The threads of a process but Verbatim's own: number to state and clock ticks of processor time used."""
    found = {}
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii", errors="replace") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            fields = rest.split()
            if name != "verbatim":
                found[thread] = (fields[0], int(fields[11]) + int(fields[12]))
    except OSError:
        pass
    return found


def marked(variable, value):
    """The processes whose environment has variable=value, this one excepted."""
    wanted = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as environment:
                if wanted in environment.read().split(b"\0") and exists(int(name)):
                    found.append(int(name))
        except OSError:
            continue
    return found


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def users_of(path):
    """The processes that have a file open or mapped."""
    users = []
    for name in os.listdir("/proc"):
        if name.isdigit() and (_has_open(name, path) or _has_mapped(name, path)):
            users.append(int(name))
    return users


def _has_open(pid, path):
    try:
        return any(_link(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _link(name):
    try:
        return os.readlink(name)
    except OSError:
        return ""


def _has_mapped(pid, path):
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            return any(line.rstrip("\n").endswith(path) for line in maps)
    except OSError:
        return False
