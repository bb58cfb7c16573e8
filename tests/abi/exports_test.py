# SPDX-License-Identifier: BSD-2-Clause
"""The doors export what the system's libraries export: names, versions, default marks, kinds. What they export besides
is of newer releases' nodes, or named here."""
import os
import re
import subprocess
import unittest

import doors

NEWER = re.compile(r"@@IBVERBS_1\.1[5-8]$|@@RDMACM_1\.[45]$|@@?IBVERBS_PRIVATE_(57|59|64|65)$|@@VERBATIM_1\.0$")
# The release 49 put it into a node that older releases have as well.
BESIDES = {"ibv_wr_opcode_str@@IBVERBS_PRIVATE_34"}
# OFED's libraries had them; upstream's never did.
BESIDES |= {f"ibv_{name}@@IBVERBS_1.1" for name in (
    "open_xrc_domain", "close_xrc_domain", "create_xrc_srq", "create_xrc_rcv_qp", "modify_xrc_rcv_qp",
    "query_xrc_rcv_qp", "reg_xrc_rcv_qp", "unreg_xrc_rcv_qp")}


def exports(path):
    """symbol@version or symbol@@version, with "function" or "data"."""
    lines = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", path], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    fields = [line.split() for line in lines]
    return {(name, "function" if kind in "Tt" else "data") for _, kind, name in fields if kind in "TtBbDdRr" and "@" in name}


class Exports(unittest.TestCase):
    def test_both_doors_export_the_systems_symbols(self):
        for door in doors.DOORS:
            with self.subTest(door):
                ours = exports(os.path.join(doors.LIBDIR, door))
                system = exports(os.path.join(doors.SYSTEM_LIBDIR, door))
                self.assertGreater(len(system), 60)
                self.assertEqual(sorted(system - ours), [], "missing")
                besides = [name for name, _ in ours - system if not NEWER.search(name) and name not in BESIDES]
                self.assertEqual(besides, [], "neither the system's nor a newer release's")

    def test_newer_releases_symbols_are_there(self):
        ours = {name for door in doors.DOORS for name, _ in exports(os.path.join(doors.LIBDIR, door))}
        for name in ("ibv_reg_mr_ex@@IBVERBS_1.15", "ibv_query_port_speed@@IBVERBS_1.16", "ibv_alloc_buf@@IBVERBS_1.17",
                     "ibv_create_comp_cntr@@IBVERBS_1.18", "rdma_resolve_addrinfo@@RDMACM_1.4",
                     "repoll_create@@RDMACM_1.5", "verbs_register_driver_65@@IBVERBS_PRIVATE_65"):
            self.assertIn(name, ours)
        for node in (34, 57, 59, 64, 65):
            for symbol in ("ibv_query_gid_type", "ibv_wr_opcode_str", "verbs_allow_disassociate_destroy"):
                self.assertIn(f"{symbol}{'@@' if node == 34 else '@'}IBVERBS_PRIVATE_{node}", ours)

    def test_the_engine_exports_only_its_entry_points(self):
        names = exports(os.path.join(doors.LIBDIR, "libverbatim.so.0"))
        wrong = [name for name, _ in names if not name.startswith("vb_") or not name.endswith("@@VERBATIM_PRIVATE_0")]
        self.assertEqual(wrong, [])


unittest.main(verbosity=2)
