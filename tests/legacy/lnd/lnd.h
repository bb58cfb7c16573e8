/* SPDX-License-Identifier: BSD-2-Clause */
/* A network driver in the manner of Lustre's: nodes find each other by number and connect on demand; small messages
 * with credits; bulk PUT and GET by RDMA WRITE; keepalive; a new connection after death. One source for all API levels.
 */
#ifndef LEGACY_LND_H
#define LEGACY_LND_H
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <rdma/ib_cm.h>
#include <rdma/ib_fmr_pool.h>
#include <rdma/rdma_cm.h>

/* The era of registration. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(2, 6, 26)
#define LND_ERA "global DMA MR"
#define LND_GLOBAL 1
#elif LINUX_VERSION_CODE < KERNEL_VERSION(3, 10, 0)
#define LND_ERA "FMR pool"
#define LND_FMR 1
#elif LINUX_VERSION_CODE < KERNEL_VERSION(4, 4, 0)
#define LND_ERA "page list"
#define LND_PAGE_LIST 1
#else
#define LND_ERA "REG_MR"
#define LND_REG_MR 1
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 9, 0)
#define LND_DMA_MR 1 /* for local access at least */
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 4, 0)
#define LND_SLIM 1
#endif

enum {
  LND_MAGIC = 0x4c4e4431,
  LND_VERSION = 2,
  LND_NODES = 64,
  LND_DEPTH = 8,  /* receives, and so credits */
  LND_PAGES = 16, /* of a bulk transfer */
  LND_SMALL = 1024,
  LND_PATIENCE = 3 * HZ, /* with the dead */
  LND_KEEPALIVE = HZ,
  LND_RETRY = HZ / 10 /* between two attempts to connect */
};
#define LND_BULK (LND_PAGES * (unsigned int)PAGE_SIZE)

enum lnd_type { LND_NOOP, LND_IMMEDIATE, LND_PUT_REQ, LND_PUT_ACK, LND_PUT_DONE, LND_GET_REQ, LND_DONE };

struct lnd_frag {
  u64 addr;
  u32 length, key;
} __packed;
struct lnd_msg {
  u32 magic;
  u16 type, credits;
  u32 from, to;
  u64 cookie; /* of the operation, by its initiator */
  u64 other;  /* of the target: in PUT_ACK, and back in PUT_DONE */
  s32 status;
  u32 length, frags;
  struct lnd_frag frag[LND_PAGES];
  u8 data[LND_SMALL];
} __packed;
struct lnd_hello { /* private data of connecting */
  u32 magic, version, from, to;
  u64 incarnation;
} __packed;

/* Memory of a bulk transfer: single pages. */
struct lnd_bulk {
  unsigned int length, pages;
  struct page* page[LND_PAGES];
  struct scatterlist sg[LND_PAGES];
  void* key; /* what the era made, see registration.c */
};

struct lnd_tx {
  struct list_head entry; /* of a peer's pending, a connection's queue, its waiting */
  struct lnd_msg* msg;
  struct lnd_bulk* bulk;
  unsigned long deadline;
  bool answered, sent; /* of an operation, which waits for both */
  bool operation;
  int status;
  struct completion done;
  struct lnd_frag sink[LND_PAGES]; /* where the WRITEs before the message go */
  u32 sinks;
};
struct lnd_rx {
  struct lnd_msg* msg;
  struct lnd_conn* conn;
};

enum lnd_state { LND_CONNECTING, LND_UP, LND_CLOSING };
struct lnd_conn {
  struct list_head entry; /* of all connections */
  struct lnd_peer* peer;
  enum lnd_state state;
  bool active, gone; /* gone: no event comes any more */
  u64 incarnation;
  struct rdma_cm_id* id;
  struct ib_pd* pd;
  struct ib_cq* cq;
  struct ib_mr* dma_mr;
  u32 lkey;
  struct list_head queue, waiting;
  int credits, owed; /* that we may send; that we have to give back */
  int receives, sends;
  int noops;    /* that came with nothing between them */
  int handlers; /* of the connection manager, that run: what they stand on stays */
  unsigned long last_sent, last_heard;
  bool ready; /* the CQ has something */
  struct lnd_rx rx[LND_DEPTH];
#ifdef LND_FMR
  struct ib_fmr_pool* pool;
#endif
  struct list_head keys; /* fast regions that are free */
};
struct lnd_peer {
  struct lnd_conn* conn;
  struct list_head pending;
  unsigned long next_try;
  int silence; /* seconds after which one that says nothing has gone; 0: it is waited for */
};

extern int lnd_nid, lnd_timeout; /* seconds, of an operation */
#define LND_TIMEOUT (lnd_timeout * HZ)
extern spinlock_t lnd_lock; /* all lists, counts and states */
extern struct lnd_peer lnd_peers[LND_NODES];
extern struct list_head lnd_conns;
extern wait_queue_head_t lnd_sched_wait;
extern u64 lnd_incarnation;

/* registration.c: what the era has */
int lnd_open_keys(struct lnd_conn* conn);
void lnd_close_keys(struct lnd_conn* conn);
/** Makes the memory reachable for WRITEs and describes it; what it posts comes before what is posted next. */
int lnd_map(struct lnd_conn* conn, struct lnd_bulk* bulk, struct lnd_frag* frags, u32* n);
void lnd_unmap(struct lnd_conn* conn, struct lnd_bulk* bulk);

/* post.c */
int lnd_post_receive(struct lnd_conn* conn, struct lnd_rx* rx);
int lnd_post_message(struct lnd_conn* conn, struct lnd_tx* tx);
int lnd_post_writes(struct lnd_conn* conn, struct lnd_tx* tx);

/* conn.c */
int lnd_on_event(struct rdma_cm_id* id, struct rdma_cm_event* event);
void lnd_connect(struct lnd_peer* peer);
void lnd_close(struct lnd_conn* conn); /* lock held */
int lnd_connd(void* unused);
void lnd_wake_connd(void);
struct rdma_cm_id* lnd_new_id(void* context);
int lnd_address(struct sockaddr_in* address, int nid);

/* message.c */
void lnd_push(struct lnd_conn* conn); /* lock held: sends what credits allow */
void lnd_queue(struct lnd_conn* conn, struct lnd_tx* tx);
struct lnd_tx* lnd_new_tx(enum lnd_type type, u32 to); /* to be done within LND_TIMEOUT */
void lnd_free_tx(struct lnd_tx* tx);
void lnd_end_tx(struct lnd_tx* tx, int status);
int lnd_sched(void* unused);

/* bulk.c */
struct lnd_bulk* lnd_new_bulk(unsigned int length);
void lnd_free_bulk(struct lnd_bulk* bulk);
void lnd_fill(struct lnd_bulk* bulk, u64 seed);
int lnd_check(struct lnd_bulk* bulk, u64 seed);

#endif
