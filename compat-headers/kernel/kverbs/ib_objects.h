/* SPDX-License-Identifier: BSD-2-Clause */
/* The objects of kernel-style verbs: what consumers read of them. The library's own part stands behind each. */
#ifndef KVERBS_IB_OBJECTS_H
#define KVERBS_IB_OBJECTS_H
#include <kverbs/dma.h>
#include <kverbs/ib_work.h>
#include <kverbs/task.h>

#define IB_DEVICE_NAME_MAX 64
struct ib_pd;
struct ib_fmr;

/* Until 5.8 a device said by these pointers that it has FMRs (since 5.0 in ops). They are never called. */
struct kv_device_ops {
  void *alloc_fmr, *dealloc_fmr, *map_phys_fmr, *unmap_fmr;
  void *alloc_mw, *bind_mw, *reg_phys_mr, *get_dma_mr;
};
struct ib_device {
  struct device* dma_device;
  char name[IB_DEVICE_NAME_MAX];
  struct device dev;
  u8 node_type;
  u32 phys_port_cnt;
  int num_comp_vectors;
  __be64 node_guid;
  u32 local_dma_lkey;
  struct ib_device_attr attrs;
#if KV_UNTIL(5, 0, 0)
  void *alloc_fmr, *dealloc_fmr, *map_phys_fmr, *unmap_fmr;
#else
  void* kv_fmr[4];
#endif
#if KV_SINCE(5, 0, 0)
  struct kv_device_ops ops;
#else
  struct kv_device_ops kv_ops;
#endif
};

struct ib_pd {
  u32 local_dma_lkey;
  u32 flags;
  struct ib_device* device;
  atomic_t usecnt;
  u32 unsafe_global_rkey;
};
typedef void (*ib_comp_handler)(struct ib_cq* cq, void* cq_context);
struct ib_cq {
  struct ib_device* device;
  ib_comp_handler comp_handler;
  void (*event_handler)(struct ib_event*, void*);
  void* cq_context;
  int cqe;
  unsigned int comp_vector;
};
struct ib_srq {
  struct ib_device* device;
  struct ib_pd* pd;
  void (*event_handler)(struct ib_event*, void*);
  void* srq_context;
};
struct ib_qp {
  struct ib_device* device;
  struct ib_pd* pd;
  struct ib_cq *send_cq, *recv_cq;
  struct ib_srq* srq;
  void (*event_handler)(struct ib_event*, void*);
  void* qp_context;
  u32 qp_num;
  enum ib_qp_type qp_type;
  u32 port;
};
struct ib_ah {
  struct ib_device* device;
  struct ib_pd* pd;
};
struct ib_mr {
  struct ib_device* device;
  struct ib_pd* pd;
  u32 lkey, rkey;
  u64 iova, length;
  unsigned int page_size;
};
struct ib_mw {
  struct ib_device* device;
  struct ib_pd* pd;
  u32 rkey;
  int type;
};
struct ib_fmr {
  struct ib_device* device;
  struct ib_pd* pd;
  struct list_head list;
  u32 lkey, rkey;
};

struct ib_qp_init_attr {
  void (*event_handler)(struct ib_event*, void*);
  void* qp_context;
  struct ib_cq *send_cq, *recv_cq;
  struct ib_srq* srq;
  struct ib_qp_cap cap;
  enum ib_sig_type sq_sig_type;
  enum ib_qp_type qp_type;
  u32 create_flags;
  u32 port_num;
};
struct ib_srq_attr {
  u32 max_wr, max_sge, srq_limit;
};
enum ib_srq_attr_mask { IB_SRQ_MAX_WR = 1, IB_SRQ_LIMIT = 2 };
struct ib_srq_init_attr {
  void (*event_handler)(struct ib_event*, void*);
  void* srq_context;
  struct ib_srq_attr attr;
  int srq_type;
};
#if KV_SINCE(4, 2, 0)
struct ib_cq_init_attr {
  unsigned int cqe;
  u32 comp_vector;
  u32 flags;
};
#endif
#if KV_SINCE(4, 5, 0)
enum ib_poll_context { IB_POLL_DIRECT, IB_POLL_SOFTIRQ, IB_POLL_WORKQUEUE, IB_POLL_UNBOUND_WORKQUEUE };
#endif

/* Clients: since 5.8 add() may refuse, since 4.3 remove() is given what the client attached. */
struct ib_client {
  const char* name;
#if KV_SINCE(5, 8, 0)
  int (*add)(struct ib_device*);
#else
  void (*add)(struct ib_device*);
#endif
#if KV_SINCE(4, 3, 0)
  void (*remove)(struct ib_device*, void* client_data);
#else
  void (*remove)(struct ib_device*);
#endif
  struct list_head list;
  int kv_add_refuses;
};
struct ib_event_handler {
  struct ib_device* device;
  void (*handler)(struct ib_event_handler*, struct ib_event*);
  struct list_head list;
};
#define INIT_IB_EVENT_HANDLER(p, d, h) \
  do {                                 \
    (p)->device = (d);                 \
    (p)->handler = (h);                \
    INIT_LIST_HEAD(&(p)->list);        \
  } while (0)

#endif
