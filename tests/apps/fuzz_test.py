#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Malformed bytes at the control port: the process lives on, and a real peer can still work with it."""

import errno
import random
import socket
import struct
import time

from harness import judge, proc
from harness.imposter import Imposter, conversation, receive_some
from harness.ports import free_port
from harness.process import Failure, eventually
from harness.suite import Suite, need, options

SEED = 20240229
IDLE_CONNECTIONS = 300
LARGEST_RESIDENT_GROWTH_KB = 64 * 1024


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def garbage(generator):
    """Inputs of every kind that has broken a parser: lengths first, as they are read first."""
    yield b""
    for size in (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 255, 4096, 65536, 1 << 20):
        yield generator.randbytes(size)
        yield bytes(size)
        yield b"\xff" * size
    for length in (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        for shape in ("<I", ">I", "<Q", ">Q", "<II", ">II"):
            count = len(shape) - 1
            yield struct.pack(shape, *([length] * count)) + generator.randbytes(generator.randrange(64))
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def mutations(generator, sample):
    """What a real process sends, cut short, changed, or twice."""
    for cut in range(0, len(sample), max(1, len(sample) // 40)):
        yield sample[:cut]
    for _ in range(300):
        changed = bytearray(sample)
        for _ in range(generator.randrange(1, 4)):
            byte = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
            changed[generator.randrange(len(changed))] = byte
        yield bytes(changed)
    yield sample + sample
    yield sample + generator.randbytes(4096)


class Target:
    """A pingpong server, its control port, and means to annoy it."""

    def __init__(self, suite):
        self.suite = suite
        self.port = free_port()
        self.command = ["ibv_rc_pingpong", "-c", "-g", "1", "-n", "500", "-p", str(self.port)]
        self.server = suite.start(suite.hosts.server, "server", self.command + ["-d", suite.hosts.server.device])
        self.server.must_listen(self.port)
        ports = proc.listening_ports(self.server.pid) - {self.port}
        if not ports:
            raise Failure("the server has no control port")
        self.control = min(ports)
        self.before = resident_kb(self.server.pid)

    def connect(self):
        self.must_live()
        try:
            return socket.create_connection((self.suite.hosts.address, self.control), timeout=5)
        except OSError as error:
            raise Failure(f"no connection to the control port {self.control}: {error}") from error

    def throw(self, data, linger=0.0):
        """Sends, reads what may come back, and goes (the server may hang up at any time)."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
                connection.settimeout(linger)
                connection.recv(65536)
            except OSError:
                pass

    def must_live(self):
        if not self.server.running():
            raise Failure("the server died")

    def must_work(self):
        """A real peer is served, and memory did not grow without bounds."""
        self.must_live()
        growth = resident_kb(self.server.pid) - self.before
        if growth > LARGEST_RESIDENT_GROWTH_KB:
            raise Failure(f"the server grew by {growth} KiB")
        client = self.suite.start(self.suite.hosts.client, "client",
                                  self.command + ["-d", self.suite.hosts.client.device, self.suite.hosts.address])
        client.must_end_well(30)
        self.server.must_end_well(10)
        judge.pingpong(client.text(), 4096, 500)
        judge.pingpong(self.server.text(), 4096, 500)


def random_garbage(suite):
    target, generator = Target(suite), random.Random(SEED)
    for data in garbage(generator):
        target.throw(data, 0.01)
    for _ in range(200):
        target.throw(generator.randbytes(generator.randrange(1, 2000)))
    target.must_work()


def changed_conversations(suite, sample):
    target, generator = Target(suite), random.Random(SEED)
    for data in mutations(generator, sample):
        target.throw(data, 0.005)
    target.must_work()


def slow_bytes(suite, sample):
    """A frame that comes byte by byte, and never in full."""
    target = Target(suite)
    with target.connect() as connection:
        for byte in sample[:-1]:
            try:
                connection.send(bytes([byte]))
            except ConnectionError:
                break  # refused before its end: as good an answer
            time.sleep(0.002)  # the point of the test: each byte arrives alone
        target.must_work()


def idle_connections(suite):
    """Many who connect and say nothing do not keep a real peer out."""
    target = Target(suite)
    crowd = [target.connect() for _ in range(IDLE_CONNECTIONS)]
    target.must_work()
    for connection in crowd:
        connection.close()


def during_traffic(suite):
    """Garbage while a transfer is under way does not disturb it."""
    port = free_port()
    command = ["ib_send_bw", "-F", "-D", "3", "-s", "4096", "-p", str(port)]
    server = suite.start(suite.hosts.server, "server", command + ["-d", suite.hosts.server.device])
    server.must_listen(port)
    ports = eventually(lambda: proc.listening_ports(server.pid) - {port}, 5)
    client = suite.start(suite.hosts.client, "client",
                         command + ["-d", suite.hosts.client.device, suite.hosts.address])
    generator = random.Random(SEED)
    while client.running() and ports:
        try:
            with socket.create_connection((suite.hosts.address, min(ports)), timeout=1) as connection:
                connection.sendall(generator.randbytes(generator.randrange(1, 4000)))
        except OSError:
            pass
        client.wait(0.01)
    client.must_end_well(20)
    server.must_end_well(10)
    if not judge.perftest_rows(client.text()):
        raise Failure("the transfer has no result")


def hostile_server(suite):
    """A client whose peer answers with garbage fails, with an error of its own and no crash."""
    generator = random.Random(SEED)
    imposter = Imposter(suite)
    for answer in (b"", generator.randbytes(64), b"\xff" * 4096, bytes(4096), "echo"):
        client, control = imposter.lure()
        said = receive_some(control)
        try:
            control.sendall(said if answer == "echo" else answer)
        except OSError:
            pass
        receive_some(control)
        control.close()
        status = client.wait(20)
        if status is None or status <= 0:
            raise Failure(f"client of a server that answers {answer[:8]!r}: status {status}")
    imposter.close()


def unix_names(pid):
    """Abstract local sockets at which a process listens."""
    inodes = proc.socket_inodes(pid)
    with open("/proc/net/unix", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return [row[7][1:] for row in rows if len(row) > 7 and row[7].startswith("@") and row[6] in inodes]


def ask_as_stranger(name, message):
    """What the owner of XRC targets answers, if anything, and then hangs up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.settimeout(5)
        stranger.connect("\0" + name)
        try:
            stranger.send(message)
            answer = stranger.recv(4096)
            if answer and stranger.recv(4096):
                raise Failure("a stranger is not hung up on")
            return answer
        except ConnectionError:
            return b""


def strangers_at_xrc_targets(suite):
    """Who has not opened their domain gets nowhere at the local socket by which XRC targets are opened."""
    command = ["ibv_xsrq_pingpong", "-g", "0", "-n", "100", "-p", str(free_port())]
    server = suite.start(suite.hosts.server, "server", command + ["-d", suite.hosts.server.device])
    server.must_listen(int(command[-1]))
    names = eventually(lambda: [name for name in unix_names(server.pid) if name.startswith("verbatim-xrc-")], 5)
    if not names or len(names) != 1:
        raise Failure(f"local sockets of the server: {names}")
    first, generator = int(names[0].rsplit("-", 1)[1]) << 12, random.Random(SEED)
    idle = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(100)]
    for connection in idle:
        connection.connect("\0" + names[0])
    for data in garbage(generator):
        if 0 < len(data) < 65536 and ask_as_stranger(names[0], data):
            raise Failure("garbage is answered")
    answers = 0
    for size in range(40, 256, 4):
        for call in range(7):
            head = struct.pack("<IIIiIIIIQ", 0x31585256, call, 1, 0, first + size % 32, 1, 0, 0, generator.getrandbits(64))
            answer = ask_as_stranger(names[0], head + bytes(size - len(head)))
            answers += bool(answer)
            if answer and struct.unpack_from("<i", answer, 12)[0] != errno.EINVAL:
                raise Failure(f"call {call} of a stranger is answered with {answer[:40]!r}")
    if answers == 0:
        raise Failure("no size is that of a message: the test does not know the format any more")
    client = suite.start(suite.hosts.client, "client", command + ["-d", suite.hosts.client.device, suite.hosts.address])
    client.must_end_well(30)
    server.must_end_well(10)
    for connection in idle:
        connection.close()
    if "success" not in client.text() or "success" not in server.text():
        raise Failure("the exchange has failed")


def main():
    opts = options(__doc__)
    need("ibv_rc_pingpong", "ib_send_bw", "ibv_xsrq_pingpong")
    suite = Suite(opts)
    suite.case("random garbage", random_garbage, suite)
    sample = []
    suite.case("what a real client says", lambda: sample.append(conversation(suite)))
    if sample:
        suite.case("changed conversations", changed_conversations, suite, sample[0])
        suite.case("byte by byte", slow_bytes, suite, sample[0])
        suite.case("hostile server", hostile_server, suite)
    suite.case("idle connections", idle_connections, suite)
    suite.case("garbage during traffic", during_traffic, suite)
    suite.case("strangers at XRC targets", strangers_at_xrc_targets, suite)
    suite.finish()


if __name__ == "__main__":
    main()
