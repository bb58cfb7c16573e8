/* SPDX-License-Identifier: BSD-2-Clause */
/* What consumers call of the connection manager. */
#include "cm.h"

struct rdma_cm_id* kv_rdma_create_id(rdma_cm_event_handler handler, void* context, int ps, int qp_type) {
  struct kv_cm_id* id = kv_new_cm_id(handler, context, ps, qp_type);
  if (!id) return ERR_PTR(-ENOMEM);
  int error = ucm_create(id, ps, &id->user);
  if (!error) {
    kv_start_cm();
    return &id->ib;
  }
  free(id);
  return ERR_PTR(error);
}

void rdma_destroy_id(struct rdma_cm_id* ib) {
  struct kv_cm_id* id = to_cm(ib);
  if (id->in_handler && pthread_equal(id->handler_thread, pthread_self())) {
    printk(KERN_ERR "rdma_destroy_id: called by the identifier's own handler: destroyed when that has returned\n");
    id->destroy_after = true;
    return;
  }
  kv_end_cm_id(id);
}

int rdma_bind_addr(struct rdma_cm_id* id, struct sockaddr* address) {
  int error = ucm_bind(to_cm(id)->user, address);
  if (!error) kv_learn_names(to_cm(id));
  return error;
}

int kv_rdma_resolve_addr(struct rdma_cm_id* id, const struct sockaddr* from, const struct sockaddr* to,
                         unsigned long ms) {
  return ucm_resolve_addr(to_cm(id)->user, from, to, (int)min(ms, (unsigned long)INT_MAX));
}

int rdma_resolve_route(struct rdma_cm_id* id, unsigned long ms) {
  return ucm_resolve_route(to_cm(id)->user, (int)min(ms, (unsigned long)INT_MAX));
}

static struct ibv_qp* create_by_cm(void* with, struct ibv_pd* pd, struct ibv_qp_init_attr* init) {
  return ucm_create_qp(with, pd, init);
}

int rdma_create_qp(struct rdma_cm_id* ib, struct ib_pd* pd, struct ib_qp_init_attr* init) {
  struct kv_cm_id* id = to_cm(ib);
  if (ib->device && ib->device != pd->device) return -EINVAL;
  struct kv_qp* qp = kv_make_qp(to_pd(pd), init, create_by_cm, id->user);
  if (IS_ERR(qp)) return (int)PTR_ERR(qp);
  qp->cm = id;
  ib->qp = &qp->ib;
  return 0;
}

/* Also of one that rdma_create_qp made: consumers do both. */
int ib_destroy_qp(struct ib_qp* ib) {
  struct kv_qp* qp = to_qp(ib);
  if (!qp->cm) return kv_end_qp(qp);
  qp->cm->ib.qp = NULL;
  ucm_destroy_qp(qp->cm->user);
  qp->native = NULL;
  return kv_end_qp(qp);
}

void rdma_destroy_qp(struct rdma_cm_id* id) {
  if (id->qp) ib_destroy_qp(id->qp);
}

int rdma_init_qp_attr(struct rdma_cm_id* id, struct ib_qp_attr* attr, int* mask) {
  struct ibv_qp_attr native = {.qp_state = (enum ibv_qp_state)attr->qp_state};
  int error = ucm_init_qp_attr(to_cm(id)->user, &native, mask);
  if (!error) kv_from_native_qp_attr(&native, attr);
  return error;
}

static struct ucm_param native_param(const struct rdma_conn_param* param) {
  return (struct ucm_param){
      param->private_data, param->private_data_len, param->responder_resources, param->initiator_depth,
      param->flow_control, param->retry_count,      param->rnr_retry_count,     param->srq,
      param->qp_num};
}

int rdma_connect(struct rdma_cm_id* id, struct rdma_conn_param* param) {
  struct ucm_param native = native_param(param);
  return ucm_connect(to_cm(id)->user, &native);
}

/* Without parameters by the side that connected: its queue pair is another's, and is ready. */
int rdma_accept(struct rdma_cm_id* id, struct rdma_conn_param* param) {
  if (!param) return id->qp ? ucm_accept(to_cm(id)->user, NULL) : ucm_establish(to_cm(id)->user);
  struct ucm_param native = native_param(param);
  return ucm_accept(to_cm(id)->user, &native);
}

int kv_rdma_reject(struct rdma_cm_id* id, const void* data, u8 length) {
  return ucm_reject(to_cm(id)->user, data, length);
}
int rdma_disconnect(struct rdma_cm_id* id) { return ucm_disconnect(to_cm(id)->user); }
int rdma_listen(struct rdma_cm_id* id, int backlog) { return ucm_listen(to_cm(id)->user, backlog); }
int rdma_notify(struct rdma_cm_id* id, enum ib_event_type event) { return ucm_notify(to_cm(id)->user, (int)event); }

int kv_rdma_join_multicast(struct rdma_cm_id* id, struct sockaddr* address, void* context) {
  return ucm_join(to_cm(id)->user, address, context);
}
void rdma_leave_multicast(struct rdma_cm_id* id, struct sockaddr* address) { ucm_leave(to_cm(id)->user, address); }

void rdma_lock_handler(struct rdma_cm_id* id) { mutex_lock(&to_cm(id)->handling); }
void rdma_unlock_handler(struct rdma_cm_id* id) { mutex_unlock(&to_cm(id)->handling); }

int kv_rdma_set(struct rdma_cm_id* id, int option, unsigned int value) {
  return ucm_set(to_cm(id)->user, option, value);
}
void rdma_set_service_type(struct rdma_cm_id* id, int tos) { kv_rdma_set(id, KV_SET_TOS, (unsigned int)tos); }

const char* rdma_event_msg(enum rdma_cm_event_type event) {
  static const char* const names[] = {"address resolved", "address error",    "route resolved", "route error",
                                      "connect request",  "connect response", "connect error",  "unreachable",
                                      "rejected",         "established",      "disconnected",   "device removal",
                                      "multicast join",   "multicast error",  "address change", "timewait complete"};
  return (unsigned int)event < ARRAY_SIZE(names) ? names[event] : "unrecognized event";
}

const char* rdma_reject_msg(struct rdma_cm_id* id, int reason) {
  (void)id;
  switch (reason) {
    case 3: return "no resources";
    case 4: return "timeout";
    case 8: return "invalid service id";
    case 10: return "stale connection";
    case 28: return "consumer defined";
    default: return "rejected";
  }
}
