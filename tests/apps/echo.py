#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A sockets program that waits by epoll: an echo server, and clients that compare what comes back.

  echo.py server ADDRESS PORT level|edge      until it is ended
  echo.py client ADDRESS PORT COUNT           as many at the same time
The server ends if a connection to it is the kernel's TCP.
"""

import asyncio
import os
import random
import select
import socket
import sys

ESTABLISHED = "01"


def must_not_be_tcp(port):
    for table in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{table}", encoding="ascii") as lines:
            for row in (line.split() for line in list(lines)[1:]):
                if row[3] == ESTABLISHED and int(row[1].split(":")[1], 16) == port:
                    print("a connection is TCP", flush=True)
                    os._exit(1)


async def echo(reader, writer):
    must_not_be_tcp(int(sys.argv[3]))
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve_level(address, port):
    async with await asyncio.start_server(echo, address, port) as server:
        print("listening", flush=True)
        await server.serve_forever()


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
    elif argument == "level":
        asyncio.run(serve_level(address, int(port)))
    else:
        serve_edge(address, int(port))


if __name__ == "__main__":
    main()
