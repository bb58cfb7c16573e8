/* SPDX-License-Identifier: BSD-2-Clause */
/* Attributes as the kernel's interface has them (rdma/ib_user_verbs.h), and as verbs have them. */
#ifndef INFINIBAND_MARSHALL_H
#define INFINIBAND_MARSHALL_H

#include <infiniband/sa.h>
#include <infiniband/verbs.h>
#include <rdma/ib_user_sa.h>
#include <rdma/ib_user_verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

void ibv_copy_qp_attr_from_kern(struct ibv_qp_attr* to, const struct ib_uverbs_qp_attr* from);
void ibv_copy_ah_attr_from_kern(struct ibv_ah_attr* to, const struct ib_uverbs_ah_attr* from);
void ibv_copy_path_rec_from_kern(struct ibv_sa_path_rec* to, const struct ib_user_path_rec* from);
void ibv_copy_path_rec_to_kern(struct ib_user_path_rec* to, const struct ibv_sa_path_rec* from);

#ifdef __cplusplus
}
#endif

#endif
