# SPDX-License-Identifier: BSD-2-Clause
"""A peer that is no verbs program: it speaks ibv_rc_pingpong's own exchange, and leads the real program behind it to a
control port where this test listens."""

import re
import select
import socket
import time

from . import proc
from .ports import free_port
from .process import Failure, eventually

MESSAGE = len("0000:000000:000000:") + 32 + 1  # the address as text, and a NUL
CONTROL_BASE = 21000
GID = "00000000000000000000ffff7f000001"  # ::ffff:127.0.0.1


def address(qpn):
    return f"0000:{qpn:06x}:000001:{GID}".encode() + b"\0"


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise Failure("the program hung up in the address exchange")
        data += part
    return data


def parse(message):
    found = re.match(rb"[0-9a-f]{4}:([0-9a-f]{6}):", message)
    if not found:
        raise Failure(f"not a pingpong address: {message!r}")
    return int(found[1], 16)


def start_server(suite):
    """A pingpong server, the port of its exchange and its control port."""
    port = free_port()
    server = suite.start(suite.hosts.server, "server",
                         ["ibv_rc_pingpong", "-g", "1", "-p", str(port), "-d", suite.hosts.server.device])
    server.must_listen(port)
    control = eventually(lambda: proc.listening_ports(server.pid) - {port}, 5)
    if not control:
        raise Failure("the server has no control port")
    return server, port, min(control)


def ask_qpn(port):
    """The queue pair number of a pingpong server; it ends when the connection does."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(address(0x000001))
        return parse(read_exactly(connection, MESSAGE))


def numbering(suite):
    """How a QPN leads to a control port: (shift of the slot, an index inside a slot that is in use)."""
    first, second = start_server(suite), start_server(suite)
    server, port, control = max(first, second, key=lambda started: started[2])
    slot, qpn = control - CONTROL_BASE, ask_qpn(port)
    for process in (first[0], second[0]):
        process.end()
    shift = qpn.bit_length() - slot.bit_length()
    if slot <= 0 or qpn >> shift != slot:
        raise Failure(f"{server.name}: QPN {qpn:#x} does not begin with slot {slot}")
    return shift, qpn & ((1 << shift) - 1)


class Imposter:
    """Listens at the control port of a slot that nobody has."""

    def __init__(self, suite):
        self.suite = suite
        self.shift, self.index = numbering(suite)
        self.slot, self.control = self._take_slot()

    def _take_slot(self):
        for slot in range(100, 1 << (24 - self.shift)):
            listener = socket.socket()
            listener.settimeout(10)
            try:
                listener.bind(("127.0.0.1", CONTROL_BASE + slot))
                listener.listen(16)
                return slot, listener
            except OSError:
                listener.close()
        raise Failure("no free slot")

    def lure(self):
        """A real client that believes to talk to a pingpong server; gives it and its control connection."""
        self.turn_away()
        with socket.create_server(("127.0.0.1", free_port())) as exchange:
            exchange.settimeout(10)
            client = self.suite.start(
                self.suite.hosts.client, "client",
                ["ibv_rc_pingpong", "-g", "1", "-n", "100", "-p", str(exchange.getsockname()[1]), "-d",
                 self.suite.hosts.client.device, "127.0.0.1"])
            connection, _ = exchange.accept()
            read_exactly(connection, MESSAGE)
            connection.sendall(address(self.slot << self.shift | self.index))
            read_exactly(connection, len("done\0"))
            self.exchange = connection  # stays open: the client must not learn from it that nobody is there
        control, _ = self.control.accept()
        control.settimeout(1)
        return client, control

    def turn_away(self):
        """An earlier client has tried again meanwhile: what it left in the queue is not the next one's."""
        self.control.setblocking(False)
        try:
            while True:
                self.control.accept()[0].close()
        except BlockingIOError:
            self.control.settimeout(10)

    def close(self):
        self.control.close()
        self.exchange.close()


def receive_some(connection, seconds=1.0):
    connection.settimeout(seconds)
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def conversation(suite, seconds=1.5):
    """What a real client says at the control port of a real server: this test stands between them and passes on."""
    imposter = Imposter(suite)
    server, port, control = start_server(suite)
    client, near = imposter.lure()
    far = socket.create_connection(("127.0.0.1", control), timeout=5)
    said, deadline = b"", time.monotonic() + seconds
    other = {near: far, far: near}
    while time.monotonic() < deadline:
        for source in select.select(list(other), [], [], 0.1)[0]:
            data = source.recv(65536)
            if not data:
                deadline = 0
                break
            said += data if source is near else b""
            other[source].sendall(data)
    for connection in (near, far):
        connection.close()
    for process in (client, server):
        process.end()
    imposter.close()
    if not said:
        raise Failure(f"a client of port {port} says nothing at the control port")
    return said
