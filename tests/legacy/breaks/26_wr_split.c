/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 26
 * break: each kind of work request has a structure
 * version: 4.4
 * before: `wr.wr.rdma.remote_addr`
 * after: `struct ib_rdma_wr`, `rdma_wr(wr)`
 * here: by level: two sets of structures, two entry points
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  struct ib_mr* mr;
  u64* memory = kzalloc(64, GFP_KERNEL);
  u64* old = kzalloc(64, GFP_KERNEL);
  struct ib_sge sge = {(unsigned long)old, 8, device->local_dma_lkey};
  struct ib_wc wc;
  GOOD(row_open(device, &pair));
  mr = ib_get_dma_mr(pair.pd, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_ATOMIC);
  *memory = 40;
  {
#if AFTER(4, 4)
    struct ib_atomic_wr wr = {.wr = {.opcode = IB_WR_ATOMIC_FETCH_AND_ADD, .send_flags = IB_SEND_SIGNALED}};
    struct ib_send_wr* bad;
    wr.wr.sg_list = &sge;
    wr.wr.num_sge = 1;
    wr.remote_addr = (unsigned long)memory;
    wr.compare_add = 2;
    wr.rkey = mr->rkey;
    GOOD(ib_post_send(pair.qp[0], &wr.wr, &bad));
#ifdef WRONG
    wr.wr.wr.atomic.rkey = 0;
#endif
#else
    struct ib_send_wr wr = {.opcode = IB_WR_ATOMIC_FETCH_AND_ADD, .send_flags = IB_SEND_SIGNALED}, *bad;
    wr.sg_list = &sge;
    wr.num_sge = 1;
    wr.wr.atomic.remote_addr = (unsigned long)memory;
    wr.wr.atomic.compare_add = 2;
    wr.wr.atomic.rkey = mr->rkey;
    GOOD(ib_post_send(pair.qp[0], &wr, &bad));
#ifdef WRONG
    struct ib_rdma_wr slim;
#endif
#endif
  }
  GOOD(row_wait(pair.cq, &wc));
  CHECK(wc.status == IB_WC_SUCCESS && wc.opcode == IB_WC_FETCH_ADD && *old == 40 && *memory == 42);
  GOOD(ib_dereg_mr(mr));
  GOOD(row_close(&pair));
  kfree(memory);
  kfree(old);
  return 0;
}

ROW(test);
