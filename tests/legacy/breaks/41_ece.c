/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 41
 * break: enhanced connection establishment, and locking the handler
 * version: 5.8
 * before: `rdma_connect`, `rdma_accept`
 * after: `rdma_connect_ece`, `rdma_accept_ece`, `rdma_lock_handler`
 * here: by level; the vendor's options are not carried
 */
#include "question.h"

static int asked(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct rdma_conn_param param = {.retry_count = 7};
  int error = open_qp(id);
  if (error) return error;
#if AFTER(5, 8)
  struct rdma_ucm_ece ece = {0};
  return rdma_connect_ece(id, &param, &ece);
#else
#ifdef WRONG
  rdma_lock_handler(id);
#endif
  return rdma_connect(id, &param);
#endif
}

static int reply(struct rdma_cm_id* id, struct rdma_cm_event* event) { return -ENOMEM; }

static int test(struct ib_device* device) {
  GOOD(ask(device));
  CHECK(last == RDMA_CM_EVENT_REJECTED && !told[0]);
  return 0;
}

ROW(test);
