// SPDX-License-Identifier: BSD-2-Clause
// The structures that programs linked against IBVERBS_1.0 (2005, 2006) know. Behind each part that they see stands the
// object of today, whose own context pointer (qp_context and so on) leads back here.
#pragma once

#include <infiniband/verbs.h>

namespace vb::compat10 {

struct Device;
struct Context;
struct Pd;
struct Mr;
struct Cq;
struct Srq;
struct Qp;
struct Ah;

/// A program has its fd only. Today's begins with a context.
struct Channel {
  int fd;
  ibv_comp_channel* real;
};

struct SendWr {
  SendWr* next;
  uint64_t wr_id;
  ibv_sge* sg_list;
  int num_sge;
  ibv_wr_opcode opcode;
  int send_flags;
  uint32_t imm_data;
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
      Ah* ah;
      uint32_t remote_qpn;
      uint32_t remote_qkey;
    } ud;
  } wr;
};

struct RecvWr {
  RecvWr* next;
  uint64_t wr_id;
  ibv_sge* sg_list;
  int num_sge;
};

struct QpInitAttr {
  void* qp_context;
  Cq* send_cq;
  Cq* recv_cq;
  Srq* srq;
  ibv_qp_cap cap;
  ibv_qp_type qp_type;
  int sq_sig_all;
};

struct SrqInitAttr {
  void* srq_context;
  ibv_srq_attr attr;
};

/// What is inline in a program calls poll_cq, req_notify_cq and post_* here; the others are functions of the same form.
struct Ops {
  int (*query_device)(Context*, ibv_device_attr*);
  int (*query_port)(Context*, uint8_t, _compat_ibv_port_attr*);
  Pd* (*alloc_pd)(Context*);
  int (*dealloc_pd)(Pd*);
  Mr* (*reg_mr)(Pd*, void*, size_t, int);
  int (*dereg_mr)(Mr*);
  Cq* (*create_cq)(Context*, int, Channel*, int);
  int (*poll_cq)(Cq*, int, ibv_wc*);
  int (*req_notify_cq)(Cq*, int);
  void (*cq_event)(Cq*);
  int (*resize_cq)(Cq*, int);
  int (*destroy_cq)(Cq*);
  Srq* (*create_srq)(Pd*, SrqInitAttr*);
  int (*modify_srq)(Srq*, ibv_srq_attr*, int);
  int (*query_srq)(Srq*, ibv_srq_attr*);
  int (*destroy_srq)(Srq*);
  int (*post_srq_recv)(Srq*, RecvWr*, RecvWr**);
  Qp* (*create_qp)(Pd*, QpInitAttr*);
  int (*query_qp)(Qp*, ibv_qp_attr*, int, QpInitAttr*);
  int (*modify_qp)(Qp*, ibv_qp_attr*, int);
  int (*destroy_qp)(Qp*);
  int (*post_send)(Qp*, SendWr*, SendWr**);
  int (*post_recv)(Qp*, RecvWr*, RecvWr**);
  Ah* (*create_ah)(Pd*, ibv_ah_attr*);
  int (*destroy_ah)(Ah*);
  int (*attach_mcast)(Qp*, ibv_gid*, uint16_t);
  int (*detach_mcast)(Qp*, ibv_gid*, uint16_t);
};

struct Device {
  void* sysfs_device;    ///< of libsysfs: NULL
  void* sysfs_ibdevice;  ///< likewise
  ibv_device* real;
  void* ops[2];
};

struct Context {
  Device* device;
  Ops ops;
  int cmd_fd;
  int async_fd;
  int num_comp_vectors;
  ibv_context* real;
};

struct Pd {
  Context* context;
  uint32_t handle;
  ibv_pd* real;
};

struct Mr {
  Context* context;
  Pd* pd;
  uint32_t handle;
  uint32_t lkey;
  uint32_t rkey;
  ibv_mr* real;
};

struct Cq {
  Context* context;
  void* cq_context;
  uint32_t handle;
  int cqe;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  uint32_t comp_events_completed;
  uint32_t async_events_completed;
  ibv_cq* real;
};

struct Srq {
  Context* context;
  void* srq_context;
  Pd* pd;
  uint32_t handle;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  uint32_t events_completed;
  ibv_srq* real;
};

struct Qp {
  Context* context;
  void* qp_context;
  Pd* pd;
  Cq* send_cq;
  Cq* recv_cq;
  Srq* srq;
  uint32_t handle;
  uint32_t qp_num;
  ibv_qp_state state;
  ibv_qp_type qp_type;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  uint32_t events_completed;
  ibv_qp* real;
};

struct Ah {
  Context* context;
  Pd* pd;
  uint32_t handle;
  ibv_ah* real;
};

static_assert(sizeof(Ops) == 216 && sizeof(Device) == 40 && sizeof(Context) == 248 && sizeof(Pd) == 24);
static_assert(sizeof(Mr) == 40 && sizeof(Cq) == 128 && sizeof(Srq) == 136 && sizeof(Qp) == 168 && sizeof(Ah) == 32);
static_assert(sizeof(SendWr) == 72 && sizeof(RecvWr) == 32 && sizeof(QpInitAttr) == 64);
static_assert(offsetof(Context, ops.poll_cq) == 64 && offsetof(Context, ops.req_notify_cq) == 72 &&
              offsetof(Context, ops.post_srq_recv) == 136 && offsetof(Context, ops.post_send) == 176 &&
              offsetof(Context, ops.post_recv) == 184 && offsetof(Context, cmd_fd) == 224);
static_assert(offsetof(Qp, qp_num) == 52 && offsetof(Qp, qp_type) == 60 && offsetof(SendWr, wr) == 40);

/// The size of ibv_qp_attr then: without rate_limit.
inline constexpr size_t kQpAttrSize = 136;

}  // namespace vb::compat10
