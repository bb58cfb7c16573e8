/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of single breaks share. Each is a module for the levels just before and just after its break; it uses
 * the form of its level, and says by its result whether that did what it should. */
#ifndef LEGACY_ROW_H
#define LEGACY_ROW_H
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <rdma/rdma_cm.h>

#define AFTER(a, b) (LINUX_VERSION_CODE >= KERNEL_VERSION(a, b, 0))

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      printk(KERN_ERR "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      return -EINVAL;                                                         \
    }                                                                         \
  } while (0)
#define GOOD(call)                                                                \
  do {                                                                            \
    int row_error = (call);                                                       \
    if (row_error) {                                                              \
      printk(KERN_ERR "%s:%d: %d by %s\n", __FILE__, __LINE__, row_error, #call); \
      return -EINVAL;                                                             \
    }                                                                             \
  } while (0)

/* ROW(test): the module that runs `int test(struct ib_device *)` on the first device. */
#define ROW(test)                                            \
  static int __init row_init(void) { return row_run(test); } \
  module_init(row_init)

static struct ib_device* row_found __maybe_unused;
#if AFTER(5, 8)
static int row_add(struct ib_device* device) {
  if (!row_found) row_found = device;
  return 0;
}
#else
static void row_add(struct ib_device* device) {
  if (!row_found) row_found = device;
}
#endif
static struct ib_client row_client = {.name = "row", .add = row_add};

static inline int row_run(int (*test)(struct ib_device*)) {
  int error;
  GOOD(ib_register_client(&row_client));
  error = row_found ? test(row_found) : -ENODEV;
  ib_unregister_client(&row_client);
  return error;
}

/* Two RC queue pairs of one device; row_open() connects them to each other. */
struct row_pair {
  struct ib_device* device;
  struct ib_pd* pd;
  struct ib_cq* cq;
  struct ib_qp* qp[2];
};

static inline int row_gid(struct ib_device* device, union ib_gid* gid) {
  int i;
  for (i = 0; i < 16; i++) {
#if AFTER(4, 19)
    int error = rdma_query_gid(device, 1, i, gid);
#else
    int error = ib_query_gid(device, 1, i, gid);
#endif
    if (error) break;
    if (gid->raw[10] == 0xff && gid->raw[11] == 0xff) return i;
  }
  return -ENOENT;
}

static inline int row_connect(struct ib_qp* qp, struct ib_qp* peer) {
  struct ib_qp_attr attr;
  int index;
  memset(&attr, 0, sizeof attr);
  attr.qp_state = IB_QPS_INIT;
  attr.port_num = 1;
  attr.qp_access_flags = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC;
  GOOD(ib_modify_qp(qp, &attr, IB_QP_STATE | IB_QP_PKEY_INDEX | IB_QP_PORT | IB_QP_ACCESS_FLAGS));
  attr.qp_state = IB_QPS_RTR;
  attr.path_mtu = IB_MTU_1024;
  attr.dest_qp_num = peer->qp_num;
  attr.max_dest_rd_atomic = 1;
  attr.min_rnr_timer = 12;
  attr.ah_attr.ah_flags = IB_AH_GRH;
  attr.ah_attr.port_num = 1;
  index = row_gid(qp->device, &attr.ah_attr.grh.dgid);
  CHECK(index >= 0);
  attr.ah_attr.grh.sgid_index = index;
  attr.ah_attr.grh.hop_limit = 1;
  GOOD(ib_modify_qp(qp, &attr,
                    IB_QP_STATE | IB_QP_AV | IB_QP_PATH_MTU | IB_QP_DEST_QPN | IB_QP_RQ_PSN | IB_QP_MAX_DEST_RD_ATOMIC |
                        IB_QP_MIN_RNR_TIMER));
  attr.qp_state = IB_QPS_RTS;
  attr.timeout = 14;
  attr.retry_cnt = 7;
  attr.rnr_retry = 7;
  attr.max_rd_atomic = 1;
  GOOD(ib_modify_qp(
      qp, &attr,
      IB_QP_STATE | IB_QP_TIMEOUT | IB_QP_RETRY_CNT | IB_QP_RNR_RETRY | IB_QP_SQ_PSN | IB_QP_MAX_QP_RD_ATOMIC));
  return 0;
}

static inline int row_make(struct ib_device* device, struct row_pair* pair) {
  struct ib_qp_init_attr init;
  int i;
  memset(pair, 0, sizeof *pair);
  pair->device = device;
  pair->pd = ib_alloc_pd(device, 0);
  CHECK(!IS_ERR(pair->pd));
  pair->cq = ib_create_cq(device, NULL, NULL, NULL, 64, 0);
  CHECK(!IS_ERR(pair->cq));
  for (i = 0; i < 2; i++) {
    memset(&init, 0, sizeof init);
    init.qp_type = IB_QPT_RC;
    init.send_cq = init.recv_cq = pair->cq;
    init.cap.max_send_wr = init.cap.max_recv_wr = 8;
    init.cap.max_send_sge = init.cap.max_recv_sge = 1;
    init.sq_sig_type = IB_SIGNAL_REQ_WR;
    pair->qp[i] = ib_create_qp(pair->pd, &init);
    CHECK(!IS_ERR(pair->qp[i]));
  }
  return 0;
}

static inline int row_open(struct ib_device* device, struct row_pair* pair) {
  int i;
  GOOD(row_make(device, pair));
  for (i = 0; i < 2; i++) GOOD(row_connect(pair->qp[i], pair->qp[!i]));
  return 0;
}

static inline int row_close(struct row_pair* pair) {
  GOOD(ib_destroy_qp(pair->qp[0]));
  GOOD(ib_destroy_qp(pair->qp[1]));
  GOOD(kv_destroy_cq(pair->cq));
  GOOD(ib_dealloc_pd(pair->pd));
  return 0;
}

/* The next completion; five seconds are for ever. */
static inline int row_wait(struct ib_cq* cq, struct ib_wc* wc) {
  unsigned long end = jiffies + 5 * HZ;
  int n;
  while ((n = ib_poll_cq(cq, 1, wc)) == 0)
    if (time_after(jiffies, end)) return -ETIMEDOUT;
  return n == 1 ? 0 : -EIO;
}

/* READ or WRITE of 8 bytes, in the form of the level; the status, or a negative error. */
static inline int row_rdma(struct row_pair* pair, enum ib_wr_opcode opcode, void* local, u32 lkey, u64 remote,
                           u32 rkey) {
  struct ib_sge sge = {(unsigned long)local, 8, lkey};
  struct ib_wc wc;
#if AFTER(4, 4)
  struct ib_rdma_wr wr;
  const struct ib_send_wr* bad = NULL;
  memset(&wr, 0, sizeof wr);
  wr.wr.opcode = opcode;
  wr.wr.sg_list = &sge;
  wr.wr.num_sge = 1;
  wr.wr.send_flags = IB_SEND_SIGNALED;
  wr.remote_addr = remote;
  wr.rkey = rkey;
  GOOD(ib_post_send(pair->qp[0], &wr.wr, &bad));
#else
  struct ib_send_wr wr, *bad = NULL;
  memset(&wr, 0, sizeof wr);
  wr.opcode = opcode;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.send_flags = IB_SEND_SIGNALED;
  wr.wr.rdma.remote_addr = remote;
  wr.wr.rdma.rkey = rkey;
  GOOD(ib_post_send(pair->qp[0], &wr, &bad));
#endif
  GOOD(row_wait(pair->cq, &wc));
  return wc.status;
}

/* Eight bytes written through the key arrive, and come back. */
static inline int row_reach(struct row_pair* pair, u64* memory, u64 remote, u32 rkey) {
  u64* local = kmalloc(8, GFP_KERNEL);
  *local = 0x1122334455667788ull ^ remote;
  CHECK(row_rdma(pair, IB_WR_RDMA_WRITE, local, pair->device->local_dma_lkey, remote, rkey) == IB_WC_SUCCESS);
  CHECK(*memory == *local);
  *memory = 42;
  CHECK(row_rdma(pair, IB_WR_RDMA_READ, local, pair->device->local_dma_lkey, remote, rkey) == IB_WC_SUCCESS);
  CHECK(*local == 42);
  kfree(local);
  return 0;
}

#endif
