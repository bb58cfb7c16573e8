/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 40
 * break: connecting inside a handler
 * version: 5.10
 * before: `rdma_connect` in the handler
 * after: `rdma_connect_locked`
 * here: both are `rdma_connect`: no lock is held
 */
#include "question.h"

static int asked(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct rdma_conn_param param = {.retry_count = 7};
  int error = open_qp(id);
  if (error) return error;
#if AFTER(5, 10)
  return rdma_connect_locked(id, &param);
#else
#ifdef WRONG
  rdma_connect_locked(id, &param);
#endif
  return rdma_connect(id, &param);
#endif
}

static int reply(struct rdma_cm_id* id, struct rdma_cm_event* event) { return -ENOMEM; }

static int test(struct ib_device* device) {
  GOOD(ask(device)); /* a handler that refuses destroys the identifier: its peer is told */
  CHECK(last == RDMA_CM_EVENT_REJECTED && !told[0]);
  return 0;
}

ROW(test);
