// SPDX-License-Identifier: BSD-2-Clause
// Functions that libibverbs.so.1 exports and no installed header declares. Kernel layouts: rdma/ib_user_verbs.h.
#pragma once

#include <infiniband/ofa_verbs.h>
#include <infiniband/sa.h>
#include <infiniband/verbatim.h>
#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>
#include <rdma/ib_user_sa.h>
#include <rdma/ib_user_verbs.h>
#include <verbatim/verbatim.h>

#undef ibv_get_device_list
#undef ibv_query_port
#undef ibv_reg_mr
#undef ibv_reg_mr_iova

/// What ibv_query_gid_type answers.
enum ibv_gid_type_sysfs { IBV_GID_TYPE_SYSFS_IB_ROCE_V1, IBV_GID_TYPE_SYSFS_ROCE_V2 };

extern "C" {
int ibv_query_gid_type(ibv_context* context, uint8_t port, unsigned index, ibv_gid_type_sysfs* type);
const char* ibv_get_sysfs_path(void);
int ibv_read_sysfs_file(const char* directory, const char* file, char* buffer, size_t size);
void ibv_copy_ah_attr_from_kern(ibv_ah_attr* to, const ib_uverbs_ah_attr* from);
void ibv_copy_qp_attr_from_kern(ibv_qp_attr* to, const ib_uverbs_qp_attr* from);
void ibv_copy_path_rec_from_kern(ibv_sa_path_rec* to, const ib_user_path_rec* from);
void ibv_copy_path_rec_to_kern(ib_user_path_rec* to, const ibv_sa_path_rec* from);
}
