/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports, GIDs, clocks. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_PORT_H
#define VERBATIM_INFINIBAND_VERBS_EXP_PORT_H
#pragma GCC system_header

#include <infiniband/verbs_exp/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ibv_exp_query_port: mask1 of comp_mask names the fields that are wanted. */
enum {
  IBV_EXP_QUERY_PORT_STATE = 1 << 0,
  IBV_EXP_QUERY_PORT_MAX_MTU = 1 << 1,
  IBV_EXP_QUERY_PORT_ACTIVE_MTU = 1 << 2,
  IBV_EXP_QUERY_PORT_GID_TBL_LEN = 1 << 3,
  IBV_EXP_QUERY_PORT_CAP_FLAGS = 1 << 4,
  IBV_EXP_QUERY_PORT_MAX_MSG_SZ = 1 << 5,
  IBV_EXP_QUERY_PORT_BAD_PKEY_CNTR = 1 << 6,
  IBV_EXP_QUERY_PORT_QKEY_VIOL_CNTR = 1 << 7,
  IBV_EXP_QUERY_PORT_PKEY_TBL_LEN = 1 << 8,
  IBV_EXP_QUERY_PORT_LID = 1 << 9,
  IBV_EXP_QUERY_PORT_SM_LID = 1 << 10,
  IBV_EXP_QUERY_PORT_LMC = 1 << 11,
  IBV_EXP_QUERY_PORT_MAX_VL_NUM = 1 << 12,
  IBV_EXP_QUERY_PORT_SM_SL = 1 << 13,
  IBV_EXP_QUERY_PORT_SUBNET_TIMEOUT = 1 << 14,
  IBV_EXP_QUERY_PORT_INIT_TYPE_REPLY = 1 << 15,
  IBV_EXP_QUERY_PORT_ACTIVE_WIDTH = 1 << 16,
  IBV_EXP_QUERY_PORT_ACTIVE_SPEED = 1 << 17,
  IBV_EXP_QUERY_PORT_PHYS_STATE = 1 << 18,
  IBV_EXP_QUERY_PORT_LINK_LAYER = 1 << 19,
  IBV_EXP_QUERY_PORT_STD_MASK = 0xfffff,
  IBV_EXP_QUERY_PORT_MASK = 0xfffff
};

enum ibv_exp_query_port_attr_comp_mask {
  IBV_EXP_QUERY_PORT_ATTR_MASK1 = 1,
  IBV_EXP_QUERY_PORT_ATTR_RESERVED = 2,
  IBV_EXP_QUERY_PORT_ATTR_MASKS = 1
};

/* It begins with the 48 bytes of the first ibv_port_attr; today's, which is longer, cannot lie in the same place. */
struct ibv_exp_port_attr {
  enum ibv_port_state state;
  enum ibv_mtu max_mtu;
  enum ibv_mtu active_mtu;
  int gid_tbl_len;
  uint32_t port_cap_flags;
  uint32_t max_msg_sz;
  uint32_t bad_pkey_cntr;
  uint32_t qkey_viol_cntr;
  uint16_t pkey_tbl_len;
  uint16_t lid;
  uint16_t sm_lid;
  uint8_t lmc;
  uint8_t max_vl_num;
  uint8_t sm_sl;
  uint8_t subnet_timeout;
  uint8_t init_type_reply;
  uint8_t active_width;
  uint8_t active_speed;
  uint8_t phys_state;
  uint8_t link_layer;
  uint8_t reserved;
  uint32_t comp_mask;
  uint32_t mask1;
};

/* ibv_exp_query_gid_attr. */
enum ibv_exp_roce_gid_type {
  IBV_EXP_IB_ROCE_V1_GID_TYPE = 0,
  IBV_EXP_ROCE_V2_GID_TYPE = 1,
  IBV_EXP_ROCE_V1_5_GID_TYPE = 2
};

enum ibv_exp_query_gid_attr {
  IBV_EXP_QUERY_GID_ATTR_TYPE = 1 << 0,
  IBV_EXP_QUERY_GID_ATTR_GID = 1 << 1,
  IBV_EXP_QUERY_GID_ATTR_RESERVED = 1 << 2
};

struct ibv_exp_gid_attr {
  uint32_t comp_mask;
  enum ibv_exp_roce_gid_type type;
  union ibv_gid gid;
};

/* ibv_exp_query_values, ibv_exp_cqe_ts_to_ns. */
enum ibv_exp_clock_info_comp_mask { IBV_EXP_CLOCK_INFO_RESERVED = 1 };

struct ibv_exp_clock_info {
  uint64_t cycles;
  uint64_t nsec;
  uint64_t frac;
  uint64_t mask;
  uint32_t shift;
  uint32_t mult;
  uint32_t comp_mask;
};

enum ibv_exp_values_comp_mask {
  IBV_EXP_VALUES_HW_CLOCK_NS = 1 << 0,
  IBV_EXP_VALUES_HW_CLOCK = 1 << 1,
  IBV_EXP_VALUES_CLOCK_INFO = 1 << 2,
  IBV_EXP_VALUES_RESERVED = 1 << 3
};

struct ibv_exp_values {
  uint32_t comp_mask;
  uint64_t hwclock_ns;
  uint64_t hwclock;
  struct ibv_exp_clock_info clock_info;
};

/* ibv_exp_poll_dc_info. */
enum { IBV_EXP_NUM_DC_INFO_LIDS = 0x1e };

struct ibv_exp_dc_info_ent {
  uint16_t lid[IBV_EXP_NUM_DC_INFO_LIDS];
  uint32_t seqnum;
};

#ifdef __cplusplus
}
#endif

#endif
