# SPDX-License-Identifier: BSD-2-Clause
"""Facts about processes, read from /proc."""

import os
import re
import subprocess

ESTABLISHED, LISTEN = "01", "0A"


def _socket_fds(pid):
    """(inode, descriptor) of the sockets that a process has open."""
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            socket = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
            if socket:
                found.append((socket.group(1), fd))
    except OSError:
        pass
    return found


def socket_inodes(pid):
    """The inodes of the sockets that a process has open."""
    return {inode for inode, _ in _socket_fds(pid)}


def network_files(pid):
    """How many sockets a process has, and descriptors to wait for them."""
    names = (_link(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    return sum(name.startswith("socket:") or name == "anon_inode:[eventpoll]" for name in names)


def _flags(pid, fd):
    """As fcntl(F_GETFL) gives them."""
    try:
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as info:
            return int(re.search(r"flags:\s*([0-7]+)", info.read()).group(1), 8)
    except OSError:
        return 0


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
    """The UDP ports that this process has bound: those of its connection manager among them."""
    own = socket_inodes(pid)
    return {int(row[1].split(":")[1], 16) for row in _sockets(pid, ("udp", "udp6")) if row[9] in own}


def served_ports(pid):
    """Those of them where the connection manager listens: it marks their sockets by O_APPEND."""
    listeners = {inode for inode, fd in _socket_fds(pid) if _flags(pid, fd) & os.O_APPEND}
    return {int(row[1].split(":")[1], 16) for row in _sockets(pid, ("udp", "udp6")) if row[9] in listeners}


def connected_ports(pid):
    """The remote TCP ports that this process is connected to."""
    own = socket_inodes(pid)
    return {int(row[2].split(":")[1], 16) for row in _sockets(pid) if row[3] == ESTABLISHED and row[9] in own}


def bytes_sent(pid):
    """By all TCP connections of a process."""
    listed = subprocess.run(["nsenter", "-t", str(pid), "-n", "ss", "-tinpH"], capture_output=True, text=True,
                            check=True).stdout
    rows = listed.replace("\n\t", " ").splitlines()
    return sum(int(sent) for row in rows if f"pid={pid}," in row for sent in re.findall(r"bytes_sent:(\d+)", row))


def exists(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def processor_seconds(pid):
    """What a process's first thread has used of a processor."""
    with open(f"/proc/{pid}/task/{pid}/stat", encoding="ascii", errors="replace") as stat:
        user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


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
