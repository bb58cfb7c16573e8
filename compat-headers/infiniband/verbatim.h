/* SPDX-License-Identifier: BSD-2-Clause */
/* What Verbatim has and verbs have not. Weak: in a program that runs on another library the address is NULL. */
#ifndef VERBATIM_INFINIBAND_VERBATIM_H
#define VERBATIM_INFINIBAND_VERBATIM_H

#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The hints of the DMA handle that a region was registered with (ibv_reg_mr_ex): comp_mask says which are set. 0, or
 * ENODATA: registered without one; EOPNOTSUPP: a region of another device. */
int verbatim_query_mr_hints(const struct ibv_mr* mr, struct ibv_dmah_init_attr* hints) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
