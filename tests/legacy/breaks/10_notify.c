/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 10
 * break: arming a CQ tells of what was missed
 * version: 2.6.22
 * before: `ib_req_notify_cq(cq, enum ib_cq_notify)`
 * after: `ib_req_notify_cq(cq, flags \| IB_CQ_REPORT_MISSED_EVENTS)`
 * here: armed, then looked at: 1 if there is something
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  struct ib_recv_wr wr = {.wr_id = 5}, *bad;
  struct ib_qp_attr attr = {.qp_state = IB_QPS_ERR};
  struct ib_wc wc;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 22)
  enum ib_cq_notify_flags how = IB_CQ_NEXT_COMP | IB_CQ_REPORT_MISSED_EVENTS;
  int missed = 1;
#else
  enum ib_cq_notify how = IB_CQ_NEXT_COMP;
  int missed = 0;
#ifdef WRONG
  how |= IB_CQ_REPORT_MISSED_EVENTS;
#endif
#endif
  GOOD(row_open(device, &pair));
  CHECK(ib_req_notify_cq(pair.cq, how) == 0);
  GOOD(ib_post_recv(pair.qp[0], &wr, &bad));
  GOOD(ib_modify_qp(pair.qp[0], &attr, IB_QP_STATE));
  CHECK(ib_req_notify_cq(pair.cq, how) == missed);
  GOOD(row_wait(pair.cq, &wc));
  CHECK(wc.wr_id == 5);
  GOOD(row_close(&pair));
  return 0;
}

ROW(test);
