#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Connections whose peer is killed, stopped, cut off or hostile at each step: the right event comes, and both sides
that are left live on."""

import os
import random
import re
import signal
import subprocess

from harness import cm_wire
from harness.cm_wire import Peer
from harness.hosts import ip
from harness.ports import free_port
from harness.process import Failure
from harness.steps import Steps
from harness.suite import Suite, options

TIMED_OUT = "-110"
GIVES_UP = 60  # seconds: requests and disconnections are sent for some 24


class Pair:
    """A listener and a client that has resolved its address."""

    def __init__(self, suite):
        self.suite, self.port = suite, free_port()
        self.server = Steps(suite, suite.hosts.server, "server")
        self.server.must(f"listen {suite.hosts.address} {self.port}")
        self.client = self.another_client()

    def another_client(self):
        client = Steps(self.suite, self.suite.hosts.client, "client")
        client.resolve(self.suite.hosts.address, self.port)
        return client

    def request(self):
        self.client.must("connect")
        self.server.must_see("CONNECT_REQUEST 0")
        return self

    def establish(self):
        self.request().server.must("accept")
        self.client.must_see("ESTABLISHED 0")
        self.server.must_see("ESTABLISHED 0")
        return self

    def must_live_on(self):
        """The server that is left takes another connection."""
        self.client = self.another_client()
        self.establish()
        self.client.must("disconnect")
        self.server.must_see("DISCONNECTED 0")
        self.server.must("disconnect")
        self.client.must_see("DISCONNECTED 0")


def listener_killed_before_it_looks(suite):
    pair = Pair(suite)
    os.kill(pair.server.process.pid, signal.SIGSTOP)
    pair.client.must("connect")
    pair.client.must_see_nothing()
    pair.server.process.kill()
    pair.client.must_see("REJECTED 8")


def listener_killed_while_it_thinks(suite):
    pair = Pair(suite).request()
    pair.server.process.kill()
    pair.client.must_see("REJECTED 28")


def client_killed_before_the_answer(suite):
    pair = Pair(suite).request()
    pair.client.process.kill()
    accepted = pair.server.say("accept")
    if accepted == "0":
        pair.server.must_see("REJECTED 28")
    elif accepted != "22":
        raise Failure(f"accept: {accepted}")
    pair.server.must("destroy")
    pair.must_live_on()


def client_killed_before_it_establishes(suite):
    pair = Pair(suite).request()
    os.kill(pair.client.process.pid, signal.SIGSTOP)
    pair.server.must("accept")
    pair.server.must_see_nothing()
    pair.client.process.kill()
    pair.server.must_see("REJECTED 28")
    pair.server.must("destroy")
    pair.must_live_on()


def client_killed_while_connected(suite):
    pair = Pair(suite).establish()
    pair.client.process.kill()
    pair.server.must_see("DISCONNECTED 0")
    pair.server.must("disconnect")
    pair.server.must("destroy")
    pair.must_live_on()


def server_killed_while_it_is_left(suite):
    pair = Pair(suite).establish()
    pair.client.must("disconnect")
    pair.server.must_see("DISCONNECTED 0")
    pair.client.must_see_nothing()
    pair.server.process.kill()
    pair.client.must_see("DISCONNECTED 0")


# --- the network -------------------------------------------------------------------------------------------------


def link_lost(suite):
    """One loss meets pairs at every step; it is waited for once."""
    idle, asked, connected, left = Pair(suite), Pair(suite).request(), Pair(suite).establish(), Pair(suite).establish()
    namespace = suite.hosts.names[1]
    ip("-n", namespace, "link", "set", "vclient", "down")
    lost = Steps(suite, suite.hosts.client, "client without a link")
    lost.must(f"resolve {suite.hosts.address} {idle.port}", "101")  # ENETUNREACH
    idle.client.must("connect")
    asked.server.must("accept")
    left.client.must("disconnect")
    waiting = {
        "connecting": (idle.client, [f"UNREACHABLE {TIMED_OUT}"]),
        "asked": (asked.client, [f"UNREACHABLE {TIMED_OUT}"]),
        "accepting": (asked.server, [f"UNREACHABLE {TIMED_OUT}"]),
        "leaving": (left.client, [f"DISCONNECTED {TIMED_OUT}", "DISCONNECTED 0"]),
        "connected, client": (connected.client, ["DISCONNECTED 0"]),
        "connected, server": (connected.server, ["DISCONNECTED 0"]),
    }
    for steps, _ in waiting.values():
        steps.begin(f"event {GIVES_UP * 1000}")
    for name, (steps, events) in waiting.items():
        event = steps.end(GIVES_UP + 10)
        if event not in events:
            raise Failure(f"{name}: {event} instead of {events[0]}")
    ip("-n", namespace, "link", "set", "vclient", "up")
    suite.hosts.wait_for_links()
    idle.must_live_on()
    left.server.process.kill()


NOBODY, LATE, NO_DEVICE = "10.81.7.99", "10.81.7.98", "10.81.9.1"


def nowhere(suite):
    """Addresses that lead nowhere: the call or an event says so, and another one may be tried."""
    pair = Pair(suite)
    server, client = suite.hosts.names
    suite.hosts.add_link(client, "plain", f"{NO_DEVICE}/24")
    ip("-n", client, "route", "add", "unreachable", "203.0.113.0/24")
    steps = Steps(suite, suite.hosts.client, "another client")
    steps.must(f"resolve {NO_DEVICE} {pair.port}")
    steps.must_see("ADDR_ERROR -19")  # ENODEV: it is of this host, and no device's
    steps.must(f"again 1000 203.0.113.1 {pair.port}", "113")  # EHOSTUNREACH
    steps.must(f"again 1000 192.0.2.1 {pair.port}", "101")  # ENETUNREACH
    steps.must(f"again 500 {NOBODY} {pair.port}")
    steps.must_see(f"ADDR_ERROR {TIMED_OUT}")
    steps.must("route", "22")
    steps.must(f"again {GIVES_UP * 1000} {LATE} {pair.port}")
    steps.must("route", "22")
    ip("-n", server, "addr", "add", f"{LATE}/24", "dev", "vserver")
    steps.must_see("ADDR_RESOLVED 0")
    steps.must("destroy")
    ip("-n", server, "addr", "del", f"{LATE}/24", "dev", "vserver")
    ip("-n", client, "route", "del", "unreachable", "203.0.113.0/24")
    ip("-n", client, "link", "del", "plain")
    pair.must_live_on()


KINDS = [cm_wire.REQUEST, cm_wire.WAIT, cm_wire.REPLY, cm_wire.READY, cm_wire.REJECT, cm_wire.DISCONNECT,
         cm_wire.DISCONNECTED, cm_wire.INQUIRE, cm_wire.INFORM]


def nft(namespace, *command):
    done = subprocess.run(["ip", "netns", "exec", namespace, "nft", *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"nft {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def lose_every_other(namespace):
    """Of each kind of message that leaves: the first is lost, the second is not, and so on."""
    nft(namespace, "add", "table", "inet", "lossy")
    nft(namespace, "add", "chain", "inet", "lossy", "out", "{ type filter hook output priority 0; }")
    magic = int.from_bytes(cm_wire.MAGIC.to_bytes(4, "little"), "big")
    for kind in KINDS:
        nft(namespace, "add", "rule", "inet", "lossy", "out", f"meta l4proto udp @th,64,32 {magic} @th,104,8 {kind}",
            "numgen inc mod 2 < 1 counter drop")


def lost_kinds(namespace):
    text = nft(namespace, "list", "chain", "inet", "lossy", "out")
    counts = [int(each) for each in re.findall(r"counter packets (\d+)", text)]
    return {kind for kind, count in zip(KINDS, counts, strict=True) if count}


def lossy_path(suite):
    """What is lost is sent again, what comes twice is heard once: each side sees what it would see without loss."""
    pair = Pair(suite)
    services = [Steps(suite, side, name) for side, name in
                ((suite.hosts.server, "service"), (suite.hosts.client, "its client"))]
    for namespace in suite.hosts.names:
        lose_every_other(namespace)
    try:
        pair.must_live_on()
        pair.server.must_see("TIMEWAIT_EXIT 0")
        pair.client.must_see("TIMEWAIT_EXIT 0")
        refused(suite, pair)
        inquired(suite, *services)
        lost = set.union(*(lost_kinds(namespace) for namespace in suite.hosts.names))
    finally:
        for namespace in suite.hosts.names:
            nft(namespace, "delete", "table", "inet", "lossy")
    if lost != set(KINDS):
        raise Failure(f"of these kinds of messages none was lost: {set(KINDS) - lost}")


def refused(suite, pair):
    client = pair.another_client()
    client.must("connect")
    pair.server.must_see("CONNECT_REQUEST 0")
    pair.server.must("reject")
    client.must_see("REJECTED 28")
    for steps in (client, pair.server):
        steps.must_see_nothing()
    pair.server.must("destroy")


def inquired(suite, service, client):
    port = free_port()
    for steps in (service, client):
        steps.must("datagrams")
    service.must(f"listen {suite.hosts.address} {port}")
    client.resolve(suite.hosts.address, port)
    client.must("connect")
    service.must_see("CONNECT_REQUEST 0")
    service.must("accept")
    client.must_see("ESTABLISHED 0")
    for steps in (service, client):
        steps.must_see_nothing()


# --- hostile peers -----------------------------------------------------------------------------------------------


def malformed(suite):
    pair = Pair(suite)
    peer = Peer(suite.hosts.address, pair.port)
    for datagram in cm_wire.malformed(pair.port, 500):
        peer.send(datagram)
    pair.server.must_see_nothing()
    pair.must_live_on()


def replayed(suite):
    """Every message comes several times, at its time and afterwards."""
    pair = Pair(suite)
    server, peer = pair.server, Peer(suite.hosts.address, pair.port)
    request = cm_wire.request(peer.number, pair.port)
    peer.send(request)
    peer.must_hear(cm_wire.WAIT)
    server.must_see("CONNECT_REQUEST 0")
    peer.send(request, peer.listener)
    peer.must_hear(cm_wire.WAIT)
    server.must_see_nothing()
    server.must("accept")
    peer.must_hear(cm_wire.REPLY)
    for _ in range(3):
        peer.say(cm_wire.READY)
    server.must_see("ESTABLISHED 0")
    peer.send(request, peer.listener)
    server.must_see_nothing()
    for _ in range(3):
        peer.say(cm_wire.DISCONNECT)
    server.must_see("DISCONNECTED 0")
    server.must_see_nothing()
    server.must("disconnect")
    peer.must_hear(cm_wire.DISCONNECTED)
    peer.say(cm_wire.DISCONNECT)
    peer.must_hear(cm_wire.DISCONNECTED)
    peer.send(request, peer.listener)
    server.must_see("TIMEWAIT_EXIT 0")
    server.must("destroy")
    pair.must_live_on()


def impostor(suite):
    """Another process of the host knows the ports, and not the numbers."""
    pair = Pair(suite)
    server, peer, other = pair.server, Peer(suite.hosts.address, pair.port), Peer(suite.hosts.address, pair.port)
    peer.send(cm_wire.request(peer.number, pair.port))
    peer.must_hear(cm_wire.WAIT)
    server.must_see("CONNECT_REQUEST 0")
    server.must("accept")
    peer.must_hear(cm_wire.REPLY)
    other.home = peer.home
    for kind in (cm_wire.READY, cm_wire.REJECT, cm_wire.DISCONNECT, cm_wire.WAIT, cm_wire.REPLY):
        other.say(kind, other.number, peer.theirs)
        other.say(kind, peer.number, random.getrandbits(64))
    server.must_see_nothing(0.1)
    peer.say(cm_wire.READY)
    server.must_see("ESTABLISHED 0")
    for kind in (cm_wire.REJECT, cm_wire.DISCONNECT, cm_wire.PROBE):
        other.say(kind, other.number, peer.theirs)
        other.say(kind, peer.number, random.getrandbits(64))
    server.must_see_nothing(0.1)
    peer.say(cm_wire.DISCONNECT)
    server.must_see("DISCONNECTED 0")
    server.must("destroy")
    pair.must_live_on()


def main():
    opts = options(__doc__, program="")
    suite = Suite(opts)
    suite.case("a listener that is killed before it looks", listener_killed_before_it_looks, suite)
    suite.case("a listener that is killed while it thinks", listener_killed_while_it_thinks, suite)
    suite.case("a client that is killed before the answer", client_killed_before_the_answer, suite)
    suite.case("a client that is killed before it establishes", client_killed_before_it_establishes, suite)
    suite.case("a client that is killed while connected", client_killed_while_connected, suite)
    suite.case("a server that is killed while it is left", server_killed_while_it_is_left, suite)
    if opts.hosts == "netns":
        suite.case("addresses that lead nowhere", nowhere, suite)
        suite.case("a lossy path", lossy_path, suite)
        suite.case("a lost link", link_lost, suite)
    else:
        suite.case("malformed messages", malformed, suite)
        suite.case("replayed messages", replayed, suite)
        suite.case("an impostor", impostor, suite)
    suite.finish()


if __name__ == "__main__":
    main()
