#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""rsockets: Debian's programs for them, and sockets programs on librspreload.so."""

import pathlib
import random
import subprocess
import tempfile

from harness import proc
from harness.ports import free_port
from harness.process import Failure, Process, eventually
from harness.suite import Suite, need, options


PYTHON = "/usr/bin/python3"
ECHO = pathlib.Path(__file__).with_name("echo.py")


def serve_and_ask(suite, server_command, client_command, shell=None, ready=Process.must_serve):
    """A server and a client that both end; gives what the client printed."""
    port = free_port()
    server_command, client_command = (command + ["-p", str(port)] for command in (server_command, client_command))
    if shell:
        server_command, client_command = (shell(suite, " ".join(command)) for command in (server_command, client_command))
    server = suite.start(suite.hosts.server, "server", server_command)
    ready(server, port)
    client = suite.start(suite.hosts.client, "client", client_command)
    client.must_end_well(60)
    server.must_end_well(10)
    return client.text()


def stream(suite, program, flags, address=None, **how):
    address = address or suite.hosts.address
    text = serve_and_ask(suite, [program, "-b", address] + flags, [program, "-s", address] + flags, **how)
    rows = [line for line in text.splitlines() if line.rstrip().endswith(tuple("0123456789"))]
    if len(rows) < 1:
        raise Failure(f"{program} printed no result")


def datagrams(suite, address, flags):
    """The server serves for ever; the client counts what comes back."""
    port = free_port()
    server = suite.start(suite.hosts.server, "server", ["udpong", "-b", address, "-p", str(port)] + flags)
    server.must_bind(port)
    client = suite.start(suite.hosts.client, "client", ["udpong", "-s", address, "-p", str(port)] + flags)
    client.must_end_well(60)


def copy_file(suite):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        source, copy = pathlib.Path(folder, "source"), pathlib.Path(folder, "copy")
        source.write_bytes(random.Random(1).randbytes(5_000_003))
        server = suite.start(suite.hosts.server, "server", ["rcopy", "-p", str(port)])
        server.must_serve(port)
        client = suite.start(suite.hosts.client, "client",
                             ["rcopy", str(source), f"{suite.hosts.address}:{copy}", "-p", str(port)])
        client.must_end_well(60)
        if copy.read_bytes() != source.read_bytes():
            raise Failure("the copy differs")


def must_not_be_tcp(client, port):
    """What rsockets cannot connect is connected by TCP, which would hide that they cannot."""
    if port in proc.connected_ports(client.pid):
        raise Failure(f"{client.name} is connected by TCP")


def netcat(suite):
    """A file through a pair of netcats."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        source, copy = pathlib.Path(folder, "source"), pathlib.Path(folder, "copy")
        source.write_bytes(random.Random(2).randbytes(3_000_001))
        server = suite.start(suite.hosts.server, "server",
                             preload_shell(suite, f"nc -l -N -p {port} >{copy} </dev/null"))
        server.must_serve(port)
        client = suite.start(suite.hosts.client, "client",
                             preload_shell(suite, f"nc -N {suite.hosts.address} {port}"), stdin=subprocess.PIPE)
        client.child.stdin.write(source.read_bytes())
        client.child.stdin.flush()
        if not eventually(lambda: copy.stat().st_size == source.stat().st_size, 60):
            raise Failure("not all has arrived")
        must_not_be_tcp(client, port)
        client.child.stdin.close()
        client.must_end_well(60)
        server.must_end_well(10)
        if copy.read_bytes() != source.read_bytes():
            raise Failure("what arrived differs")


def preload_shell(suite, line):
    # Inside the launcher, which sets a preload of its own for what it starts.
    return ["sh", "-c", f"LD_PRELOAD={suite.options.preload}:$LD_PRELOAD exec {line}"]


def iperf(suite):
    port = free_port()
    server = suite.start(suite.hosts.server, "server", preload_shell(suite, f"iperf3 -s -1 -p {port}"))
    server.must_serve(port)
    client = suite.start(suite.hosts.client, "client",
                         preload_shell(suite, f"iperf3 --forceflush -c {suite.hosts.address} -p {port} -t 1"))
    if not eventually(lambda: "connected to" in client.text(), 60):
        raise Failure("iperf3 does not connect")
    must_not_be_tcp(client, port)
    client.must_end_well(60)
    server.must_end_well(10)
    if "iperf Done" not in client.text():
        raise Failure("iperf3 did not come to its end")


def echo(suite):
    """A program that waits by epoll, level-triggered and edge-triggered. Its server looks whether it is TCP."""
    clients = []
    for trigger, address in (("level", suite.hosts.address), ("edge", suite.hosts.address6)):
        port = free_port()
        echo_server(suite, address, port, trigger)
        clients.append(suite.start(suite.hosts.client, f"client of the {trigger}-triggered server",
                                   preload_shell(suite, f"{PYTHON} {ECHO} client {address} {port} 8")))
    for client in clients:
        client.must_end_well(60)


def echo_server(suite, address, port, kind, command=None):
    server = suite.start(suite.hosts.server, f"{kind} server",
                         (command or preload_shell)(suite, f"{PYTHON} {ECHO} server {address} {port} {kind}"))
    if not eventually(lambda: "listening" in server.text(), 20):
        raise Failure(f"{server.name} did not listen")
    return server


def plain_shell(_, line):
    return ["sh", "-c", f"exec {line}"]


def other_side_is_tcp(suite):
    """The client does not wait for its connections, and nobody there speaks rsockets: TCP makes them."""
    port = free_port()
    echo_server(suite, suite.hosts.address, port, "tcp", plain_shell)
    client = suite.start(suite.hosts.client, "client",
                         preload_shell(suite, f"{PYTHON} {ECHO} client {suite.hosts.address} {port} 4"))
    client.must_end_well(60)


def nobody_listens(suite):
    client = suite.start(suite.hosts.client, "client", preload_shell(
        suite, f"{PYTHON} {ECHO} client {suite.hosts.address} {free_port()} 1"))
    if client.wait(30) is None or "ConnectionRefusedError" not in client.text():
        raise Failure("the client is not told that it was refused")


def forking_shell(suite, line):
    return ["env", "RDMAV_FORK_SAFE=1"] + preload_shell(suite, line)


def forking_server(suite):
    """A process for each connection: its first use makes it an rsocket."""
    shell = forking_shell
    port = free_port()
    server = echo_server(suite, suite.hosts.address, port, "fork", shell)
    client = suite.start(suite.hosts.client, "client",
                         shell(suite, f"{PYTHON} {ECHO} client {suite.hosts.address} {port} 6"))
    client.must_end_well(60)
    if not server.running():
        raise Failure("the server has ended")


def keep_alive(suite):
    """An idle connection that is to keep alive speaks in the time that was asked for; another one does not."""
    port = free_port()
    echo_server(suite, suite.hosts.address, port, "level")
    silent, asking = (
        suite.start(suite.hosts.client, name,
                    preload_shell(suite, f"{PYTHON} {ECHO} idle {suite.hosts.address} {port} {seconds}"))
        for name, seconds in (("silent client", "never"), ("asking client", "1")))
    for client in (silent, asking):
        if not eventually(lambda client=client: "idle" in client.text(), 20):
            raise Failure(f"the {client.name} is not connected")
    # The end of what the last message has caused is not seen; of two questions the second is none of it.
    sent = proc.bytes_sent(asking.pid)
    for _ in range(2):
        if not eventually(lambda: proc.bytes_sent(asking.pid) > sent, 20):
            raise Failure("the idle connection does not speak")
        sent = proc.bytes_sent(asking.pid)
    quiet = proc.bytes_sent(silent.pid)
    if not eventually(lambda: proc.bytes_sent(asking.pid) > sent, 20):
        raise Failure("the idle connection speaks no longer")
    if proc.bytes_sent(silent.pid) != quiet:
        raise Failure("a connection speaks that was not asked to")


def main():
    opts = options(__doc__, preload="")
    need("rstream", "riostream", "rcopy", "udpong")
    suite = Suite(opts)
    few = ["-S", "all", "-I", "2", "-C", "5"]
    suite.case("rstream", stream, suite, "rstream", few)
    for variants in (["a", "r"], ["b"], ["n", "v"]):
        flags = [word for option in variants for word in ("-T", option)]
        suite.case(f"rstream {' '.join(flags)}", stream, suite, "rstream",
                   flags + ["-S", "40000", "-I", "20", "-C", "20"])
    # Plain sockets, which this library leaves alone; and under the preload, which makes them rsockets.
    for sockets, shell, ready in (("s", preload_shell, Process.must_serve), ("f", forking_shell, Process.must_listen)):
        flags = ["-T", sockets, "-T", "v", "-S", "40000", "-I", "20", "-C", "20"]
        suite.case(f"rstream -T {sockets}", stream, suite, "rstream", flags, ready=Process.must_listen)
        if opts.preload:
            suite.case(f"rstream -T {sockets}, preloaded", stream, suite, "rstream", flags, shell=shell, ready=ready)
    suite.case("rstream, IPv6, keepalive", stream, suite, "rstream", few[2:] + ["-k", "2"], suite.hosts.address6)
    gid = "::ffff:" + suite.hosts.address
    suite.case("rstream -f gid", serve_and_ask, suite, ["rstream", "-f", "gid", "-b", gid] + few[2:],
               ["rstream", "-f", "gid", "-s", gid] + few[2:])
    suite.case("riostream", stream, suite, "riostream", few)
    suite.case("riostream -T v", stream, suite, "riostream", ["-T", "v", "-S", "3000", "-I", "20"])
    suite.case("rcopy", copy_file, suite)
    suite.case("udpong", datagrams, suite, suite.hosts.address, ["-C", "100"])
    suite.case("udpong -T e, IPv6", datagrams, suite, suite.hosts.address6, ["-C", "100", "-T", "e"])
    if opts.preload:
        suite.case("netcat", netcat, suite)
        suite.case("iperf3", iperf, suite)
        suite.case("an echo server with epoll", echo, suite)
        suite.case("a TCP server", other_side_is_tcp, suite)
        suite.case("nobody listens", nobody_listens, suite)
        suite.case("a server that forks", forking_server, suite)
        if opts.hosts == "netns":
            suite.case("keepalive", keep_alive, suite)
    suite.finish()


if __name__ == "__main__":
    main()
