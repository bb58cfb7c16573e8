/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 43
 * break: where the private data of an event is
 * version: 2.6.21
 * before: `event->private_data`
 * after: `event->param.conn.private_data`
 * here: one word under two names
 */
#include "question.h"

static int asked(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct rdma_conn_param param = {.private_data = "question", .private_data_len = 9, .retry_count = 7};
  int error = open_qp(id);
  return error ? error : rdma_connect(id, &param);
}

static int reply(struct rdma_cm_id* id, struct rdma_cm_event* event) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 21)
  if (event->param.conn.private_data_len >= 9) memcpy(told, event->param.conn.private_data, 9);
#else
  if (event->private_data_len >= 9) memcpy(told, event->private_data, 9);
#endif
  return -EINVAL;
}

static int test(struct ib_device* device) {
  GOOD(ask(device));
  CHECK(last == RDMA_CM_EVENT_REJECTED && status && strcmp(told, "question") == 0);
  return 0;
}

ROW(test);
