/* SPDX-License-Identifier: BSD-2-Clause */
/* Registration, memory windows, device memory. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_CALL_MEMORY_H
#define VERBATIM_INFINIBAND_VERBS_EXP_CALL_MEMORY_H
#pragma GCC system_header

#include <infiniband/verbs_exp/table.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline struct ibv_mr* ibv_exp_reg_mr(struct ibv_exp_reg_mr_in* in) {
  VERBATIM_EXP_POINTER(in->pd->context, lib_exp_reg_mr, in);
}

/* Brings pages of an on-demand region in. */
static inline int ibv_exp_prefetch_mr(struct ibv_mr* mr, struct ibv_exp_prefetch_attr* attr) {
  VERBATIM_EXP_INT(mr->context, lib_exp_prefetch_mr, mr, attr);
}

static inline int ibv_exp_bind_mw(struct ibv_exp_mw_bind* mw_bind) {
  VERBATIM_EXP_INT(mw_bind->mw->context, lib_exp_bind_mw, mw_bind);
}

static inline struct ibv_exp_dm* ibv_exp_alloc_dm(struct ibv_context* context, struct ibv_exp_alloc_dm_attr* attr) {
  VERBATIM_EXP_POINTER(context, exp_alloc_dm, context, attr);
}

static inline int ibv_exp_free_dm(struct ibv_exp_dm* dm) { VERBATIM_EXP_INT(dm->context, exp_free_dm, dm); }

static inline int ibv_exp_memcpy_dm(struct ibv_exp_dm* dm, struct ibv_exp_memcpy_dm_attr* attr) {
  VERBATIM_EXP_INT(dm->context, exp_memcpy_dm, dm, attr);
}

static inline struct ibv_mr* ibv_exp_create_mr(struct ibv_exp_create_mr_in* in) {
  VERBATIM_EXP_POINTER(in->pd->context, lib_exp_create_mr, in);
}

static inline int ibv_exp_query_mkey(struct ibv_mr* mr, struct ibv_exp_mkey_attr* attr) {
  VERBATIM_EXP_INT(mr->context, lib_exp_query_mkey, mr, attr);
}

static inline struct ibv_exp_mkey_list_container* ibv_exp_alloc_mkey_list_memory(
    struct ibv_exp_mkey_list_container_attr* attr) {
  VERBATIM_EXP_POINTER(attr->pd->context, lib_exp_alloc_mkey_list_memory, attr);
}

static inline int ibv_exp_dealloc_mkey_list_memory(struct ibv_exp_mkey_list_container* mem) {
  VERBATIM_EXP_INT(mem->context, lib_exp_dealloc_mkey_list_memory, mem);
}

/* Sharing between processes was gone before 4.6. */
static inline struct ibv_mr* ibv_exp_reg_shared_mr(struct ibv_exp_reg_shared_mr_in* in) {
  (void)in;
  errno = ENOSYS;
  return NULL;
}

#ifdef __cplusplus
}
#endif

#endif
