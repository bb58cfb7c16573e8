/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 9
 * break: CQs that call a function for each completion
 * version: 4.5
 * before: own poll loops, `wr_id`
 * after: `ib_alloc_cq`, `wr_cqe`, `done()`
 * here: by level; one thread for each vector, and work items
 */
#include "row.h"

#if AFTER(4, 5)
struct op {
  struct ib_cqe cqe;
  struct completion done;
  enum ib_wc_status status;
};
static void done(struct ib_cq* cq, struct ib_wc* wc) {
  struct op* op = container_of(wc->wr_cqe, struct op, cqe);
  op->status = wc->status;
  complete(&op->done);
}
static int flush_once(struct ib_device* device, enum ib_poll_context where) {
  struct ib_pd* pd = ib_alloc_pd(device, 0);
  struct ib_cq* cq = ib_alloc_cq(device, NULL, 16, 0, where);
  struct ib_qp_init_attr init = {.qp_type = IB_QPT_RC, .send_cq = cq, .recv_cq = cq, .cap = {4, 4, 1, 1}};
  struct ib_qp_attr attr = {.qp_state = IB_QPS_INIT, .port_num = 1};
  struct op op = {.cqe = {done}};
  struct ib_recv_wr wr = {.wr_cqe = &op.cqe};
  struct ib_recv_wr* bad;
  struct ib_qp* qp = ib_create_qp(pd, &init);
  CHECK(!IS_ERR(cq) && !IS_ERR(qp));
  init_completion(&op.done);
  GOOD(ib_modify_qp(qp, &attr, IB_QP_STATE | IB_QP_PKEY_INDEX | IB_QP_PORT | IB_QP_ACCESS_FLAGS));
  GOOD(ib_post_recv(qp, &wr, &bad));
  attr.qp_state = IB_QPS_ERR;
  GOOD(ib_modify_qp(qp, &attr, IB_QP_STATE));
  if (where == IB_POLL_DIRECT)
    while (ib_process_cq_direct(cq, -1) == 0) cpu_relax();
  wait_for_completion(&op.done);
  CHECK(op.status == IB_WC_WR_FLUSH_ERR);
  GOOD(ib_destroy_qp(qp));
  ib_free_cq(cq);
  GOOD(ib_dealloc_pd(pd));
  return 0;
}
#endif
static int test(struct ib_device* device) {
#if AFTER(4, 5)
  GOOD(flush_once(device, IB_POLL_SOFTIRQ));
  GOOD(flush_once(device, IB_POLL_WORKQUEUE));
  GOOD(flush_once(device, IB_POLL_DIRECT));
#else
  struct row_pair pair;
  struct ib_recv_wr wr = {.wr_id = 99}, *bad;
  struct ib_qp_attr attr = {.qp_state = IB_QPS_ERR};
  struct ib_wc wc;
  GOOD(row_open(device, &pair));
  GOOD(ib_post_recv(pair.qp[0], &wr, &bad));
  GOOD(ib_modify_qp(pair.qp[0], &attr, IB_QP_STATE));
  GOOD(row_wait(pair.cq, &wc));
  CHECK(wc.wr_id == 99 && wc.status == IB_WC_WR_FLUSH_ERR && wc.qp == pair.qp[0]);
  GOOD(row_close(&pair));
#ifdef WRONG
  ib_alloc_cq(device, NULL, 16, 0, 0);
#endif
#endif
  return 0;
}

ROW(test);
