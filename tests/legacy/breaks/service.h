/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the InfiniBand CM's breaks share: a service, a request for it, and what happens to both ends. */
#ifndef LEGACY_SERVICE_H
#define LEGACY_SERVICE_H
#include <rdma/ib_cm.h>
#include "row.h"

#define SERVICE cpu_to_be64(0x1000000000c0ffeeULL)

/* In handlers; something else than 0 ends the identifier. */
static int asked(struct ib_cm_id* id, const struct ib_cm_event* event);
static int answered(struct ib_cm_id* id, const struct ib_cm_event* event);

static struct ib_cm_id* accepted; /* whose request came */
static u32 happened[16];          /* how often each kind of event */
static enum ib_cm_rej_reason reason;
static char told[32]; /* by a refusal */
static DECLARE_WAIT_QUEUE_HEAD(changed);

#if AFTER(4, 20)
static int on_event(struct ib_cm_id* id, const struct ib_cm_event* event) {
#else
static int on_event(struct ib_cm_id* id, struct ib_cm_event* event) {
#endif
  int end = 0;
  if (event->event == IB_CM_REQ_RECEIVED) {
    accepted = id;
    end = asked(id, event);
  } else if (event->event == IB_CM_REP_RECEIVED) {
    end = answered(id, event);
  } else if (event->event == IB_CM_DREQ_RECEIVED) {
    end = ib_send_cm_drep(id, NULL, 0);
  } else if (event->event == IB_CM_REJ_RECEIVED) {
    reason = event->param.rej_rcvd.reason;
    if (event->private_data) strcpy(told, event->private_data);
  }
  happened[event->event]++;
  wake_up(&changed);
  return end;
}

static int wait_for(enum ib_cm_event_type event) {
  CHECK(wait_event_timeout(changed, happened[event], 5 * HZ));
  return 0;
}

/* From this device to itself. */
static struct ib_cm_id* request(struct ib_device* device, u32 qpn, void* context) {
  struct ib_cm_id* id = ib_create_cm_id(device, on_event, context);
  struct sa_path_rec path;
  struct ib_cm_req_param param;
  int error;
  if (IS_ERR(id)) return id;
  memset(&path, 0, sizeof path);
  memset(&param, 0, sizeof param);
  row_gid(device, &path.dgid);
  param.primary_path = &path;
  param.service_id = SERVICE;
  param.qp_num = qpn;
  param.qp_type = IB_QPT_RC;
  param.starting_psn = 5;
  param.private_data = "question";
  param.private_data_len = 9;
  param.responder_resources = param.initiator_depth = 1;
  param.retry_count = param.rnr_retry_count = 7;
  error = ib_send_cm_req(id, &param);
  if (!error) return id;
  ib_destroy_cm_id(id);
  return ERR_PTR(error);
}

/* To RTS, with what the CM has agreed on. */
static inline int move(struct ib_cm_id* id, struct ib_qp* qp) {
  static const enum ib_qp_state states[] = {IB_QPS_INIT, IB_QPS_RTR, IB_QPS_RTS};
  struct ib_qp_attr attr;
  int i, mask;
  for (i = 0; i < 3; i++) {
    memset(&attr, 0, sizeof attr);
    attr.qp_state = states[i];
    GOOD(ib_cm_init_qp_attr(id, &attr, &mask));
    GOOD(ib_modify_qp(qp, &attr, mask));
  }
  return 0;
}

#endif
