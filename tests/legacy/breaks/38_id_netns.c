/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 38
 * break: an identifier has a network namespace
 * version: 4.4
 * before: `rdma_create_id(handler, ctx, ps, type)`
 * after: `rdma_create_id(&init_net, handler, ctx, ps, type)`
 * here: 3, 4 or 5 arguments, at every level; a macro, which consumers look for
 */
#include "row.h"

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) { return 0; }

#ifndef rdma_create_id
#error "consumers of the newest form look for the macro"
#endif
static int test(struct ib_device* device) {
#if AFTER(4, 4)
  struct rdma_cm_id* id = rdma_create_id(&init_net, on_event, device, RDMA_PS_UDP, IB_QPT_UD);
#else
  struct rdma_cm_id* id = rdma_create_id(on_event, device, RDMA_PS_UDP, IB_QPT_UD);
#endif
  CHECK(!IS_ERR(id) && id->qp_type == IB_QPT_UD);
  rdma_destroy_id(id);
  return 0;
}

ROW(test);
