/* SPDX-License-Identifier: BSD-2-Clause */
/* Targets of the dynamically connected transport: any initiator that knows number and key sends to them. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_DCT_H
#define VERBATIM_INFINIBAND_VERBS_EXP_DCT_H
#pragma GCC system_header

#include <infiniband/verbs_exp/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ibv_exp_dct_init_attr_comp_mask { IBV_EXP_DCT_INIT_ATTR_RESERVED = 1 };

enum ibv_exp_dct_create_flags { IBV_EXP_DCT_OOO_RW_DATA_PLACEMENT = 1, IBV_EXP_DCT_CREATE_FLAGS_MASK = 1 };

struct ibv_exp_dct_init_attr {
  struct ibv_pd* pd;
  struct ibv_cq* cq;
  struct ibv_srq* srq;
  uint64_t dc_key;
  uint8_t port;
  uint32_t access_flags;
  uint8_t min_rnr_timer;
  uint8_t tclass;
  uint32_t flow_label;
  enum ibv_mtu mtu;
  uint8_t pkey_index;
  uint8_t gid_index;
  uint8_t hop_limit;
  uint32_t inline_size;
  uint32_t create_flags;
  uint32_t comp_mask;
};

enum { IBV_EXP_DCT_STATE_ACTIVE = 0, IBV_EXP_DCT_STATE_DRAINING = 1, IBV_EXP_DCT_STATE_DRAINED = 2 };

enum ibv_exp_dct_attr_comp_mask { IBV_EXP_DCT_ATTR_RESERVED = 1 };

struct ibv_exp_dct_attr {
  uint64_t dc_key;
  uint8_t port;
  uint32_t access_flags;
  uint8_t min_rnr_timer;
  uint8_t tclass;
  uint32_t flow_label;
  enum ibv_mtu mtu;
  uint8_t pkey_index;
  uint8_t gid_index;
  uint8_t hop_limit;
  uint32_t key_violations;
  uint8_t state;
  struct ibv_srq* srq;
  struct ibv_cq* cq;
  struct ibv_pd* pd;
  uint32_t comp_mask;
};

enum ibv_exp_arm_attr_comp_mask { IBV_EXP_ARM_ATTR_RESERVED = 1 };

struct ibv_exp_arm_attr {
  uint32_t comp_mask;
};

struct ibv_exp_dct {
  struct ibv_context* context;
  uint32_t handle;
  uint32_t dct_num;
  struct ibv_pd* pd;
  struct ibv_srq* srq;
  struct ibv_cq* cq;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  uint32_t events_completed;
};

#ifdef __cplusplus
}
#endif

#endif
