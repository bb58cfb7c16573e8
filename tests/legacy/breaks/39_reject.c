/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 39
 * break: a refusal has a reason
 * version: 5.8
 * before: `rdma_reject(id, data, length)`
 * after: `rdma_reject(id, data, length, reason)`
 * here: either number of arguments; what arrives is always the consumer's reason
 */
#include "question.h"

static int asked(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct rdma_conn_param param = {.private_data = "question", .private_data_len = 9, .retry_count = 7};
  int error = open_qp(id);
  return error ? error : rdma_connect(id, &param);
}

static int reply(struct rdma_cm_id* id, struct rdma_cm_event* event) {
#if AFTER(5, 8)
  int error = rdma_reject(id, "no", 3, IB_CM_REJ_CONSUMER_DEFINED);
#else
  int error = rdma_reject(id, "no", 3);
#endif
  return error ? error : 1; /* the identifier ends */
}

static int test(struct ib_device* device) {
  GOOD(ask(device));
  CHECK(last == RDMA_CM_EVENT_REJECTED && status == IB_CM_REJ_CONSUMER_DEFINED && !told[0]);
  return 0;
}

ROW(test);
