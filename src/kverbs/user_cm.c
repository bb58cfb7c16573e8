/* SPDX-License-Identifier: BSD-2-Clause */
#include "user_cm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct rdma_event_channel* channel;

/* Taking an event changes the state of its queue pair, which another thread must not destroy meanwhile. So that the
 * lock is never held while there is nothing to take, the channel does not block. */
static pthread_mutex_t queue_pairs = PTHREAD_MUTEX_INITIALIZER;

static void open_channel(void) {
  channel = rdma_create_event_channel();
  if (channel) fcntl(channel->fd, F_SETFL, fcntl(channel->fd, F_GETFL) | O_NONBLOCK);
}

static struct rdma_cm_id* native_of(struct ucm_id* id) { return (struct rdma_cm_id*)id; }

/* librdmacm says -1 and errno. */
static int told(int result) { return result == 0 ? 0 : errno ? -errno : -EIO; }

struct ibv_context** ucm_devices(int* count) {
  struct ibv_context** list = rdma_get_devices(count);
  if (!list) *count = 0;
  return list;
}

int ucm_create(void* context, int port_space, struct ucm_id** id) {
  pthread_once(&once, open_channel);
  if (!channel) return -ENODEV;
  return told(rdma_create_id(channel, (struct rdma_cm_id**)id, context, (enum rdma_port_space)port_space));
}

void ucm_destroy(struct ucm_id* id) { rdma_destroy_id(native_of(id)); }
void ucm_adopt(struct ucm_id* id, void* context) { native_of(id)->context = context; }

void ucm_names(struct ucm_id* from, struct ucm_names* names) {
  const struct rdma_cm_id* id = native_of(from);
  memset(names, 0, sizeof *names);
  names->context = id->verbs;
  names->port = id->port_num;
  memcpy(&names->from, &id->route.addr.src_storage, sizeof names->from);
  memcpy(&names->to, &id->route.addr.dst_storage, sizeof names->to);
}

int ucm_bind(struct ucm_id* id, struct sockaddr* address) { return told(rdma_bind_addr(native_of(id), address)); }
int ucm_resolve_addr(struct ucm_id* id, const struct sockaddr* from, const struct sockaddr* to, int ms) {
  return told(rdma_resolve_addr(native_of(id), (struct sockaddr*)from, (struct sockaddr*)to, ms));
}
int ucm_resolve_route(struct ucm_id* id, int ms) { return told(rdma_resolve_route(native_of(id), ms)); }

struct ibv_qp* ucm_create_qp(struct ucm_id* id, struct ibv_pd* pd, struct ibv_qp_init_attr* init) {
  return rdma_create_qp(native_of(id), pd, init) == 0 ? native_of(id)->qp : NULL;
}
void ucm_destroy_qp(struct ucm_id* id) {
  pthread_mutex_lock(&queue_pairs);
  rdma_destroy_qp(native_of(id));
  pthread_mutex_unlock(&queue_pairs);
}
int ucm_init_qp_attr(struct ucm_id* id, struct ibv_qp_attr* attr, int* mask) {
  return told(rdma_init_qp_attr(native_of(id), attr, mask));
}

static struct rdma_conn_param to_native(const struct ucm_param* param) {
  struct rdma_conn_param native = {
      .private_data = param->private_data,
      .private_data_len = param->private_data_len,
      .responder_resources = param->responder_resources,
      .initiator_depth = param->initiator_depth,
      .flow_control = param->flow_control,
      .retry_count = param->retry_count,
      .rnr_retry_count = param->rnr_retry_count,
      .srq = param->srq,
      .qp_num = param->qp_num,
  };
  return native;
}

int ucm_connect(struct ucm_id* id, const struct ucm_param* param) {
  struct rdma_conn_param native = to_native(param);
  return told(rdma_connect(native_of(id), &native));
}
int ucm_accept(struct ucm_id* id, const struct ucm_param* param) {
  if (!param) return told(rdma_accept(native_of(id), NULL));
  struct rdma_conn_param native = to_native(param);
  return told(rdma_accept(native_of(id), &native));
}
int ucm_establish(struct ucm_id* id) { return told(rdma_establish(native_of(id))); }
int ucm_reject(struct ucm_id* id, const void* data, uint8_t length) {
  return told(rdma_reject(native_of(id), data, length));
}
int ucm_disconnect(struct ucm_id* id) { return told(rdma_disconnect(native_of(id))); }
int ucm_listen(struct ucm_id* id, int backlog) { return told(rdma_listen(native_of(id), backlog)); }
int ucm_notify(struct ucm_id* id, int event) { return told(rdma_notify(native_of(id), (enum ibv_event_type)event)); }
int ucm_join(struct ucm_id* id, struct sockaddr* address, void* context) {
  return told(rdma_join_multicast(native_of(id), address, context));
}
int ucm_leave(struct ucm_id* id, struct sockaddr* address) {
  return told(rdma_leave_multicast(native_of(id), address));
}

int ucm_set(struct ucm_id* id, int option, unsigned int value) {
  static const int names[] = {RDMA_OPTION_ID_TOS, RDMA_OPTION_ID_REUSEADDR, RDMA_OPTION_ID_AFONLY,
                              RDMA_OPTION_ID_ACK_TIMEOUT};
  uint8_t byte = (uint8_t)value;
  int flag = (int)value;
  if (option < 0 || option > 3) return -EOPNOTSUPP;
  bool small = names[option] == RDMA_OPTION_ID_TOS || names[option] == RDMA_OPTION_ID_ACK_TIMEOUT;
  return told(rdma_set_option(native_of(id), RDMA_OPTION_ID, names[option], small ? (void*)&byte : &flag,
                              small ? sizeof byte : sizeof flag));
}

static void copy_private(struct ucm_event* event, const void* data, uint8_t length) {
  if (data) memcpy(event->private_data, data, length);
  event->param.private_data = data ? event->private_data : NULL;
  event->param.private_data_len = data ? length : 0;
}

static void copy_connected(struct ucm_event* event, const struct rdma_conn_param* from) {
  copy_private(event, from->private_data, from->private_data_len);
  event->param.responder_resources = from->responder_resources;
  event->param.initiator_depth = from->initiator_depth;
  event->param.flow_control = from->flow_control;
  event->param.retry_count = from->retry_count;
  event->param.rnr_retry_count = from->rnr_retry_count;
  event->param.srq = from->srq;
  event->param.qp_num = from->qp_num;
}

static int get_event(struct rdma_cm_event** event) {
  struct pollfd ready = {.fd = channel->fd, .events = POLLIN};
  if (poll(&ready, 1, -1) < 0) return -1;
  pthread_mutex_lock(&queue_pairs);
  int result = rdma_get_cm_event(channel, event);
  int error = errno;
  pthread_mutex_unlock(&queue_pairs);
  errno = error;
  return result;
}

int ucm_next(void (*take)(struct ucm_event*)) {
  struct rdma_cm_event* native;
  struct ucm_event event;
  if (get_event(&native) != 0)
    return errno == EAGAIN ? 0 : told(-1); /* what was there may be gone with its identifier */
  memset(&event, 0, sizeof event);
  event.event = native->event;
  event.status = native->status;
  event.is_datagram = native->id->qp_type == IBV_QPT_UD;
  if (native->event == RDMA_CM_EVENT_CONNECT_REQUEST) event.request = (struct ucm_id*)native->id;
  event.context = event.request ? native->listen_id->context : native->id->context;
  if (event.is_datagram) {
    copy_private(&event, native->param.ud.private_data, native->param.ud.private_data_len);
    event.ah = native->param.ud.ah_attr;
    event.qkey = native->param.ud.qkey;
    event.param.qp_num = native->param.ud.qp_num;
  } else {
    copy_connected(&event, &native->param.conn);
  }
  take(&event);
  return told(rdma_ack_cm_event(native));
}
