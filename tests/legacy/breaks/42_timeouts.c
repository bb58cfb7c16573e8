/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 42
 * break: addresses are const, times unsigned long
 * version: 4.20
 * before: `struct sockaddr *`, `int timeout_ms`
 * after: `const struct sockaddr *`, `unsigned long timeout_ms`
 * here: const at every level
 */
#include "row.h"

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) { return 0; }
static int test(struct ib_device* device) {
  struct rdma_cm_id* id = rdma_create_id(on_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
#if AFTER(4, 20)
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = 1, .sin_addr = {htonl(0x7f000001)}};
  unsigned long timeout = 1000;
  GOOD(rdma_resolve_addr(id, NULL, (const struct sockaddr*)&to, timeout));
#else
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = 1, .sin_addr = {htonl(0x7f000001)}};
  int timeout = 1000;
  GOOD(rdma_resolve_addr(id, NULL, (struct sockaddr*)&to, timeout));
#endif
  rdma_destroy_id(id);
  return 0;
}

ROW(test);
