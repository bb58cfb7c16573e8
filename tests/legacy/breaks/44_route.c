/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 44
 * break: a route has paths by direction
 * version: 6.3
 * before: `route.num_paths`
 * after: `route.num_pri_alt_paths`, `path_rec_inbound`
 * here: by level; there are no path records
 */
#include "row.h"

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) { return 0; }
static int test(struct ib_device* device) {
  struct rdma_cm_id* id = rdma_create_id(on_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000001)}};
  GOOD(rdma_bind_addr(id, (struct sockaddr*)&at));
  CHECK(id->device && id->port_num == 1);
  CHECK(id->route.path_rec == NULL);
#if AFTER(6, 3)
  CHECK(id->route.num_pri_alt_paths == 0 && id->route.path_rec_inbound == NULL);
#else
  CHECK(id->route.num_paths == 0);
#ifdef WRONG
  CHECK(id->route.path_rec_inbound == NULL);
#endif
#endif
  rdma_destroy_id(id);
  return 0;
}

ROW(test);
