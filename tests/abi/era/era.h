// SPDX-License-Identifier: BSD-2-Clause
// Declarations of libibverbs as programs of an era had them, for the test programs: ERA is 10 (the release 1.0 of
// 2006), 11 (1.1), or the number of an rdma-core release from 13 on. Only what the programs use. Where eras differ the
// difference stands here; the sizes that it leads to stand in shim/abi/releases.tbl, of which era_sizes.h is made.
#pragma once

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "era_sizes.h"

// Versions of symbols: a program of 1.0 was linked with nodes of that name. ibv_create_comp_channel and its counterpart
// never got another.
#if ERA == 10
#define SYMBOL(name) __asm__(".symver " #name ", " #name "@IBVERBS_1.0")
#else
#define SYMBOL(name) __asm__(".symver " #name ", " #name "@IBVERBS_1.1")
#endif
SYMBOL(ibv_get_device_list);
SYMBOL(ibv_free_device_list);
SYMBOL(ibv_get_device_name);
SYMBOL(ibv_get_device_guid);
SYMBOL(ibv_open_device);
SYMBOL(ibv_close_device);
SYMBOL(ibv_get_async_event);
SYMBOL(ibv_ack_async_event);
SYMBOL(ibv_query_device);
SYMBOL(ibv_query_port);
SYMBOL(ibv_query_gid);
SYMBOL(ibv_query_pkey);
SYMBOL(ibv_alloc_pd);
SYMBOL(ibv_dealloc_pd);
SYMBOL(ibv_reg_mr);
SYMBOL(ibv_dereg_mr);
SYMBOL(ibv_create_cq);
SYMBOL(ibv_resize_cq);
SYMBOL(ibv_destroy_cq);
SYMBOL(ibv_get_cq_event);
SYMBOL(ibv_ack_cq_events);
SYMBOL(ibv_create_srq);
SYMBOL(ibv_modify_srq);
SYMBOL(ibv_query_srq);
SYMBOL(ibv_destroy_srq);
SYMBOL(ibv_create_qp);
SYMBOL(ibv_modify_qp);
SYMBOL(ibv_query_qp);
SYMBOL(ibv_destroy_qp);

union ibv_gid {
  uint8_t raw[16];
  uint64_t halves[2];
};

struct ibv_device_attr {
  char fw_ver[64];
  uint64_t node_guid, sys_image_guid, max_mr_size, page_size_cap;
  uint32_t vendor_id, vendor_part_id, hw_ver;
  int numbers[29];
  uint16_t max_pkeys;
  uint8_t local_ca_ack_delay, phys_port_cnt;
};

struct ibv_port_attr {
  int state, max_mtu, active_mtu, gid_tbl_len;
  uint32_t port_cap_flags, max_msg_sz, bad_pkey_cntr, qkey_viol_cntr;
  uint16_t pkey_tbl_len, lid, sm_lid;
  uint8_t lmc, max_vl_num, sm_sl, subnet_timeout, init_type_reply, active_width, active_speed, phys_state;
#if ERA >= 13
  uint8_t link_layer, flags;
#endif
#if ERA >= 22
  uint16_t port_cap_flags2;
#endif
#if ERA >= 49
  uint32_t active_speed_ex;
#endif
};

struct ibv_sge {
  uint64_t addr;
  uint32_t length, lkey;
};

struct ibv_wc {
  uint64_t wr_id;
  int status, opcode;
  uint32_t vendor_err, byte_len, imm_data, qp_num, src_qp;
  int wc_flags;
  uint16_t pkey_index, slid;
  uint8_t sl, dlid_path_bits;
};

struct ibv_qp_cap {
  uint32_t max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data;
};

struct ibv_ah_attr {
  struct {
    union ibv_gid dgid;
    uint32_t flow_label;
    uint8_t sgid_index, hop_limit, traffic_class;
  } grh;
  uint16_t dlid;
  uint8_t sl, src_path_bits, static_rate, is_global, port_num;
};

struct ibv_qp_attr {
  int qp_state, cur_qp_state, path_mtu, path_mig_state;
  uint32_t qkey, rq_psn, sq_psn, dest_qp_num;
  int qp_access_flags;
  struct ibv_qp_cap cap;
  struct ibv_ah_attr ah_attr, alt_ah_attr;
  uint16_t pkey_index, alt_pkey_index;
  uint8_t en_sqd_async_notify, sq_draining, max_rd_atomic, max_dest_rd_atomic, min_rnr_timer, port_num, timeout,
      retry_cnt, rnr_retry, alt_port_num, alt_timeout;
#if ERA >= 13
  uint32_t rate_limit;
#endif
};

struct ibv_srq_attr {
  uint32_t max_wr, max_sge, srq_limit;
};

struct ibv_qp_init_attr {
  void* qp_context;
  struct ibv_cq* send_cq;
  struct ibv_cq* recv_cq;
  struct ibv_srq* srq;
  struct ibv_qp_cap cap;
  int qp_type, sq_sig_all;
};

struct ibv_srq_init_attr {
  void* srq_context;
  struct ibv_srq_attr attr;
};

struct ibv_async_event {
  union {
    struct ibv_cq* cq;
    struct ibv_qp* qp;
    struct ibv_srq* srq;
    int port_num;
  } element;
  int event_type;
};

#if ERA == 10
#define WR_HEAD(type) \
  struct type* next;  \
  uint64_t wr_id;
#else
#define WR_HEAD(type) \
  uint64_t wr_id;     \
  struct type* next;
#endif

struct ibv_recv_wr {
  WR_HEAD(ibv_recv_wr)
  struct ibv_sge* sg_list;
  int num_sge;
};

struct ibv_send_wr {
  WR_HEAD(ibv_send_wr)
  struct ibv_sge* sg_list;
  int num_sge, opcode, send_flags;
  uint32_t imm_data;
  union {
    struct {
      uint64_t remote_addr;
      uint32_t rkey;
    } rdma;
    struct {
      uint64_t remote_addr, compare_add, swap;
      uint32_t rkey;
    } atomic;
  } wr;
#if ERA >= 11
  uint32_t remote_srqn;
#endif
#if ERA >= 13
  uint64_t bind_mw_or_tso[6];
#endif
};

struct ibv_cq;
struct ibv_context;

#if ERA == 10
struct ibv_comp_channel {
  int fd;
};
struct ibv_device;
enum { SLOT_POLL = 7, SLOT_NOTIFY = 8, SLOT_POST_SRQ = 16, SLOT_SEND = 21, SLOT_RECV = 22, SLOTS = 27 };
#else
struct ibv_comp_channel {
  struct ibv_context* context;
  int fd, refcnt;
};
struct ibv_device {
  void* ops[2];
  int node_type, transport_type;
  char name[64], dev_name[64], dev_path[256], ibdev_path[256];
};
enum { SLOT_POLL = 11, SLOT_NOTIFY = 12, SLOT_POST_SRQ = 20, SLOT_SEND = 25, SLOT_RECV = 26, SLOTS = 32 };
#endif

typedef int (*era_slot)();

struct ibv_context {
  struct ibv_device* device;
  era_slot ops[SLOTS];
  int cmd_fd, async_fd, num_comp_vectors;
#if ERA >= 11
  pthread_mutex_t mutex;
  void* abi_compat;
#endif
};

struct ibv_pd {
  struct ibv_context* context;
  uint32_t handle;
};

struct ibv_mr {
  struct ibv_context* context;
  struct ibv_pd* pd;
#if ERA >= 11
  void* addr;
  size_t length;
#endif
  uint32_t handle, lkey, rkey;
};

struct ibv_cq {
  struct ibv_context* context;
#if ERA >= 11
  struct ibv_comp_channel* channel;
#endif
  void* cq_context;
  uint32_t handle;
  int cqe;
};

struct ibv_srq {
  struct ibv_context* context;
  void* srq_context;
  struct ibv_pd* pd;
  uint32_t handle;
};

struct ibv_qp {
  struct ibv_context* context;
  void* qp_context;
  struct ibv_pd* pd;
  struct ibv_cq *send_cq, *recv_cq;
  struct ibv_srq* srq;
  uint32_t handle, qp_num;
  int state, qp_type;
};

#if ERA == 10
_Static_assert(offsetof(struct ibv_context, cmd_fd) == 224, "");
_Static_assert(offsetof(struct ibv_mr, lkey) == 20 && offsetof(struct ibv_cq, cqe) == 20, "");
#else
_Static_assert(sizeof(struct ibv_context) == 328 && sizeof(struct ibv_device) == 664, "");
_Static_assert(offsetof(struct ibv_mr, lkey) == 36 && offsetof(struct ibv_cq, cqe) == 28, "");
#endif
_Static_assert(sizeof(struct ibv_port_attr) == SIZE_PORT_ATTR, "");
_Static_assert(sizeof(struct ibv_qp_attr) == SIZE_QP_ATTR, "");
_Static_assert(sizeof(struct ibv_send_wr) == SIZE_SEND_WR, "");
_Static_assert(sizeof(struct ibv_device_attr) == 232 && sizeof(struct ibv_wc) == 48, "");
_Static_assert(sizeof(struct ibv_qp_init_attr) == 64 && sizeof(struct ibv_recv_wr) == 32, "");
_Static_assert(offsetof(struct ibv_qp, qp_num) == 52, "");

struct ibv_device** ibv_get_device_list(int* count);
void ibv_free_device_list(struct ibv_device** list);
const char* ibv_get_device_name(struct ibv_device* device);
uint64_t ibv_get_device_guid(struct ibv_device* device);
struct ibv_context* ibv_open_device(struct ibv_device* device);
int ibv_close_device(struct ibv_context* context);
int ibv_get_async_event(struct ibv_context* context, struct ibv_async_event* event);
void ibv_ack_async_event(struct ibv_async_event* event);
int ibv_query_device(struct ibv_context* context, struct ibv_device_attr* attr);
int ibv_query_port(struct ibv_context* context, uint8_t port, struct ibv_port_attr* attr);
int ibv_query_gid(struct ibv_context* context, uint8_t port, int index, union ibv_gid* gid);
int ibv_query_pkey(struct ibv_context* context, uint8_t port, int index, uint16_t* pkey);
struct ibv_pd* ibv_alloc_pd(struct ibv_context* context);
int ibv_dealloc_pd(struct ibv_pd* pd);
struct ibv_mr* ibv_reg_mr(struct ibv_pd* pd, void* addr, size_t length, int access);
int ibv_dereg_mr(struct ibv_mr* mr);
struct ibv_comp_channel* ibv_create_comp_channel(struct ibv_context* context);
int ibv_destroy_comp_channel(struct ibv_comp_channel* channel);
struct ibv_cq* ibv_create_cq(struct ibv_context*, int cqe, void* cq_context, struct ibv_comp_channel*, int vector);
int ibv_resize_cq(struct ibv_cq* cq, int cqe);
int ibv_destroy_cq(struct ibv_cq* cq);
int ibv_get_cq_event(struct ibv_comp_channel* channel, struct ibv_cq** cq, void** cq_context);
void ibv_ack_cq_events(struct ibv_cq* cq, unsigned count);
struct ibv_srq* ibv_create_srq(struct ibv_pd* pd, struct ibv_srq_init_attr* attr);
int ibv_modify_srq(struct ibv_srq* srq, struct ibv_srq_attr* attr, int mask);
int ibv_query_srq(struct ibv_srq* srq, struct ibv_srq_attr* attr);
int ibv_destroy_srq(struct ibv_srq* srq);
struct ibv_qp* ibv_create_qp(struct ibv_pd* pd, struct ibv_qp_init_attr* attr);
int ibv_modify_qp(struct ibv_qp* qp, struct ibv_qp_attr* attr, int mask);
int ibv_query_qp(struct ibv_qp* qp, struct ibv_qp_attr* attr, int mask, struct ibv_qp_init_attr* init);
int ibv_destroy_qp(struct ibv_qp* qp);

static inline int ibv_poll_cq(struct ibv_cq* cq, int count, struct ibv_wc* wc) {
  return ((int (*)(struct ibv_cq*, int, struct ibv_wc*))cq->context->ops[SLOT_POLL])(cq, count, wc);
}
static inline int ibv_req_notify_cq(struct ibv_cq* cq, int solicited) {
  return ((int (*)(struct ibv_cq*, int))cq->context->ops[SLOT_NOTIFY])(cq, solicited);
}
static inline int ibv_post_send(struct ibv_qp* qp, struct ibv_send_wr* wr, struct ibv_send_wr** bad) {
  return ((int (*)(struct ibv_qp*, struct ibv_send_wr*, struct ibv_send_wr**))qp->context->ops[SLOT_SEND])(qp, wr, bad);
}
static inline int ibv_post_recv(struct ibv_qp* qp, struct ibv_recv_wr* wr, struct ibv_recv_wr** bad) {
  return ((int (*)(struct ibv_qp*, struct ibv_recv_wr*, struct ibv_recv_wr**))qp->context->ops[SLOT_RECV])(qp, wr, bad);
}
static inline int ibv_post_srq_recv(struct ibv_srq* srq, struct ibv_recv_wr* wr, struct ibv_recv_wr** bad) {
  era_slot slot = srq->context->ops[SLOT_POST_SRQ];
  return ((int (*)(struct ibv_srq*, struct ibv_recv_wr*, struct ibv_recv_wr**))slot)(srq, wr, bad);
}

// What a program of the era reached through verbs_context: a slot's distance below the context, where the structure
// that the program knows reaches that far and the library's too.
#if ERA >= 13
enum { BELOW_SZ = 8, BELOW_QUERY_DEVICE_EX = 104, BELOW_QUERY_PORT = 320 };
static inline void* era_extended(struct ibv_context* context, size_t below) {
  if (context->abi_compat != (void*)(uintptr_t)-1) return NULL;
  const size_t size = *(size_t*)((char*)context - BELOW_SZ);
  return size < sizeof *context + below ? NULL : *(void**)((char*)context - below);
}
#endif

static inline int era_query_port(struct ibv_context* context, uint8_t port, struct ibv_port_attr* attr) {
#if ERA >= 22
  int (*query)(struct ibv_context*, uint8_t, struct ibv_port_attr*, size_t) = era_extended(context, BELOW_QUERY_PORT);
  return query ? query(context, port, attr, sizeof *attr) : ENOSYS;
#else
  return ibv_query_port(context, port, attr);
#endif
}
