/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 48
 * break: options of an identifier
 * version: 2.6.24
 * before: -
 * after: `rdma_set_service_type`; `rdma_set_reuseaddr` (3.10), `rdma_set_ack_timeout` (5.1), a minimal RNR timer (5.15)
 * here: by level; a minimal RNR timer is refused
 */
#include "row.h"

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) { return 0; }
static int test(struct ib_device* device) {
  struct rdma_cm_id* id = rdma_create_id(on_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
  CHECK(!IS_ERR(id));
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 24)
  rdma_set_service_type(id, 0x10);
#else
#ifdef WRONG
  rdma_set_service_type(id, 0x10);
#endif
#endif
  rdma_destroy_id(id);
  return 0;
}

ROW(test);
