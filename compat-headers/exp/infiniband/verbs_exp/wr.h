/* SPDX-License-Identifier: BSD-2-Clause */
/* Work requests. The first 72 bytes are those of ibv_send_wr, but for the flags. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_WR_H
#define VERBATIM_INFINIBAND_VERBS_EXP_WR_H
#pragma GCC system_header

#include <infiniband/verbs_exp/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ibv_exp_wr_opcode {
  IBV_EXP_WR_RDMA_WRITE = 0,
  IBV_EXP_WR_RDMA_WRITE_WITH_IMM = 1,
  IBV_EXP_WR_SEND = 2,
  IBV_EXP_WR_SEND_WITH_IMM = 3,
  IBV_EXP_WR_RDMA_READ = 4,
  IBV_EXP_WR_ATOMIC_CMP_AND_SWP = 5,
  IBV_EXP_WR_ATOMIC_FETCH_AND_ADD = 6,
  IBV_EXP_WR_LOCAL_INV = 7,
  IBV_EXP_WR_BIND_MW = 8,
  IBV_EXP_WR_SEND_WITH_INV = 9,
  IBV_EXP_WR_TSO = 0x4f,
  IBV_EXP_WR_SEND_ENABLE = 0x60,
  IBV_EXP_WR_RECV_ENABLE = 0x61,
  IBV_EXP_WR_CQE_WAIT = 0x62,
  IBV_EXP_WR_EXT_MASKED_ATOMIC_CMP_AND_SWP = 0x63,
  IBV_EXP_WR_EXT_MASKED_ATOMIC_FETCH_AND_ADD = 0x64,
  IBV_EXP_WR_NOP = 0x65,
  IBV_EXP_WR_UMR_FILL = 0x66,
  IBV_EXP_WR_UMR_INVALIDATE = 0x67
};

enum ibv_exp_send_flags {
  IBV_EXP_SEND_FENCE = 1 << 0,
  IBV_EXP_SEND_SIGNALED = 1 << 1,
  IBV_EXP_SEND_SOLICITED = 1 << 2,
  IBV_EXP_SEND_INLINE = 1 << 3,
  IBV_EXP_SEND_IP_CSUM = 1ULL << 32,
  IBV_EXP_SEND_WITH_CALC = 1ULL << 33,
  IBV_EXP_SEND_WAIT_EN_LAST = 1ULL << 34,
  IBV_EXP_SEND_EXT_ATOMIC_INLINE = 1ULL << 35
};

enum ibv_exp_calc_op {
  IBV_EXP_CALC_OP_ADD = 0,
  IBV_EXP_CALC_OP_MAXLOC = 1,
  IBV_EXP_CALC_OP_BAND = 2,
  IBV_EXP_CALC_OP_BXOR = 3,
  IBV_EXP_CALC_OP_BOR = 4,
  IBV_EXP_CALC_OP_NUMBER = 5
};

enum ibv_exp_calc_data_type {
  IBV_EXP_CALC_DATA_TYPE_INT = 0,
  IBV_EXP_CALC_DATA_TYPE_UINT = 1,
  IBV_EXP_CALC_DATA_TYPE_FLOAT = 2,
  IBV_EXP_CALC_DATA_TYPE_NUMBER = 3
};

enum ibv_exp_calc_data_size { IBV_EXP_CALC_DATA_SIZE_64_BIT = 0, IBV_EXP_CALC_DATA_SIZE_NUMBER = 1 };

/* Masked atomics. Compare and swap: only the bits in compare_mask are compared, only those in swap_mask are exchanged.
 * Fetch and add: a bit in field_boundary is the highest of a field, and no carry leaves it. */
struct ibv_exp_cmp_swap {
  uint64_t compare_mask;
  uint64_t compare_val;
  uint64_t swap_val;
  uint64_t swap_mask;
};

struct ibv_exp_fetch_add {
  uint64_t add_val;
  uint64_t field_boundary;
};

enum ibv_exp_send_wr_comp_mask { IBV_EXP_SEND_WR_ATTR_RESERVED = 1 };

struct ibv_exp_send_wr {
  uint64_t wr_id;
  struct ibv_exp_send_wr* next;
  struct ibv_sge* sg_list;
  int num_sge;
  enum ibv_exp_wr_opcode exp_opcode;
  int reserved;
  union {
    __be32 imm_data;
    uint32_t invalidate_rkey;
  } ex;
  union {
    struct {
      uint64_t remote_addr;
      uint32_t rkey;
    } rdma;
    struct {
      uint64_t remote_addr;
      uint64_t compare_add;
      uint64_t swap;
      uint32_t rkey;
    } atomic;
    struct {
      struct ibv_ah* ah;
      uint32_t remote_qpn;
      uint32_t remote_qkey;
    } ud;
  } wr;
  union {
    union {
      struct {
        uint32_t remote_srqn;
      } xrc;
    } qp_type;
    uint32_t xrc_remote_srq_num;
  };
  union {
    struct {
      uint64_t remote_addr;
      uint32_t rkey;
    } rdma;
    struct {
      uint64_t remote_addr;
      uint64_t compare_add;
      uint64_t swap;
      uint32_t rkey;
    } atomic;
    struct {
      struct ibv_cq* cq;
      int32_t cq_count;
    } cqe_wait;
    struct {
      struct ibv_qp* qp;
      int32_t wqe_count;
    } wqe_enable;
  } task;
  union {
    struct {
      enum ibv_exp_calc_op calc_op;
      enum ibv_exp_calc_data_type data_type;
      enum ibv_exp_calc_data_size data_size;
    } calc;
  } op;
  struct {
    struct ibv_ah* ah;
    uint64_t dct_access_key;
    uint32_t dct_number;
  } dc;
  union {
    struct {
      struct ibv_mw* mw;
      uint32_t rkey;
      struct ibv_exp_mw_bind_info bind_info;
    } bind_mw;
    struct {
      void* hdr;
      uint16_t hdr_sz;
      uint16_t mss;
    } tso;
  };
  uint64_t exp_send_flags;
  uint32_t comp_mask;
  union {
    struct {
      uint32_t umr_type;
      struct ibv_exp_mkey_list_container* memory_objects;
      uint64_t exp_access;
      struct ibv_mr* modified_mr;
      uint64_t base_addr;
      uint32_t num_mrs;
      union {
        struct ibv_exp_mem_region* mem_reg_list;
        struct {
          struct ibv_exp_mem_repeat_block* mem_repeat_block_list;
          size_t* repeat_count;
          uint32_t stride_dim;
        } rb;
      } mem_list;
    } umr;
    struct {
      uint32_t log_arg_sz;
      uint64_t remote_addr;
      uint32_t rkey;
      union {
        struct {
          union {
            struct ibv_exp_cmp_swap cmp_swap;
            struct ibv_exp_fetch_add fetch_add;
          } op;
        } inline_data;
      } wr_data;
    } masked_atomics;
  } ext_op;
};

/* Lists of work of several queue pairs. */
enum ibv_exp_task_type { IBV_EXP_TASK_SEND = 0, IBV_EXP_TASK_RECV = 1 };

enum ibv_exp_task_comp_mask { IBV_EXP_TASK_RESERVED = 1 };

struct ibv_exp_task {
  enum ibv_exp_task_type task_type;
  struct {
    struct ibv_qp* qp;
    union {
      struct ibv_exp_send_wr* send_wr;
      struct ibv_recv_wr* recv_wr;
    };
  } item;
  struct ibv_exp_task* next;
  uint32_t comp_mask;
};

#ifdef __cplusplus
}
#endif

#endif
