/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 46
 * break: listening of the InfiniBand CM
 * version: 4.3, 6.1
 * before: `ib_cm_listen(id, service, mask, compare)`
 * after: `ib_cm_listen(id, service, mask)`, then `ib_cm_listen(id, service)`
 * here: either number of arguments, at every level; the InfiniBand CM stands on the RDMA CM
 */
#include "service.h"

static struct row_pair pair;

static int asked(struct ib_cm_id* id, const struct ib_cm_event* event) {
  struct ib_cm_rep_param reply = {.qp_num = pair.qp[1]->qp_num,
                                  .starting_psn = 7,
                                  .responder_resources = 1,
                                  .initiator_depth = 1,
                                  .rnr_retry_count = 7};
  CHECK(event->param.req_rcvd.remote_qpn == pair.qp[0]->qp_num && event->param.req_rcvd.starting_psn == 5);
  CHECK(strcmp(event->private_data, "question") == 0 && id->context == &pair && id->service_id == SERVICE);
  GOOD(move(id, pair.qp[1]));
  reply.private_data = "answer";
  reply.private_data_len = 7;
  return ib_send_cm_rep(id, &reply);
}

static int answered(struct ib_cm_id* id, const struct ib_cm_event* event) {
  CHECK(event->param.rep_rcvd.remote_qpn == pair.qp[1]->qp_num && event->param.rep_rcvd.starting_psn == 7);
  CHECK(strcmp(event->private_data, "answer") == 0);
  GOOD(move(id, pair.qp[0]));
  return ib_send_cm_rtu(id, NULL, 0);
}

static int listen(struct ib_cm_id* id) {
#if AFTER(6, 1)
  return ib_cm_listen(id, SERVICE);
#elif AFTER(4, 3)
  return ib_cm_listen(id, SERVICE, 0);
#else
  return ib_cm_listen(id, SERVICE, 0, NULL);
#endif
}

static int test(struct ib_device* device) {
  struct ib_cm_id *listener = ib_create_cm_id(device, on_event, &pair), *id;
  struct ib_cm_id* other = ib_create_cm_id(device, on_event, NULL);
  u64* memory = kmalloc(8, GFP_KERNEL);
  struct ib_mr* mr;
  GOOD(row_make(device, &pair));
  mr = ib_get_dma_mr(pair.pd, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ);
  CHECK(!IS_ERR(listener) && !IS_ERR(mr));
  GOOD(listen(listener));
  CHECK(listen(listener) == -EINVAL && listen(other) == -EBUSY);
  ib_destroy_cm_id(other);
  id = request(device, pair.qp[0]->qp_num, &pair);
  CHECK(!IS_ERR(id));
  GOOD(wait_for(IB_CM_RTU_RECEIVED));
  GOOD(row_reach(&pair, memory, (unsigned long)memory, mr->rkey));
  GOOD(ib_send_cm_dreq(id, NULL, 0));
  GOOD(wait_for(IB_CM_DREQ_RECEIVED));
  GOOD(wait_for(IB_CM_DREP_RECEIVED));
  ib_destroy_cm_id(id);
  ib_destroy_cm_id(accepted);
  ib_destroy_cm_id(listener);
  ib_dereg_mr(mr);
  kfree(memory);
  return row_close(&pair);
}

ROW(test);
