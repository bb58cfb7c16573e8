/* SPDX-License-Identifier: BSD-2-Clause */
/* Work requests and completions. Before 4.4 one struct ib_send_wr held the arguments of every opcode; since then each
 * kind has a structure of its own around it. The two exclude each other: the level decides. */
#ifndef KVERBS_IB_WORK_H
#define KVERBS_IB_WORK_H
#include <kverbs/ib_types.h>

struct ib_ah;
struct ib_mr;
struct ib_mw;
struct ib_wc;
struct ib_fast_reg_page_list;

/* The lkey of all memory, in every protection domain: what ib_device and ib_pd call local_dma_lkey. */
#define KV_LOCAL_DMA_LKEY 0xffffff00u

struct ib_sge {
  u64 addr;
  u32 length;
  u32 lkey;
};
#if KV_SINCE(4, 5, 0)
struct ib_cqe {
  void (*done)(struct ib_cq* cq, struct ib_wc* wc);
};
#endif
struct ib_cqe;

enum ib_wr_opcode {
  IB_WR_RDMA_WRITE,
  IB_WR_RDMA_WRITE_WITH_IMM,
  IB_WR_SEND,
  IB_WR_SEND_WITH_IMM,
  IB_WR_RDMA_READ,
  IB_WR_ATOMIC_CMP_AND_SWP,
  IB_WR_ATOMIC_FETCH_AND_ADD,
#if KV_SINCE(2, 6, 27)
  IB_WR_SEND_WITH_INV = 9,
  IB_WR_RDMA_READ_WITH_INV = 11,
  IB_WR_LOCAL_INV = 12,
#if KV_UNTIL(4, 4, 0)
  IB_WR_FAST_REG_MR = 13,
#endif
#endif
#if KV_SINCE(3, 9, 0) && KV_UNTIL(4, 5, 0)
  IB_WR_BIND_MW = 8,
#endif
#if KV_SINCE(4, 4, 0)
  IB_WR_REG_MR = 0x20,
#endif
  KV_WR_LARGEST = 0xf0
};
enum ib_send_flags {
  IB_SEND_FENCE = 1,
  IB_SEND_SIGNALED = 2,
  IB_SEND_SOLICITED = 4,
  IB_SEND_INLINE = 8,
  IB_SEND_IP_CSUM = 16
};

#if KV_SINCE(3, 9, 0)
struct ib_mw_bind_info {
  struct ib_mr* mr;
  u64 addr, length;
  int mw_access_flags;
};
#endif

/* Until 2.6.26 the immediate data was no member of a union. */
#define KV_IMMEDIATE       \
  union {                  \
    union {                \
      __be32 imm_data;     \
      u32 invalidate_rkey; \
    } ex;                  \
    __be32 imm_data;       \
  }
#define KV_SEND_WR          \
  struct ib_send_wr* next;  \
  union {                   \
    u64 wr_id;              \
    struct ib_cqe* wr_cqe;  \
  };                        \
  struct ib_sge* sg_list;   \
  int num_sge;              \
  enum ib_wr_opcode opcode; \
  int send_flags;           \
  KV_IMMEDIATE

#if KV_BEFORE(4, 4, 0)
#define kv_fat_send_wr ib_send_wr
#else
struct ib_send_wr {
  KV_SEND_WR;
};
struct ib_rdma_wr {
  struct ib_send_wr wr;
  u64 remote_addr;
  u32 rkey;
};
struct ib_atomic_wr {
  struct ib_send_wr wr;
  u64 remote_addr, compare_add, swap, compare_add_mask, swap_mask;
  u32 rkey;
};
struct ib_ud_wr {
  struct ib_send_wr wr;
  struct ib_ah* ah;
  void* header;
  int hlen, mss;
  u32 remote_qpn, remote_qkey;
  u16 pkey_index;
  u32 port_num;
};
struct ib_reg_wr {
  struct ib_send_wr wr;
  struct ib_mr* mr;
  u32 key;
  int access;
};
#define rdma_wr(p) container_of(p, struct ib_rdma_wr, wr)
#define atomic_wr(p) container_of(p, struct ib_atomic_wr, wr)
#define ud_wr(p) container_of(p, struct ib_ud_wr, wr)
#define reg_wr(p) container_of(p, struct ib_reg_wr, wr)
#if KV_KEEP
/* Page lists in the style of their last release candidate. */
struct ib_fast_reg_wr {
  struct ib_send_wr wr;
  u64 iova_start;
  struct ib_fast_reg_page_list* page_list;
  unsigned int page_shift, page_list_len;
  u32 length;
  int access_flags;
  u32 rkey;
};
#endif
#endif

struct kv_fat_send_wr {
  KV_SEND_WR;
  union {
    struct {
      u64 remote_addr;
      u32 rkey;
    } rdma;
    struct {
      u64 remote_addr, compare_add, swap, compare_add_mask, swap_mask;
      u32 rkey;
    } atomic;
    struct {
      struct ib_ah* ah;
      void* header;
      int hlen, mss;
      u32 remote_qpn, remote_qkey;
      u16 pkey_index;
      u32 port_num;
    } ud;
    struct {
      u64 iova_start;
      struct ib_fast_reg_page_list* page_list;
      unsigned int page_shift, page_list_len;
      u32 length;
      int access_flags;
      u32 rkey;
    } fast_reg;
#if KV_SINCE(3, 9, 0)
    struct {
      struct ib_mw* mw;
      u32 rkey;
      struct ib_mw_bind_info bind_info;
    } bind_mw;
#endif
  } wr;
  u32 xrc_remote_srq_num;
};

struct ib_recv_wr {
  struct ib_recv_wr* next;
  union {
    u64 wr_id;
    struct ib_cqe* wr_cqe;
  };
  struct ib_sge* sg_list;
  int num_sge;
};

enum ib_wc_status {
  IB_WC_SUCCESS,
  IB_WC_LOC_LEN_ERR,
  IB_WC_LOC_QP_OP_ERR,
  IB_WC_LOC_EEC_OP_ERR,
  IB_WC_LOC_PROT_ERR,
  IB_WC_WR_FLUSH_ERR,
  IB_WC_MW_BIND_ERR,
  IB_WC_BAD_RESP_ERR,
  IB_WC_LOC_ACCESS_ERR,
  IB_WC_REM_INV_REQ_ERR,
  IB_WC_REM_ACCESS_ERR,
  IB_WC_REM_OP_ERR,
  IB_WC_RETRY_EXC_ERR,
  IB_WC_RNR_RETRY_EXC_ERR,
  IB_WC_LOC_RDD_VIOL_ERR,
  IB_WC_REM_INV_RD_REQ_ERR,
  IB_WC_REM_ABORT_ERR,
  IB_WC_INV_EECN_ERR,
  IB_WC_INV_EEC_STATE_ERR,
  IB_WC_FATAL_ERR,
  IB_WC_RESP_TIMEOUT_ERR,
  IB_WC_GENERAL_ERR
};
const char* ib_wc_status_msg(enum ib_wc_status status) KV_SYMBOL(ib_wc_status_msg);
enum ib_wc_opcode {
  IB_WC_SEND,
  IB_WC_RDMA_WRITE,
  IB_WC_RDMA_READ,
  IB_WC_COMP_SWAP,
  IB_WC_FETCH_ADD,
#if KV_UNTIL(4, 5, 0)
  IB_WC_BIND_MW = 5,
#endif
#if KV_SINCE(2, 6, 27)
  IB_WC_LOCAL_INV = 7,
#if KV_UNTIL(4, 4, 0)
  IB_WC_FAST_REG_MR = 8,
#endif
#endif
#if KV_SINCE(4, 4, 0)
  IB_WC_REG_MR = 9,
#endif
  IB_WC_RECV = 1 << 7,
  IB_WC_RECV_RDMA_WITH_IMM
};
enum ib_wc_flags { IB_WC_GRH = 1, IB_WC_WITH_IMM = 2, IB_WC_WITH_INVALIDATE = 4, IB_WC_IP_CSUM_OK = 8 };
struct ib_wc {
  union {
    u64 wr_id;
    struct ib_cqe* wr_cqe;
  };
  enum ib_wc_status status;
  enum ib_wc_opcode opcode;
  u32 vendor_err;
  u32 byte_len;
  struct ib_qp* qp;
  KV_IMMEDIATE;
  u32 src_qp;
  int wc_flags;
  u16 pkey_index;
  u32 slid;
  u8 sl, dlid_path_bits;
  u32 port_num;
};

enum ib_cq_notify_flags {
  IB_CQ_SOLICITED = 1,
  IB_CQ_NEXT_COMP = 2,
  IB_CQ_SOLICITED_MASK = 3,
#if KV_SINCE(2, 6, 22)
  IB_CQ_REPORT_MISSED_EVENTS = 4,
#endif
};
#if KV_UNTIL(2, 6, 22)
#define ib_cq_notify ib_cq_notify_flags
#endif

#endif
