/* SPDX-License-Identifier: BSD-2-Clause */
/* What all parts of verbs_exp.h use: where the experimental numbers begin, and what the newer parts of verbs.h are
 * called. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_BASE_H
#define VERBATIM_INFINIBAND_VERBS_EXP_BASE_H
#pragma GCC system_header

#include <errno.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bit 62 of the word in front of verbs_context.sz: an experimental table stands below. */
#define VERBS_CONTEXT_EXP ((uint64_t)1 << 62)

/* Further values of the enumerations of verbs.h. */
#define IBV_EXP_QPT_DC_INI ((enum ibv_qp_type)32)
#define IBV_EXP_EVENT_DCT_KEY_VIOLATION ((enum ibv_event_type)32)
#define IBV_EXP_EVENT_DCT_ACCESS_ERR ((enum ibv_event_type)33)
#define IBV_EXP_EVENT_DCT_REQ_ERR ((enum ibv_event_type)34)

/* A length: of an on-demand region, all of the address space. */
#define IBV_EXP_IMPLICIT_MR_SIZE (~(size_t)0)

enum ibv_exp_start_values { IBV_EXP_START_ENUM = 0x40, IBV_EXP_START_FLAG_LOC = 0x20, IBV_EXP_START_FLAG = 1ULL << 32 };

enum ibv_exp_func_name {
  IBV_EXP_POST_SEND_FUNC = 0,
  IBV_EXP_POLL_CQ_FUNC = 1,
  IBV_POST_SEND_FUNC = 2,
  IBV_POLL_CQ_FUNC = 3,
  IBV_POST_RECV_FUNC = 4
};

/* What a program promises about threads, and what its queues are for. QPs, CQs and WQs that name the domain share it.
 */
enum ibv_exp_thread_model { IBV_EXP_THREAD_SAFE = 0, IBV_EXP_THREAD_UNSAFE = 1, IBV_EXP_THREAD_SINGLE = 2 };

enum ibv_exp_msg_model {
  IBV_EXP_MSG_DEFAULT = 0,
  IBV_EXP_MSG_LOW_LATENCY = 1,
  IBV_EXP_MSG_HIGH_BW = 2,
  IBV_EXP_MSG_FORCE_LOW_LATENCY = 3
};

enum ibv_exp_res_domain_init_attr_comp_mask {
  IBV_EXP_RES_DOMAIN_THREAD_MODEL = 1 << 0,
  IBV_EXP_RES_DOMAIN_MSG_MODEL = 1 << 1,
  IBV_EXP_RES_DOMAIN_RESERVED = 1 << 2
};

struct ibv_exp_res_domain_init_attr {
  uint32_t comp_mask;
  enum ibv_exp_thread_model thread_model;
  enum ibv_exp_msg_model msg_model;
};

enum ibv_exp_destroy_res_domain_comp_mask { IBV_EXP_DESTROY_RES_DOMAIN_RESERVED = 1 };

struct ibv_exp_destroy_res_domain_attr {
  uint32_t comp_mask;
};

struct ibv_exp_res_domain {
  struct ibv_context* context;
};

/* Of ibv_exp_open_device. */
enum ibv_exp_set_context_attr { IBV_EXP_SET_ATTR_PEER_INFO = 1, IBV_EXP_SET_CONTEXT_ATTR_RESERVED = 2 };

struct ibv_exp_open_device_attr {
  uint32_t comp_mask;
  struct {
    uint64_t peer_id;
    char* peer_name;
  } peer_info;
};

#ifdef __cplusplus
}
#endif

#endif
