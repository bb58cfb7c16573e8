/* SPDX-License-Identifier: BSD-2-Clause */
/* Erasure coding. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_CALC_H
#define VERBATIM_INFINIBAND_VERBS_EXP_CALC_H
#pragma GCC system_header

#include <infiniband/verbs_exp/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ibv_exp_ec_calc_attr_comp_mask {
  IBV_EXP_EC_CALC_ATTR_MAX_INFLIGHT = 1 << 0,
  IBV_EXP_EC_CALC_ATTR_K = 1 << 1,
  IBV_EXP_EC_CALC_ATTR_M = 1 << 2,
  IBV_EXP_EC_CALC_ATTR_W = 1 << 3,
  IBV_EXP_EC_CALC_ATTR_MAX_DATA_SGE = 1 << 4,
  IBV_EXP_EC_CALC_ATTR_MAX_CODE_SGE = 1 << 5,
  IBV_EXP_EC_CALC_ATTR_ENCODE_MAT = 1 << 6,
  IBV_EXP_EC_CALC_ATTR_AFFINITY = 1 << 7,
  IBV_EXP_EC_CALC_ATTR_POLLING = 1 << 8,
  IBV_EXP_EC_CALC_INIT_ATTR_RESERVED = 1 << 9
};

struct ibv_exp_ec_calc_init_attr {
  uint32_t comp_mask;
  uint32_t max_inflight_calcs;
  int k;
  int m;
  int w;
  int max_data_sge;
  int max_code_sge;
  uint8_t* encode_matrix;
  int affinity_hint;
  int polling;
};

enum ibv_exp_ec_status { IBV_EXP_EC_CALC_SUCCESS = 0, IBV_EXP_EC_CALC_FAIL = 1 };

struct ibv_exp_ec_comp {
  void (*done)(struct ibv_exp_ec_comp* comp);
  enum ibv_exp_ec_status status;
};

struct ibv_exp_ec_calc {
  struct ibv_pd* pd;
};

struct ibv_exp_ec_mem {
  struct ibv_sge* data_blocks;
  int num_data_sge;
  struct ibv_sge* code_blocks;
  int num_code_sge;
  int block_size;
};

struct ibv_exp_ec_stripe {
  struct ibv_qp* qp;
  struct ibv_send_wr* wr;
};

#ifdef __cplusplus
}
#endif

#endif
