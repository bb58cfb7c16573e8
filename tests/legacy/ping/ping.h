/* SPDX-License-Identifier: BSD-2-Clause */
/* Ten ways to make memory reachable, behind one interface. */
#ifndef LEGACY_PING_H
#define LEGACY_PING_H
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <rdma/ib_fmr_pool.h>
#include <rdma/rdma_cm.h>

#define PING_PAGES 4
#define PING_BYTES (3 * PAGE_SIZE + 1234)

struct ping_op { /* a work request that is waited for */
  struct ib_cqe cqe;
  struct completion done;
  enum ib_wc_status status;
  enum ib_wc_opcode opcode;
};
void ping_op_init(struct ping_op* op);
int ping_op_wait(struct ping_op* op, enum ib_wc_opcode expected);

struct ping_side {
  struct rdma_cm_id* id;
  struct ib_pd* pd;
  struct ib_cq* cq;
  struct ib_qp* qp;
};

/* PING_BYTES of memory: pages that do not follow each other, or one stretch. */
struct ping_memory {
  bool scattered;
  char* stretch;
  struct page* pages[2 * PING_PAGES]; /* every second one is used */
};
int ping_memory_get(struct ping_memory* memory, bool scattered);
void ping_memory_put(struct ping_memory* memory);
char* ping_memory_at(struct ping_memory* memory, unsigned int offset);

struct ping_key { /* what a way makes of memory */
  u64 addr;
  u32 lkey, rkey;
  void* made[3]; /* the way's own */
};
struct ping_way {
  const char* name;
  bool scattered;
  bool by_message; /* local access only: the data is sent */
  int (*open)(struct ping_side* side, struct ping_memory* memory, struct ping_key* key);
  int (*close)(struct ping_side* side, struct ping_key* key);
};
extern const struct ping_way ping_ways[];
extern const int ping_way_count;

#endif
