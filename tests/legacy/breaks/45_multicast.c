/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 45
 * break: joining says as what
 * version: 4.10
 * before: `rdma_join_multicast(id, addr, ctx)`
 * after: `rdma_join_multicast(id, addr, state, ctx)`
 * here: either number of arguments; a full member
 */
#include "row.h"

static struct completion joined;
static int joined_status;
static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  joined_status = event->event == RDMA_CM_EVENT_MULTICAST_JOIN ? event->status : -EIO;
  complete(&joined);
  return 0;
}
static int test(struct ib_device* device) {
  struct rdma_cm_id* id = rdma_create_id(on_event, NULL, RDMA_PS_UDP, IB_QPT_UD);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000001)}};
  struct sockaddr_in group = {.sin_family = AF_INET, .sin_addr = {htonl(0xef010203)}};
  struct ib_qp_init_attr init = {.qp_type = IB_QPT_UD, .cap = {4, 4, 1, 1}};
  struct ib_pd* pd;
  struct ib_cq* cq;
  init_completion(&joined);
  GOOD(rdma_bind_addr(id, (struct sockaddr*)&at));
  pd = ib_alloc_pd(id->device);
  init.send_cq = init.recv_cq = cq = ib_create_cq(id->device, NULL, NULL, NULL, 10, 0);
  GOOD(rdma_create_qp(id, pd, &init));
#if AFTER(4, 10)
  GOOD(rdma_join_multicast(id, (struct sockaddr*)&group, 1, id));
#else
  GOOD(rdma_join_multicast(id, (struct sockaddr*)&group, id));
#endif
  CHECK(wait_for_completion_timeout(&joined, 5 * HZ) && joined_status == 0);
  rdma_leave_multicast(id, (struct sockaddr*)&group);
  rdma_destroy_qp(id);
  rdma_destroy_id(id);
  ib_destroy_cq(cq);
  ib_dealloc_pd(pd);
  return 0;
}

ROW(test);
