/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbatim's own additions to the verbs API. They stand on documented verbs, so that a program which uses them runs on
 * any device that has these, without another library. */
#ifndef VERBATIM_VERBATIM_H
#define VERBATIM_VERBATIM_H

#include <infiniband/verbs.h>
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

#ifdef __cplusplus
}
#endif

#endif
