/* SPDX-License-Identifier: BSD-2-Clause */
/* The InfiniBand CM on the RDMA CM. A service ID becomes a port: its own, when it is one of the RDMA CM's TCP port
 * space, else one that both ends compute from it. What the RDMA CM's messages have no room for, the service ID, the
 * consumer's sequence number and the reason of a refusal, travels in front of the private data. */
#include <netinet/in.h>
#include <rdma/ib_cm.h>

#include "kverbs.h"

struct wire {
  __be64 service_id;
  __be32 starting_psn;
  __be16 reason; /* of a refusal */
  __be16 magic;
};
enum { kMagic = 0x4943, kFirstPort = 16384, kPorts = 16384, kResolveMs = 2000, kMost = 255 };

struct kv_ib_cm {
  struct ib_cm_id ib;
  struct rdma_cm_id* id; /* NULL until it listens, asks or is asked */
  struct rdma_conn_param request;
  u8 data[kMost];
  struct sa_path_rec path; /* of a request that came */
};
static struct kv_ib_cm* to_ib_cm(struct ib_cm_id* id) { return container_of(id, struct kv_ib_cm, ib); }

static u16 port_of(__be64 service_id) {
  u64 id = be64_to_cpu(service_id);
  if (id >> 16 == RDMA_PS_TCP) return (u16)id;
  id *= 0x9e3779b97f4a7c15ull; /* the upper bits depend on all of them */
  return (u16)(kFirstPort + (id >> 48) % kPorts);
}

static bool is_mapped(const union ib_gid* gid) {
  static const u8 prefix[12] = {[10] = 0xff, [11] = 0xff};
  return memcmp(gid->raw, prefix, sizeof prefix) == 0;
}

static struct sockaddr_storage address_of(const union ib_gid* gid, u16 port) {
  struct sockaddr_storage storage;
  memset(&storage, 0, sizeof storage);
  if (is_mapped(gid)) {
    struct sockaddr_in* v4 = (struct sockaddr_in*)&storage;
    v4->sin_family = AF_INET;
    v4->sin_port = cpu_to_be16(port);
    memcpy(&v4->sin_addr, gid->raw + 12, 4);
  } else {
    struct sockaddr_in6* v6 = (struct sockaddr_in6*)&storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = cpu_to_be16(port);
    memcpy(&v6->sin6_addr, gid->raw, 16);
  }
  return storage;
}

static union ib_gid gid_of(const struct sockaddr_storage* address) {
  union ib_gid gid = {.raw = {[10] = 0xff, [11] = 0xff}};
  if (address->ss_family == AF_INET6) {
    memcpy(gid.raw, &((const struct sockaddr_in6*)address)->sin6_addr, 16);
  } else {
    memcpy(gid.raw + 12, &((const struct sockaddr_in*)address)->sin_addr, 4);
  }
  return gid;
}

/* The device's first GID that is an IPv4 address, else the wildcard. */
static struct sockaddr_storage own_address(struct ib_device* device, u16 port) {
  union ib_gid none = {.raw = {[10] = 0xff, [11] = 0xff}};
  union ibv_gid gid;
  struct ibv_context* context = device ? container_of(device, struct kv_device, ib)->context : NULL;
  for (int i = 0; context && ibv_query_gid(context, 1, i, &gid) == 0; i++) {
    union ib_gid found;
    memcpy(found.raw, gid.raw, sizeof found.raw);
    if (is_mapped(&found)) return address_of(&found, port);
  }
  return address_of(&none, port);
}

/* --- what travels ----------------------------------------------------------------------------------------------------
 */

/* The length of what stands in `out`, or a negative errno. */
static int pack(u8* out, struct wire head, const void* data, u8 length) {
  if (length > kMost - sizeof head) return -EINVAL;
  head.magic = cpu_to_be16(kMagic);
  memcpy(out, &head, sizeof head);
  if (length) memcpy(out + sizeof head, data, length);
  return (int)sizeof head + length;
}

static bool unpack(const struct rdma_conn_param* from, struct wire* head, void** data) {
  if (from->private_data_len < sizeof *head) return false;
  memcpy(head, from->private_data, sizeof *head);
  *data = from->private_data_len > sizeof *head ? (u8*)from->private_data + sizeof *head : NULL;
  return head->magic == cpu_to_be16(kMagic);
}

static int refuse(struct rdma_cm_id* id, enum ib_cm_rej_reason reason, const void* data, u8 length) {
  u8 out[kMost];
  int size = pack(out, (struct wire){.reason = cpu_to_be16(reason)}, data, length);
  return size < 0 ? size : kv_rdma_reject(id, out, (u8)size);
}

/* --- events ----------------------------------------------------------------------------------------------------------
 */

static int deliver(struct kv_ib_cm* cm, struct ib_cm_event* event) {
  int end = cm->ib.cm_handler(&cm->ib, event);
  if (end) free(cm); /* its RDMA identifier ends with the handler that called this */
  return end;
}

static int fail(struct kv_ib_cm* cm) {
  bool asked = cm->ib.state == IB_CM_REQ_SENT;
  struct ib_cm_event event = {.event = asked ? IB_CM_REQ_ERROR : IB_CM_REP_ERROR,
                              .param.send_status = IB_WC_RESP_TIMEOUT_ERR};
  cm->ib.state = IB_CM_IDLE;
  return deliver(cm, &event);
}

static int tell(struct kv_ib_cm* cm, enum ib_cm_event_type type, enum ib_cm_state state) {
  struct ib_cm_event event = {.event = type};
  cm->ib.state = state;
  return deliver(cm, &event);
}

static int tell_request(struct kv_ib_cm* listener, struct kv_ib_cm* cm, const struct wire* head, void* data,
                        const struct rdma_conn_param* from) {
  struct ib_cm_event event = {.event = IB_CM_REQ_RECEIVED, .private_data = data};
  struct ib_cm_req_event_param* param = &event.param.req_rcvd;
  cm->path.sgid = gid_of(&cm->id->route.addr.src_addr);
  cm->path.dgid = gid_of(&cm->id->route.addr.dst_addr);
  cm->path.pkey = cpu_to_be16(0xffff);
  param->listen_id = &listener->ib;
  param->port = (u8)cm->id->port_num;
  param->primary_path = &cm->path;
  param->remote_qpn = from->qp_num;
  param->qp_type = IB_QPT_RC;
  param->starting_psn = be32_to_cpu(head->starting_psn);
  param->responder_resources = from->responder_resources;
  param->initiator_depth = from->initiator_depth;
  param->flow_control = from->flow_control & 1;
  param->retry_count = from->retry_count & 7;
  param->rnr_retry_count = from->rnr_retry_count & 7;
  param->srq = from->srq & 1;
  return deliver(cm, &event);
}

/* A listener's handler runs for an identifier of its own. */
static int take_request(struct rdma_cm_id* id, const struct rdma_cm_event* from) {
  struct kv_ib_cm* listener = id->context;
  struct wire head;
  void* data;
  if (!unpack(&from->param.conn, &head, &data) || head.service_id != listener->ib.service_id) {
    refuse(id, IB_CM_REJ_INVALID_SERVICE_ID, NULL, 0);
    return -EINVAL;
  }
  struct kv_ib_cm* cm = to_ib_cm(ib_create_cm_id(id->device, listener->ib.cm_handler, listener->ib.context));
  if (IS_ERR(&cm->ib)) return -ENOMEM;
  cm->id = id;
  cm->ib.service_id = head.service_id;
  cm->ib.state = IB_CM_REQ_RCVD;
  id->context = cm;
  return tell_request(listener, cm, &head, data, &from->param.conn);
}

static int take_reply(struct kv_ib_cm* cm, const struct rdma_conn_param* from) {
  struct ib_cm_event event = {.event = IB_CM_REP_RECEIVED};
  struct ib_cm_rep_event_param* param = &event.param.rep_rcvd;
  struct wire head;
  if (!unpack(from, &head, &event.private_data)) return fail(cm);
  cm->ib.state = IB_CM_REP_RCVD;
  param->remote_qpn = from->qp_num;
  param->starting_psn = be32_to_cpu(head.starting_psn);
  param->responder_resources = from->responder_resources;
  param->initiator_depth = from->initiator_depth;
  param->flow_control = from->flow_control & 1;
  param->rnr_retry_count = from->rnr_retry_count & 7;
  param->srq = from->srq & 1;
  return deliver(cm, &event);
}

/* Without our words the refusal is the RDMA CM's own, whose reasons are the same. */
static int take_refusal(struct kv_ib_cm* cm, const struct rdma_cm_event* from) {
  struct ib_cm_event event = {.event = IB_CM_REJ_RECEIVED};
  struct wire head;
  bool ours = unpack(&from->param.conn, &head, &event.private_data);
  if (!ours) event.private_data = NULL;
  event.param.rej_rcvd.reason = (enum ib_cm_rej_reason)(ours ? be16_to_cpu(head.reason) : from->status);
  cm->ib.state = IB_CM_IDLE;
  return deliver(cm, &event);
}

static int go_on(struct kv_ib_cm* cm, int error) { return error ? fail(cm) : 0; }

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct kv_ib_cm* cm = id->context;
  switch (event->event) {
    case RDMA_CM_EVENT_ADDR_RESOLVED: return go_on(cm, rdma_resolve_route(id, kResolveMs));
    case RDMA_CM_EVENT_ROUTE_RESOLVED: return go_on(cm, rdma_connect(id, &cm->request));
    case RDMA_CM_EVENT_CONNECT_REQUEST: return take_request(id, event);
    case RDMA_CM_EVENT_CONNECT_RESPONSE: return take_reply(cm, &event->param.conn);
    case RDMA_CM_EVENT_REJECTED: return take_refusal(cm, event);
    case RDMA_CM_EVENT_ADDR_ERROR:
    case RDMA_CM_EVENT_ROUTE_ERROR:
    case RDMA_CM_EVENT_UNREACHABLE:
    case RDMA_CM_EVENT_CONNECT_ERROR: return fail(cm);
    case RDMA_CM_EVENT_ESTABLISHED:
      return cm->ib.state == IB_CM_REP_SENT ? tell(cm, IB_CM_RTU_RECEIVED, IB_CM_ESTABLISHED) : 0;
    case RDMA_CM_EVENT_DISCONNECTED:
      if (cm->ib.state == IB_CM_TIMEWAIT) return 0; /* both ends asked */
      if (cm->ib.state == IB_CM_DREQ_SENT) return tell(cm, IB_CM_DREP_RECEIVED, IB_CM_TIMEWAIT);
      return tell(cm, IB_CM_DREQ_RECEIVED, IB_CM_DREQ_RCVD);
    case RDMA_CM_EVENT_TIMEWAIT_EXIT: return tell(cm, IB_CM_TIMEWAIT_EXIT, IB_CM_IDLE);
    default: return 0;
  }
}

/* --- what consumers call -------------------------------------------------------------------------------------------
 */

struct ib_cm_id* ib_create_cm_id(struct ib_device* device, ib_cm_handler handler, void* context) {
  struct kv_ib_cm* cm = calloc(1, sizeof *cm);
  if (!cm) return ERR_PTR(-ENOMEM);
  cm->ib.cm_handler = handler;
  cm->ib.context = context;
  cm->ib.device = device;
  return &cm->ib;
}

void ib_destroy_cm_id(struct ib_cm_id* ib) {
  struct kv_ib_cm* cm = to_ib_cm(ib);
  if (cm->id) rdma_destroy_id(cm->id);
  free(cm);
}

static int open_id(struct kv_ib_cm* cm) {
  struct rdma_cm_id* id = kv_rdma_create_id(on_event, cm, RDMA_PS_TCP, IB_QPT_RC);
  if (IS_ERR(id)) return (int)PTR_ERR(id);
  cm->id = id;
  return 0;
}

static int close_id(struct kv_ib_cm* cm, int error) {
  if (!error) return 0;
  rdma_destroy_id(cm->id);
  cm->id = NULL;
  cm->ib.state = IB_CM_IDLE;
  return error == -EADDRINUSE ? -EBUSY : error;
}

int kv_ib_cm_listen(struct ib_cm_id* ib, __be64 service_id, __be64 service_mask, const void* compare) {
  struct kv_ib_cm* cm = to_ib_cm(ib);
  if (cm->id) return -EINVAL;
  if (compare || (service_mask && ~service_mask)) return -EOPNOTSUPP;
  if (service_id == IB_CM_ASSIGN_SERVICE_ID) service_id |= cpu_to_be64(get_random_u64() >> 8);
  struct sockaddr_storage at = own_address(ib->device, port_of(service_id));
  ib->service_id = service_id;
  ib->service_mask = ~(__be64)0;
  int error = open_id(cm);
  if (error) return error;
  ib->state = IB_CM_LISTEN;
  error = rdma_bind_addr(cm->id, (struct sockaddr*)&at);
  return close_id(cm, error ? error : rdma_listen(cm->id, 128));
}

int ib_send_cm_req(struct ib_cm_id* ib, struct ib_cm_req_param* param) {
  struct kv_ib_cm* cm = to_ib_cm(ib);
  struct wire head = {.service_id = param->service_id, .starting_psn = cpu_to_be32(param->starting_psn)};
  if (cm->id || !param->primary_path) return -EINVAL;
  if (param->qp_type != IB_QPT_RC || param->alternate_path) return -EOPNOTSUPP;
  int length = pack(cm->data, head, param->private_data, param->private_data_len);
  if (length < 0) return length;
  cm->request = (struct rdma_conn_param){.private_data = cm->data,
                                         .private_data_len = (u8)length,
                                         .responder_resources = param->responder_resources,
                                         .initiator_depth = param->initiator_depth,
                                         .flow_control = param->flow_control,
                                         .retry_count = param->retry_count,
                                         .rnr_retry_count = param->rnr_retry_count,
                                         .srq = param->srq,
                                         .qp_num = param->qp_num};
  struct sockaddr_storage to = address_of(&param->primary_path->dgid, port_of(param->service_id));
  int error = open_id(cm);
  if (error) return error;
  ib->service_id = param->service_id;
  ib->state = IB_CM_REQ_SENT;
  return close_id(cm, kv_rdma_resolve_addr(cm->id, NULL, (struct sockaddr*)&to, kResolveMs));
}

int ib_send_cm_rep(struct ib_cm_id* ib, struct ib_cm_rep_param* param) {
  struct kv_ib_cm* cm = to_ib_cm(ib);
  if (ib->state != IB_CM_REQ_RCVD) return -EINVAL;
  int length = pack(cm->data, (struct wire){.starting_psn = cpu_to_be32(param->starting_psn)}, param->private_data,
                    param->private_data_len);
  if (length < 0) return length;
  struct rdma_conn_param answer = {.private_data = cm->data,
                                   .private_data_len = (u8)length,
                                   .responder_resources = param->responder_resources,
                                   .initiator_depth = param->initiator_depth,
                                   .flow_control = param->flow_control,
                                   .rnr_retry_count = param->rnr_retry_count,
                                   .srq = param->srq,
                                   .qp_num = param->qp_num};
  ib->state = IB_CM_REP_SENT; /* before: the answer to it may come at once */
  int error = rdma_accept(cm->id, &answer);
  if (error) ib->state = IB_CM_REQ_RCVD;
  return error;
}

int ib_send_cm_rtu(struct ib_cm_id* ib, const void* data, u8 length) {
  (void)data;
  if (ib->state != IB_CM_REP_RCVD) return -EINVAL;
  if (length) return -EOPNOTSUPP;
  ib->state = IB_CM_ESTABLISHED; /* before: the peer may act on it at once */
  int error = rdma_accept(to_ib_cm(ib)->id, NULL);
  if (error) ib->state = IB_CM_REP_RCVD;
  return error;
}

static int disconnect(struct ib_cm_id* ib, u8 length, enum ib_cm_state next) {
  enum ib_cm_state before = ib->state;
  if (length) return -EOPNOTSUPP;
  ib->state = next;
  int error = rdma_disconnect(to_ib_cm(ib)->id);
  if (error) ib->state = before;
  return error;
}

int ib_send_cm_dreq(struct ib_cm_id* ib, const void* data, u8 length) {
  (void)data;
  return ib->state == IB_CM_ESTABLISHED ? disconnect(ib, length, IB_CM_DREQ_SENT) : -EINVAL;
}

int ib_send_cm_drep(struct ib_cm_id* ib, const void* data, u8 length) {
  (void)data;
  return ib->state == IB_CM_DREQ_RCVD ? disconnect(ib, length, IB_CM_TIMEWAIT) : -EINVAL;
}

int ib_send_cm_rej(struct ib_cm_id* ib, enum ib_cm_rej_reason reason, void* ari, u8 ari_length, const void* data,
                   u8 length) {
  (void)ari;
  if (ib->state != IB_CM_REQ_RCVD) return -EINVAL;
  if (ari_length) return -EOPNOTSUPP;
  int error = refuse(to_ib_cm(ib)->id, reason, data, length);
  if (!error) ib->state = IB_CM_IDLE;
  return error;
}

int ib_cm_init_qp_attr(struct ib_cm_id* ib, struct ib_qp_attr* attr, int* mask) {
  struct kv_ib_cm* cm = to_ib_cm(ib);
  return cm->id ? rdma_init_qp_attr(cm->id, attr, mask) : -EINVAL;
}

int ib_cm_notify(struct ib_cm_id* ib, enum ib_event_type event) {
  struct kv_ib_cm* cm = to_ib_cm(ib);
  return cm->id ? rdma_notify(cm->id, event) : -EINVAL;
}
