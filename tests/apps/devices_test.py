#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""ibv_devices and ibv_devinfo show one device, with every attribute that real programs insist on."""

import re

from harness import judge
from harness.process import Failure
from harness.suite import Suite, need, options

# (attribute, least value, greatest value)
NUMBERS = [
    ("phys_port_cnt", 1, 1), ("max_qp", 65536, 2**24), ("max_qp_wr", 16384, 2**31 - 1), ("max_sge", 16, 1024),
    ("max_sge_rd", 1, 1024), ("max_cq", 1024, 2**24), ("max_cqe", 2**20, 2**31 - 1), ("max_mr", 1024, 2**31 - 1),
    ("max_pd", 1024, 2**31 - 1), ("max_qp_rd_atom", 16, 255), ("max_qp_init_rd_atom", 16, 255),
    ("max_res_rd_atom", 16, 2**31 - 1), ("max_srq", 1, 2**24), ("max_srq_wr", 16384, 2**31 - 1),
    ("max_srq_sge", 1, 1024), ("max_pkeys", 1, 65535), ("num_comp_vectors", 1, 65535), ("port_lid", 0, 0),
    ("gid_tbl_len", 2, 1024), ("pkey_tbl_len", 1, 128), ("max_msg_sz", 2**30, 2**32 - 1),
    ("max_mr_size", 2**40, 2**64 - 1), ("page_size_cap", 4096, 2**64 - 1), ("vendor_id", 1, 0xFFFFFE),
    ("vendor_part_id", 1, 2**32 - 1),
]
WORDS = [
    ("transport", r"InfiniBand \(0\)"), ("fw_ver", r"\d.*"), ("atomic_cap", r"ATOMIC_(HCA|GLOB) \(\d\)"),
    ("state", r"PORT_ACTIVE \(4\)"), ("max_mtu", r"4096 \(5\)"), ("active_mtu", r"4096 \(5\)"),
    ("link_layer", "Ethernet"), ("phys_state", r"LINK_UP \(5\)"), ("active_speed", r"\d+\.\d Gbps \(\d+\)"),
    ("active_width", r"\d+X \(\d+\)"), ("hca_core_clock", r"[1-9]\d*kHZ"),
    ("completion timestamp_mask", "0xffffffffffffffff"),
    ("node_guid", r"(?!0000:0000:0000:0000)[0-9a-f:]{19}"), ("sys_image_guid", r"(?!0000:0000:0000:0000)[0-9a-f:]{19}"),
]
# Vendors whose quirks programs know: none of them is ours.
KNOWN_VENDORS = {0x1D0F, 0x8086, 0x02C9, 5157, 0x15B3, 0x1DD8, 0x1F0F, 0x1F67, 0x209B}


class Devices:
    def __init__(self, suite):
        self.suite = suite
        self.side = suite.hosts.server

    def run(self, command):
        process = self.suite.start(self.side, command[0], command)
        process.must_end_well(10)
        return process.text()

    def list(self):
        """Exactly our device, with its GUID."""
        rows = re.findall(r"^\s+(\S+)\s+([0-9a-f]{16})$", self.run(["ibv_devices"]), re.MULTILINE)
        if [row[0] for row in rows] != [self.side.device] or int(rows[0][1], 16) == 0:
            raise Failure(f"ibv_devices shows {rows} instead of {self.side.device} and a GUID")

    def names(self):
        text = self.run(["ibv_devinfo", "-l"])
        if "1 HCA found" not in text or self.side.device not in text.split():
            raise Failure("ibv_devinfo -l does not list the device")

    def attributes(self):
        values = judge.fields(self.run(["ibv_devinfo", "-v", "-d", self.side.device]))
        wrong = [f"{name} is {values.get(name)!r}" for name, pattern in WORDS
                 if not re.fullmatch(pattern, values.get(name, ""))]
        for name, least, greatest in NUMBERS:
            number = re.match(r"0x[0-9a-fA-F]+|\d+", values.get(name, ""))
            if not number or not least <= int(number[0], 0) <= greatest:
                wrong.append(f"{name} is {values.get(name)!r}, not in {least}..{greatest}")
        if int(values.get("vendor_id", "0"), 0) in KNOWN_VENDORS:
            wrong.append("vendor_id is a known vendor's")
        if wrong:
            raise Failure("; ".join(wrong))

    def gids(self):
        """0 is no v4-mapped entry, 1 is one, and it is the only one of its address; all are RoCE v2."""
        text = self.run(["ibv_devinfo", "-v", "-d", self.side.device])
        gids = {int(index): gid for index, gid in re.findall(r"GID\[\s*(\d+)\]:\s+(\S+), RoCE v2", text)}
        if not gids.get(0, "").startswith("fe80::") or not re.fullmatch(r"::ffff:[0-9.]+", gids.get(1, "")):
            raise Failure(f"GID table {gids}")
        if self.suite.options.hosts == "netns" and gids[1] != f"::ffff:{self.suite.hosts.address}":
            raise Failure(f"GID 1 is {gids[1]}, the interface has {self.suite.hosts.address}")
        if text.count("GID[") != len(gids):
            raise Failure("a GID is not RoCE v2")

    def bad_port(self):
        """A port that is not there is refused."""
        process = self.suite.start(self.side, "ibv_devinfo", ["ibv_devinfo", "-i", "2"])
        if process.wait(10) == 0 or "Invalid port" not in process.text():
            raise Failure("port 2 was accepted")


def main():
    opts = options(__doc__)
    need("ibv_devices", "ibv_devinfo")
    suite = Suite(opts)
    devices = Devices(suite)
    for case in (devices.list, devices.names, devices.attributes, devices.gids, devices.bad_port):
        suite.case(case.__name__, case)
    suite.finish()


if __name__ == "__main__":
    main()
