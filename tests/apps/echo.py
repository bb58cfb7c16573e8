#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A sockets program that waits by epoll: an echo server, and clients that compare what comes back.

  echo.py server ADDRESS PORT level|edge|tcp|fork   until it is ended
  echo.py client ADDRESS PORT COUNT                 as many at the same time
  echo.py idle ADDRESS PORT SECONDS|never           says "idle", and waits for the end; after how long it asks for life
The server ends if a connection to it is the kernel's TCP, unless it is `tcp`. With `fork` a process serves each.
"""

import asyncio
import os
import random
import select
import socket
import socketserver
import sys

ESTABLISHED = "01"


def established():
    """(local port, inode) of the kernel's TCP connections."""
    for table in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{table}", encoding="ascii") as lines:
            for row in (line.split() for line in list(lines)[1:]):
                if row[3] == ESTABLISHED:
                    yield int(row[1].split(":")[1], 16), int(row[9])


def must_not_be_tcp(port, inode=None):
    for at, of in established():
        if at == port and (inode is None or of == inode):
            print("a connection is TCP", flush=True)
            os._exit(1)


async def echo(reader, writer):
    if sys.argv[4] != "tcp":
        must_not_be_tcp(int(sys.argv[3]))
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve_level(address, port):
    async with await asyncio.start_server(echo, address, port) as server:
        print("listening", flush=True)
        await server.serve_forever()


class ForkedEcho(socketserver.BaseRequestHandler):
    """In a process of its own. A connection is TCP until it is used."""

    def handle(self):
        inode = os.fstat(self.request.fileno()).st_ino
        while data := self.request.recv(65536):
            must_not_be_tcp(int(sys.argv[3]), inode)
            self.request.sendall(data)


def serve_forking(address, port):
    class Server(socketserver.ForkingTCPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        request_queue_size = 64

    with Server((address, port), ForkedEcho) as server:
        print("listening", flush=True)
        server.serve_forever()


def idle(address, port, seconds):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        if seconds != "never":
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(seconds))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.connect((address, port))
        connection.sendall(b"x")
        connection.recv(1)
        print("idle", flush=True)
        connection.recv(1)


class Edge:
    """One connection, watched for both ways from its beginning, and used until it would block."""

    def __init__(self, connection):
        self.connection, self.waiting, self.ended = connection, b"", False

    def go_on(self):
        """False: it is over."""
        try:
            while not self.ended:
                data = self.connection.recv(65536)
                self.waiting += data
                self.ended = not data
        except BlockingIOError:
            pass
        try:
            while self.waiting:
                self.waiting = self.waiting[self.connection.send(self.waiting):]
        except BlockingIOError:
            pass
        return self.waiting or not self.ended


def serve_edge(address, port):
    listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    print("listening", flush=True)
    listener.setblocking(False)
    epoll, connections = select.epoll(), {}
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                connection = listener.accept()[0]
                must_not_be_tcp(port)
                connection.setblocking(False)
                connections[connection.fileno()] = Edge(connection)
                epoll.register(connection, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
            elif not connections[fd].go_on():
                epoll.unregister(fd)
                connections.pop(fd).connection.close()


async def ask(address, port, number):
    reader, writer = await asyncio.open_connection(address, port)
    data = random.Random(number).randbytes(300_000 + number)

    async def send():
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    came = await reader.read(-1)
    await sending
    writer.close()
    if came != data:
        sys.exit(f"{len(came)} bytes came back, others than the {len(data)} sent")


async def ask_all(address, port, count):
    await asyncio.gather(*(ask(address, port, number) for number in range(count)))


def main():
    role, address, port, argument = sys.argv[1:]
    if role == "client":
        asyncio.run(ask_all(address, int(port), int(argument)))
    elif role == "idle":
        idle(address, int(port), argument)
    elif argument == "fork":
        serve_forking(address, int(port))
    elif argument in ("level", "tcp"):
        asyncio.run(serve_level(address, int(port)))
    else:
        serve_edge(address, int(port))


if __name__ == "__main__":
    main()
