# SPDX-License-Identifier: BSD-2-Clause
"""The connection manager's messages (src/wire/cm_message.h), for a peer that does not keep to the rules."""

import os
import random
import select
import socket
import struct
import time

from .process import Failure

MAGIC = 0x4d434256
REQUEST, WAIT, REPLY, READY, REJECT, DISCONNECT, DISCONNECTED, INQUIRE, INFORM, PROBE, ALIVE = range(1, 12)
SIZES = {REQUEST: 128, REPLY: 220, REJECT: 152, INQUIRE: 224, INFORM: 160}
HEADER = "<IBBHQQ"


def message(kind, sender, receiver, body=b"", magic=MAGIC, version=1, size=None):
    body = body.ljust(SIZES.get(kind, 0), b"\0")
    return struct.pack(HEADER, magic, version, kind, len(body) if size is None else size, sender, receiver) + body


def request(sender, port, space=0x0106, qp_type=2):
    qpn = 4000 << 12 | 1  # of a process that is not there
    return message(REQUEST, sender, 0, struct.pack("<HHHBBIIBBBBBBBB", space, port, 40000, qp_type, 0, qpn, 1,
                                                   1, 1, 0, 7, 7, 0, 18, 0))


def malformed(port, count):
    """Messages that no listener may take for a request: random ones, and requests that are wrong in one place."""
    right = request(1, port)
    yield from (right[:size] for size in range(0, len(right), 7))
    yield right + b"\0"
    yield message(REQUEST, 1, 0, right[24:], magic=MAGIC ^ 1)
    yield message(REQUEST, 1, 0, right[24:], version=2)
    yield message(REQUEST, 1, 0, right[24:], size=127)
    yield request(1, port ^ 1)
    yield request(1, port, space=0x0111)
    yield from (message(kind, 1, 2) for kind in range(REQUEST + 1, 256))
    yield from (os.urandom(random.randint(0, 300)) for _ in range(count))


class Peer:
    """A UDP socket that speaks to a listener at `port` of this host."""

    def __init__(self, address, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.listener = (address, port)
        self.home = self.listener  # where the connection is
        self.number = random.getrandbits(63) + 1
        self.theirs = 0

    def send(self, datagram, to=None):
        self.socket.sendto(datagram, to or self.home)

    def say(self, kind, sender=None, receiver=None):
        self.send(message(kind, self.number if sender is None else sender,
                          self.theirs if receiver is None else receiver))

    def must_hear(self, wanted, seconds=20):
        """Skips what is asked for signs of life."""
        deadline = time.monotonic() + seconds
        while True:
            if not select.select([self.socket], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure(f"no message of kind {wanted} came")
            datagram, self.home = self.socket.recvfrom(1000)
            _, _, kind, _, sender, receiver = struct.unpack_from(HEADER, datagram)
            if kind == PROBE:
                continue
            if kind != wanted or receiver != self.number:
                raise Failure(f"a message of kind {kind} came instead of {wanted}")
            self.theirs = sender
            return
