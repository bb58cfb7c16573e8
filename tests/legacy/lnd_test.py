#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Eight nodes of the network driver, from five API levels, each with its era's registration, in one network: all with
all, the death of one and its return, and one that stops."""

import os
import signal

from kmod import Failure, Module, Suite, free_port, options

NODES = 8
COUNT = 3
VICTIM = 2
SILENCE = 3  # seconds: three times what a keepalive needs


class Network:
    def __init__(self, suite, modules):
        self.suite, self.modules = suite, modules
        self.ports = [free_port() for _ in range(NODES)]
        self.nodes = [self.start(nid) for nid in range(NODES)]
        self.must_be_up(range(NODES))
        self.rounds = [0] * NODES

    def start(self, nid):
        """Every module several times, and each at more than one place in the order that decides who connects to whom."""
        module = self.modules[nid % len(self.modules)]
        return Module(self.suite, f"node {nid}", [module, f"nid={nid}", f"ports={','.join(map(str, self.ports))}"])

    def must_be_up(self, nids):
        for nid in nids:
            self.nodes[nid].must_say(f"lnd {nid}: up")

    def traffic(self):
        """All nodes with all others, at the same time; both ends of every operation look at the data."""
        for nid, node in enumerate(self.nodes):
            self.rounds[nid] += 1
            node.command(f"traffic {COUNT}")
        for nid, node in enumerate(self.nodes):
            node.must_say(f"lnd {nid}: traffic", times=self.rounds[nid])
            if "traffic failed" in node.text():
                raise Failure(f"traffic of node {nid} failed")

    def end(self):
        for node in self.nodes:
            node.close()
        for nid, node in enumerate(self.nodes):
            node.must_end_well(30)
            if f"lnd {nid}: down" not in node.text():
                raise Failure(f"node {nid} did not go down")


def all_with_all(suite, modules):
    network = Network(suite, modules)
    network.traffic()
    network.traffic()
    network.end()


def death_and_return(suite, modules):
    network = Network(suite, modules)
    network.traffic()
    network.nodes[VICTIM].kill()
    others = [nid for nid in range(NODES) if nid != VICTIM]
    for nid in others:
        network.nodes[nid].command(f"dead {VICTIM}")
    for nid in others:
        network.nodes[nid].must_say(f"{VICTIM} is dead")
    network.nodes[VICTIM].close()
    network.nodes[VICTIM] = network.start(VICTIM)
    network.must_be_up([VICTIM])
    network.rounds[VICTIM] = 0
    network.traffic()
    network.end()


def keepalive(suite, modules):
    """Nobody asks for anything: idle connections are kept alive, and one whose other end has stopped is found out. When
    it goes on, it finds new connections."""
    network = Network(suite, modules)
    network.traffic()
    others = [nid for nid in range(NODES) if nid != VICTIM]
    for nid in others:
        network.nodes[nid].must_say(f"lnd {nid}: {VICTIM} keeps alive")
        network.nodes[VICTIM].must_say(f"lnd {VICTIM}: {nid} keeps alive")
    os.kill(network.nodes[VICTIM].pid, signal.SIGSTOP)
    try:
        for nid in others:
            network.nodes[nid].command(f"silence {VICTIM} {SILENCE}")
        for nid in others:
            network.nodes[nid].must_say(f"lnd {nid}: {VICTIM} is silent")
            network.nodes[nid].command(f"silence {VICTIM} 0")
    finally:
        os.kill(network.nodes[VICTIM].pid, signal.SIGCONT)
    for nid in others:
        network.nodes[VICTIM].must_say(f"lnd {VICTIM}: connection with {nid} ends")
    network.traffic()
    network.end()


suite = Suite(options(__doc__, kmod="", modules=""))
eras = suite.options.modules.split(",")
suite.case("all with all", all_with_all, suite, eras)
suite.case("death and return", death_and_return, suite, eras)
suite.case("keepalive", keepalive, suite, eras)
suite.finish()
