/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's objects: what consumers see first, then what stands behind. Everything is made of calls of libibverbs
 * and librdmacm, so it runs on any device of theirs. */
#ifndef KVERBS_KVERBS_H
#define KVERBS_KVERBS_H
#define VERBATIM_KEEP_VANISHED
#include <infiniband/verbs.h>
#include <rdma/ib_fmr_pool.h>
#include <rdma/rdma_cm.h>

#include "arena.h"
#include "thread.h"

/* Devices. */
struct kv_vector { /* a completion vector: a channel, and the thread that runs handlers */
  struct ibv_comp_channel* channel;
  pthread_t thread;
};
struct kv_device {
  struct ib_device ib;
  struct ibv_context* context;
  struct ibv_device_attr native;
  bool everywhere; /* registers all memory at once: implicit on-demand paging */
  struct kv_vector* vectors;
  pthread_mutex_t lock;
  struct list_head handlers; /* ib_event_handler.list */
  struct list_head clients;  /* client_data */
  bool watched;
};
int kv_devices(struct kv_device** devices); /* opens them at the first call; their number */
struct kv_device* kv_device_of(struct ibv_context* context);
/** The channel of a completion vector, or NULL (errno). */
struct ibv_comp_channel* kv_channel(struct kv_device* device, int vector);
int kv_watch(struct kv_device* device); /* starts the thread of asynchronous events */

/* Protection domains. */
struct kv_pd {
  struct ib_pd ib;
  struct ibv_pd* native;
  struct ibv_mr* everything; /* local access to all memory, or NULL: then the arena piece by piece */
  struct ibv_mr* windows;    /* what windows onto all memory are bound to, made when first needed */
  struct ibv_mr* unsafe;     /* of IB_PD_UNSAFE_GLOBAL_RKEY */
  struct ibv_mr** chunks;    /* of the arena */
  pthread_mutex_t lock;
};
static inline struct kv_pd* to_pd(struct ib_pd* pd) { return container_of(pd, struct kv_pd, ib); }
/** The native region that covers this memory for local use, or NULL. */
struct ibv_mr* kv_local_region(struct kv_pd* pd, u64 address, u64 length);
/** A region that windows can be bound to and that covers this memory by its own addresses, or NULL. */
struct ibv_mr* kv_window_region(struct kv_pd* pd, u64 address, u64 length);

/* Memory regions. A fast region is a window of type 2: its key is known before it is valid, its low byte belongs to the
 * consumer, it is bound and invalidated by work requests in their order, and peers may invalidate it. */
struct kv_mapping { /* what a fast region shows from some work request on */
  atomic_t refs;
  struct ibv_mr* region;
  bool own; /* made for this mapping */
  struct range range;
  u64 iova, length;
};
struct kv_mr {
  struct ib_mr ib;
  struct ibv_mr* native; /* an ordinary region */
  struct range range;
  int access;
  struct ibv_mw* window; /* a fast region */
  struct piece* pieces;  /* of ib_map_mr_sg */
  int n, room;
  u32 bound; /* the key that the window has once everything posted is done */
  struct kv_mapping* mapping;
  struct hlist_node node;
};
static inline struct kv_mr* to_mr(struct ib_mr* mr) { return container_of(mr, struct kv_mr, ib); }
int kv_register(struct kv_pd* pd, const struct piece* pieces, int n, u64 iova, int access, struct range* range,
                struct ibv_mr** region);
struct kv_mapping* kv_map(struct kv_mr* mr, const struct piece* pieces, int n, u64 iova, int access);
void kv_unmap(struct kv_mapping* mapping);               /* drops a reference; NULL is nothing */
struct kv_mr* kv_fast_region(struct kv_pd* pd, u32 key); /* of any low byte; NULL if it is none */
/** The key for a native SGE; one that nothing has, if the memory is not the key's. */
u32 kv_native_lkey(struct kv_pd* pd, const struct ib_sge* sge);
void kv_invalidated(struct kv_pd* pd, u32 key);

struct kv_mw {
  struct ib_mw ib;
  struct ibv_mw* native;
};

/* Completion queues. */
struct kv_cq {
  struct ib_cq ib;
  struct ibv_cq* native;
  pthread_mutex_t lock; /* polling */
  struct ib_wc stash;   /* polled by ib_req_notify_cq */
  bool stashed, dying;
  enum ib_poll_context where;
  bool served; /* of ib_alloc_cq */
  bool pooled;
  struct work_struct work;
};
static inline struct kv_cq* to_cq(struct ib_cq* cq) { return container_of(cq, struct kv_cq, ib); }
/** Has the CQ's completions delivered: to its handler, or (ib_alloc_cq) each to its own. A vector's thread calls it. */
void kv_completion(struct kv_cq* cq);

/* Queue pairs. */
struct kv_slot { /* a native work request of the send queue */
  u64 wr_id;
  enum ib_wc_opcode opcode;
  u32 rest;               /* how many more belong to the same request of the consumer, who is told of the last only */
  struct kv_mapping* old; /* to be dropped when this is done */
};
struct kv_qp {
  struct ib_qp ib;
  struct ibv_qp* native;
  struct kv_cm_id* cm; /* librdmacm's queue pair */
  u32 handle;
  bool all_signaled;
  pthread_mutex_t send_lock, receive_lock;
  struct kv_slot* sends;
  u64* receives;
  u32 send_size, receive_size; /* powers of two */
  u32 send_head, send_tail, receive_head, receive_tail;
  u32 told; /* up to which slot the consumer knows all that it is to know */
  struct hlist_node by_number;
};
static inline struct kv_qp* to_qp(struct ib_qp* qp) { return container_of(qp, struct kv_qp, ib); }
enum { KV_RECEIVE = 1, KV_SHARED = 2 };
static inline u64 kv_tag(int kind, u32 handle, u32 counter) { return (u64)kind << 62 | (u64)handle << 32 | counter; }
struct kv_qp* kv_qp_by_handle(u32 handle);
struct kv_qp* kv_qp_by_number(struct kv_device* device, u32 number);
typedef struct ibv_qp* (*kv_qp_maker)(void* with, struct ibv_pd* pd, struct ibv_qp_init_attr* init);
struct kv_qp* kv_make_qp(struct kv_pd* pd, struct ib_qp_init_attr* init, kv_qp_maker maker, void* with);
int kv_end_qp(struct kv_qp* qp); /* destroys the native one and frees */

struct kv_srq {
  struct ib_srq ib;
  struct ibv_srq* native;
  u32 handle;
  pthread_mutex_t lock;
  u64* wr_ids;
  u32 *free, size, free_count;
};
struct kv_srq* kv_srq_by_handle(u32 handle);
u64 kv_take_shared(struct kv_srq* srq, u32 slot); /* the consumer's wr_id; the slot is free again */
static inline struct kv_srq* to_srq(struct ib_srq* srq) { return container_of(srq, struct kv_srq, ib); }

struct kv_ah {
  struct ib_ah ib;
  struct ibv_ah* native;
};
static inline struct kv_ah* to_ah(struct ib_ah* ah) { return container_of(ah, struct kv_ah, ib); }
void kv_native_ah(const struct rdma_ah_attr* from, struct ibv_ah_attr* to);
void kv_from_native_ah(const struct ibv_ah_attr* from, struct rdma_ah_attr* to);
void kv_native_qp_attr(const struct ib_qp_attr* from, struct ibv_qp_attr* to);
void kv_from_native_qp_attr(const struct ibv_qp_attr* from, struct ib_qp_attr* to);

static inline int kv_failed(void) { return errno ? -errno : -EIO; }

#endif
