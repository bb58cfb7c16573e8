/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's symbol table, as libfabric sees it. */
#pragma once

/* Whether `path` is the table of the kernel's symbols, `caller` a return address in libfabric, and this host without
 * RDMA devices of the kernel's. libfabric's verbs provider looks there, twice and line by line, for what the kernel's
 * RDMA core can do, whenever a process initialises libfabric: a third of a second for each program. Without a device
 * the answer matters to nobody. */
int vb_view_hides_symbols(const char* path, const void* caller);
