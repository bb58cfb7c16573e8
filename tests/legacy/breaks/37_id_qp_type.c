/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 37
 * break: an identifier has a queue pair type
 * version: 3.0
 * before: `rdma_create_id(handler, ctx, ps)`
 * after: `rdma_create_id(handler, ctx, ps, type)`
 * here: 3, 4 or 5 arguments, at every level
 */
#include "row.h"

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) { return 0; }
static int test(struct ib_device* device) {
#if AFTER(3, 0)
  struct rdma_cm_id* id = rdma_create_id(on_event, device, RDMA_PS_TCP, IB_QPT_RC);
#else
  struct rdma_cm_id* id = rdma_create_id(on_event, device, RDMA_PS_TCP);
#endif
  CHECK(!IS_ERR(id) && id->context == device && id->qp_type == IB_QPT_RC && id->ps == RDMA_PS_TCP);
  rdma_destroy_id(id);
  return 0;
}

ROW(test);
