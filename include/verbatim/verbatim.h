/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbatim's own additions to the verbs API. verbatim_reg_global_mr() stands on documented verbs, so that a program which
 * uses it runs on any device that has these, without another library. The calls that say where memory is at home are
 * hints, and weak: in a program that runs on another library their addresses are NULL. */
#ifndef VERBATIM_VERBATIM_H
#define VERBATIM_VERBATIM_H

#include <infiniband/verbs.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * verbatim_reg_global_mr - a key for the whole address space of the process
 *
 * @pd: the protection domain
 * @access: what the key grants, of IBV_ACCESS_LOCAL_WRITE, IBV_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_WRITE and
 *   IBV_ACCESS_REMOTE_ATOMIC. The latter two need IBV_ACCESS_LOCAL_WRITE.
 *
 * Any address of the process may be named in SGEs with mr->lkey, and by peers with mr->rkey if remote access is granted.
 * Memory need not be mapped when the region is made: what is mapped when an access happens counts, with the protection
 * that it has then. An address that is not mapped, or not writable, fails the work request (IBV_WC_LOC_PROT_ERR, at a
 * requester whose peer's memory is missing IBV_WC_REM_OP_ERR) and never raises a signal. Hand an rkey of such a region
 * only to peers that may touch everything.
 *
 * Returns a region that the caller ends with ibv_dereg_mr(), or NULL and errno: EINVAL for access flags that do not fit,
 * EOPNOTSUPP on a device without implicit on-demand paging. Thread safe.
 */
static inline struct ibv_mr *verbatim_reg_global_mr(struct ibv_pd *pd, unsigned int access)
{
	return ibv_reg_mr_iova2(pd, NULL, SIZE_MAX, 0, access | IBV_ACCESS_ON_DEMAND);
}

/** What was made of the wish that a region's pages be on a node. */
enum verbatim_pages {
	VERBATIM_PAGES_NO_WISH,
	VERBATIM_PAGES_PREFER_NODE,	/* those that were there have moved; later ones come there while it has room */
	VERBATIM_PAGES_ONE_NODE,	/* the machine has one node: nothing to do */
	VERBATIM_PAGES_NOT_ITS_OWN,	/* a key for all memory: it decides about progress only */
	VERBATIM_PAGES_REFUSED		/* by the kernel: pages_errno (ENOSYS: it has no NUMA; EPERM: a sandbox) */
};

struct verbatim_placement {
	int cpu;			/* that was named, or -1 */
	int node;			/* that was named, or the CPU's; -1: none */
	enum verbatim_pages pages;
	int pages_errno;
	int page_node;			/* where the region's first page is now; -1: not in memory, or not known */
};

struct verbatim_progress {
	int nodes;			/* NUMA nodes of the machine */
	int confined;			/* 1: to `cpus`, because regions or completion queues name nodes */
	cpu_set_t cpus;			/* where the engine's helper thread may run */
};

/**
 * verbatim_place_mr - says on which CPU or NUMA node the memory of a region is at home
 *
 * @mr: the region
 * @cpu: the CPU that works on the memory, or -1
 * @node: the NUMA node that holds the memory, or -1; not needed with @cpu
 *
 * The pages of the region are asked to be on the node (mbind(2), MPOL_PREFERRED), and the engine's helper thread, which
 * makes progress for all queue pairs while no thread of the program polls, runs on CPUs of the nodes that regions and
 * completion queues name: never on others than the process may use. Replaces what was said before; -1 twice takes it
 * back. It ends with the region. ibv_reg_mr_ex() with a DMA handle that names a CPU does the same, and so does a
 * completion vector other than 0, for progress: vector v stands for the v-th CPU of the process, counted in a circle.
 *
 * Returns 0, EINVAL for a CPU or a node that is not there or do not belong together, EOPNOTSUPP for a region of another
 * device. Thread safe, but for calls on one region.
 */
int verbatim_place_mr(struct ibv_mr *mr, int cpu, int node) __attribute__((weak));

/** verbatim_query_mr_placement - what was said of a region, and what was made of it. 0 or EOPNOTSUPP, as above. */
int verbatim_query_mr_placement(const struct ibv_mr *mr, struct verbatim_placement *placement) __attribute__((weak));

/** verbatim_query_progress - where the helper thread may run. 0 or EOPNOTSUPP, as above. Thread safe. */
int verbatim_query_progress(const struct ibv_context *context, struct verbatim_progress *progress) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
