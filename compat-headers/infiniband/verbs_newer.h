/* SPDX-License-Identifier: BSD-2-Clause */
/* What libibverbs declares since release 45, up to IBVERBS_1.18, for C and C++. VERBATIM_SYSTEM_VERBS is the release
 * that the system's own header is of: what that one declares is not repeated.
 *
 * An enumerator that came later is a macro with a cast here, so that it can stand wherever the enumerator may. */
#ifndef VERBATIM_INFINIBAND_VERBS_NEWER_H
#define VERBATIM_INFINIBAND_VERBS_NEWER_H

#include <infiniband/verbatim_system.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- 45: FLUSH ------------------------------------------------------------------------------------------------- */
#if VERBATIM_SYSTEM_VERBS < 45
#define IBV_WR_FLUSH ((enum ibv_wr_opcode)14)
#define IBV_WC_FLUSH ((enum ibv_wc_opcode)8)
#define IBV_QP_EX_WITH_FLUSH ((enum ibv_qp_create_send_ops_flags)(1 << 11))
#define IBV_ACCESS_FLUSH_GLOBAL ((enum ibv_access_flags)(1 << 8))
#define IBV_ACCESS_FLUSH_PERSISTENT ((enum ibv_access_flags)(1 << 9))
#define IBV_ODP_SUPPORT_FLUSH ((enum ibv_odp_transport_cap_bits)(1 << 6))
#define IBV_ODP_SUPPORT_ATOMIC_WRITE ((enum ibv_odp_transport_cap_bits)(1 << 7))

enum ibv_placement_type { IBV_FLUSH_GLOBAL = 1U << 0, IBV_FLUSH_PERSISTENT = 1U << 1 };
enum ibv_selectivity_level { IBV_FLUSH_RANGE = 0, IBV_FLUSH_MR };

typedef void (*ibv_wr_flush_slot)(struct ibv_qp_ex* qp, uint32_t rkey, uint64_t remote_addr, size_t len, uint8_t type,
                                  uint8_t level);

/* Makes what was written before durable or visible (ibv_wr_post(3)). Only on a QP made with IBV_QP_EX_WITH_FLUSH: the
 * slot stands behind the structure that older headers know. */
static inline void ibv_wr_flush(struct ibv_qp_ex* qp, uint32_t rkey, uint64_t remote_addr, size_t len, uint8_t type,
                                uint8_t level) {
  (*(ibv_wr_flush_slot*)(qp + 1))(qp, rkey, remote_addr, len, type, level);
}
#endif

/* --- 49 --------------------------------------------------------------------------------------------------------- */
#if VERBATIM_SYSTEM_VERBS < 49
/* A constant string; "unknown" for a value without a name. */
const char* ibv_wr_opcode_str(enum ibv_wr_opcode opcode);

/* The port's attributes with what was added: 56 bytes. */
struct verbatim_port_attr {
  struct ibv_port_attr base;
  uint32_t active_speed_ex;
};

/* ibv_query_port as a program of release 49 has it. */
static inline int verbatim_query_port(struct ibv_context* context, uint8_t port, struct verbatim_port_attr* attr) {
  struct verbs_context* extended = verbs_get_ctx_op(context, query_port);
  if (!extended) return EOPNOTSUPP;
  return extended->query_port(context, port, &attr->base, sizeof *attr);
}
#endif

/* --- 59, IBVERBS_1.15: DMA handles, and registration with attributes ------------------------------------------------
 */
#if VERBATIM_SYSTEM_VERBS < 59
struct ibv_buf;

/* A hint where DMA of a region should go. */
struct ibv_dmah {
  struct ibv_context* context;
};

enum ibv_tph_mem_type { IBV_TPH_MEM_TYPE_VM, IBV_TPH_MEM_TYPE_PM };

enum ibv_dmah_init_attr_mask {
  IBV_DMAH_INIT_ATTR_MASK_CPU_ID = 1 << 0,
  IBV_DMAH_INIT_ATTR_MASK_PH = 1 << 1,
  IBV_DMAH_INIT_ATTR_MASK_TPH_MEM_TYPE = 1 << 2
};

struct ibv_dmah_init_attr {
  uint32_t comp_mask; /* of ibv_dmah_init_attr_mask */
  uint32_t cpu_id;
  uint8_t ph;           /* processing hint, 0 to 3 */
  uint8_t tph_mem_type; /* of ibv_tph_mem_type */
};

enum ibv_mr_init_attr_mask {
  IBV_REG_MR_MASK_IOVA = 1 << 0,
  IBV_REG_MR_MASK_ADDR = 1 << 1,
  IBV_REG_MR_MASK_FD = 1 << 2,
  IBV_REG_MR_MASK_FD_OFFSET = 1 << 3,
  IBV_REG_MR_MASK_DMAH = 1 << 4,
  IBV_REG_MR_MASK_BUF = 1 << 5
};

struct ibv_mr_init_attr {
  size_t length;
  int access;
  uint64_t comp_mask; /* of ibv_mr_init_attr_mask */
  uint64_t iova;
  void* addr;
  int fd; /* of a DMA buffer */
  uint64_t fd_offset;
  struct ibv_dmah* dmah;
  struct ibv_buf* buf; /* IBVERBS_1.17; addr says where in it */
};

/* ibv_alloc_dmah(3). NULL and errno: EINVAL for a CPU that is not there, a hint or a memory type out of range. */
struct ibv_dmah* ibv_alloc_dmah(struct ibv_context* context, struct ibv_dmah_init_attr* attr);
/* 0, or EBUSY while a region uses it. */
int ibv_dealloc_dmah(struct ibv_dmah* dmah);
/* ibv_reg_mr_ex(3). NULL and errno: EINVAL for none or two of addr and fd. */
struct ibv_mr* ibv_reg_mr_ex(struct ibv_pd* pd, struct ibv_mr_init_attr* attr);
#endif

/* --- 62, IBVERBS_1.16 ------------------------------------------------------------------------------------------- */
#if VERBATIM_SYSTEM_VERBS < 62
#define IBV_EVENT_DEVICE_SPEED_CHANGE ((enum ibv_event_type)20)

/* A new fd of the DMA buffer behind device memory, or -1 and errno. */
int ibv_dm_export_dmabuf_fd(struct ibv_dm* dm);
/* The port's speed in units of 100 Mb/s. 0, or an errno value. */
int ibv_query_port_speed(struct ibv_context* context, uint32_t port_num, uint64_t* port_speed);
#endif

/* --- 64, IBVERBS_1.17: buffers of the provider -------------------------------------------------------------------- */
#if VERBATIM_SYSTEM_VERBS < 64
/* Memory, aligned to a page at least, until ibv_free_buf. NULL and errno. The PD stays in use meanwhile. */
void* ibv_alloc_buf(struct ibv_pd* pd, size_t size, struct ibv_buf** buf);
void ibv_free_buf(struct ibv_buf* buf);
/* EINVAL: another PD than the buffer's, or a range that is not inside it. */
struct ibv_mr* ibv_reg_buf_mr(struct ibv_pd* pd, struct ibv_buf* buf, void* addr, size_t length, int access);
#endif

/* --- 65, IBVERBS_1.18: completion counters -------------------------------------------------------------------------
 */
#if VERBATIM_SYSTEM_VERBS < 65
enum ibv_qp_attach_comp_cntr_op {
  IBV_QP_ATTACH_COMP_CNTR_OP_SEND = 1 << 0,
  IBV_QP_ATTACH_COMP_CNTR_OP_RECV = 1 << 1,
  IBV_QP_ATTACH_COMP_CNTR_OP_RDMA_READ = 1 << 2,
  IBV_QP_ATTACH_COMP_CNTR_OP_REMOTE_RDMA_READ = 1 << 3,
  IBV_QP_ATTACH_COMP_CNTR_OP_RDMA_WRITE = 1 << 4,
  IBV_QP_ATTACH_COMP_CNTR_OP_REMOTE_RDMA_WRITE = 1 << 5
};

struct ibv_comp_cntr_caps {
  uint64_t max_value; /* one more wraps to 0 */
  uint32_t max_counters;
  uint32_t supported_qp_attach_ops; /* of ibv_qp_attach_comp_cntr_op */
};

struct ibv_comp_cntr {
  struct ibv_context* context;
  uint32_t handle;
};

enum ibv_comp_cntr_type { IBV_COMP_CNTR_TYPE_WRS, IBV_COMP_CNTR_TYPE_BYTES };

struct ibv_comp_cntr_init_attr {
  uint32_t comp_mask; /* 0 */
  enum ibv_comp_cntr_type type;
  uint32_t flags; /* 0 */
};

struct ibv_qp_attach_comp_cntr_attr {
  uint32_t comp_mask; /* 0 */
  uint32_t op_mask;   /* of ibv_qp_attach_comp_cntr_op */
};

int _ibv_query_comp_cntr_caps(struct ibv_context* context, struct ibv_comp_cntr_caps* caps, size_t caps_size);
static inline int ibv_query_comp_cntr_caps(struct ibv_context* context, struct ibv_comp_cntr_caps* caps) {
  return _ibv_query_comp_cntr_caps(context, caps, sizeof *caps);
}

/* NULL and errno: EINVAL, EOPNOTSUPP, ENOMEM. The others return 0 or an errno value. Thread safe. */
struct ibv_comp_cntr* ibv_create_comp_cntr(struct ibv_context* context, struct ibv_comp_cntr_init_attr* attr);
/* EBUSY while attached: the QP goes first. */
int ibv_destroy_comp_cntr(struct ibv_comp_cntr* counter);
int ibv_set_comp_cntr(struct ibv_comp_cntr* counter, uint64_t value);
int ibv_set_err_comp_cntr(struct ibv_comp_cntr* counter, uint64_t value);
int ibv_inc_comp_cntr(struct ibv_comp_cntr* counter, uint64_t amount);
int ibv_inc_err_comp_cntr(struct ibv_comp_cntr* counter, uint64_t amount);
int ibv_read_comp_cntr(struct ibv_comp_cntr* counter, uint64_t* value);
int ibv_read_err_comp_cntr(struct ibv_comp_cntr* counter, uint64_t* value);
/* In RESET or INIT only (EINVAL). EBUSY: another counter counts one of these operations already. */
int ibv_qp_attach_comp_cntr(struct ibv_qp* qp, struct ibv_comp_cntr* counter,
                            struct ibv_qp_attach_comp_cntr_attr* attr);
/* A new fd, which the caller closes. -1 and ENODATA when no DMA buffer is behind it. */
int ibv_export_buf_dmabuf_fd(struct ibv_buf* buf);
#endif

#ifdef __cplusplus
}
#endif

#endif
