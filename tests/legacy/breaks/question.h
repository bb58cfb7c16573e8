/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of single breaks of the connection manager share: one identifier asks another for a connection, and is
 * refused. */
#ifndef LEGACY_QUESTION_H
#define LEGACY_QUESTION_H
#include <rdma/ib_cm.h>
#include "row.h"

static struct completion settled;
/* In handlers: the first has a route and connects; the second sees the request, and does not accept it. */
static int asked(struct rdma_cm_id* id, struct rdma_cm_event* event);
static int reply(struct rdma_cm_id* id, struct rdma_cm_event* event);
/* How it ended. */
static enum rdma_cm_event_type last;
static int status;
static char told[256]; /* by the request; for reply() to fill */

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  int error = 0;
  switch (event->event) {
    case RDMA_CM_EVENT_ADDR_RESOLVED: error = rdma_resolve_route(id, 1000); break;
    case RDMA_CM_EVENT_ROUTE_RESOLVED: error = asked(id, event); break;
    case RDMA_CM_EVENT_CONNECT_REQUEST: return reply(id, event);
    default:
      last = event->event;
      status = event->status;
      complete(&settled);
  }
  if (error) printk(KERN_ERR "row: error %d after %s\n", error, rdma_event_msg(event->event));
  return 0;
}

static int ask(struct ib_device* device) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  struct rdma_cm_id *listener = rdma_create_id(on_event, NULL, RDMA_PS_TCP, IB_QPT_RC), *id;
  at.sin_addr.s_addr = in_aton("127.0.0.1");
  init_completion(&settled);
  CHECK(!IS_ERR(listener));
  GOOD(rdma_bind_addr(listener, (struct sockaddr*)&at));
  GOOD(rdma_listen(listener, 1));
  at.sin_port = ((struct sockaddr_in*)&listener->route.addr.src_addr)->sin_port;
  CHECK(at.sin_port != 0);
  id = rdma_create_id(on_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
  GOOD(rdma_resolve_addr(id, NULL, (struct sockaddr*)&at, 1000));
  CHECK(wait_for_completion_timeout(&settled, 5 * HZ));
  if (id->qp) {
    struct ib_pd* pd = id->qp->pd;
    struct ib_cq* cq = id->qp->send_cq;
    rdma_destroy_qp(id);
    kv_destroy_cq(cq);
    ib_dealloc_pd(pd);
  }
  rdma_destroy_id(id);
  rdma_destroy_id(listener);
  return 0;
}

static int open_qp(struct rdma_cm_id* id) {
  struct ib_qp_init_attr init = {.qp_type = IB_QPT_RC, .cap = {4, 4, 1, 1}};
  struct ib_pd* pd = ib_alloc_pd(id->device);
  init.send_cq = init.recv_cq = ib_create_cq(id->device, NULL, NULL, NULL, 10, 0);
  return rdma_create_qp(id, pd, &init);
}

#endif
