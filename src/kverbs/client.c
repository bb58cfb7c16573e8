/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients, which are told of every device, and asynchronous events. */
#include "kverbs.h"

struct client_data {
  struct list_head entry;
  struct ib_client* client;
  void* data;
};

static DEFINE_MUTEX(clients_lock); /* clients are added and removed one at a time */
static LIST_HEAD(clients);

static struct kv_device* device_of(struct ib_device* ib) { return container_of(ib, struct kv_device, ib); }

/* Lock of the device held. */
static struct client_data* find_data(struct kv_device* device, struct ib_client* client) {
  struct client_data* entry;
  list_for_each_entry(entry, &device->clients, entry) if (entry->client == client) return entry;
  return NULL;
}

static void enter(struct kv_device* device, struct ib_client* client) {
  struct client_data* entry = calloc(1, sizeof *entry);
  BUG_ON(!entry);
  entry->client = client;
  pthread_mutex_lock(&device->lock);
  list_add_tail(&entry->entry, &device->clients);
  pthread_mutex_unlock(&device->lock);
}

static void leave(struct kv_device* device, struct ib_client* client) {
  pthread_mutex_lock(&device->lock);
  struct client_data* entry = find_data(device, client);
  if (entry) list_del(&entry->entry);
  pthread_mutex_unlock(&device->lock);
  free(entry);
}

int kv_register_client(struct ib_client* client) {
  struct kv_device* devices;
  int n = kv_devices(&devices);
  mutex_lock(&clients_lock);
  list_add_tail(&client->list, &clients);
  for (int i = 0; i < n; i++) {
    enter(&devices[i], client);
    if (!client->add) continue;
    int refused = client->add(&devices[i].ib); /* of a void function this is no answer */
    if (client->kv_add_refuses && refused) leave(&devices[i], client);
  }
  mutex_unlock(&clients_lock);
  return 0;
}

void ib_unregister_client(struct ib_client* client) {
  struct kv_device* devices;
  int n = kv_devices(&devices);
  mutex_lock(&clients_lock);
  for (int i = 0; i < n; i++) {
    pthread_mutex_lock(&devices[i].lock);
    struct client_data* entry = find_data(&devices[i], client);
    void* data = entry ? entry->data : NULL;
    pthread_mutex_unlock(&devices[i].lock);
    if (!entry) continue; /* it refused this one */
    if (client->remove) client->remove(&devices[i].ib, data);
    leave(&devices[i], client);
  }
  list_del(&client->list);
  mutex_unlock(&clients_lock);
}

void* ib_get_client_data(struct ib_device* ib, struct ib_client* client) {
  struct kv_device* device = device_of(ib);
  pthread_mutex_lock(&device->lock);
  struct client_data* entry = find_data(device, client);
  void* data = entry ? entry->data : NULL;
  pthread_mutex_unlock(&device->lock);
  return data;
}

void ib_set_client_data(struct ib_device* ib, struct ib_client* client, void* data) {
  struct kv_device* device = device_of(ib);
  pthread_mutex_lock(&device->lock);
  struct client_data* entry = find_data(device, client);
  if (entry) entry->data = data;
  pthread_mutex_unlock(&device->lock);
}

int ib_register_event_handler(struct ib_event_handler* handler) {
  struct kv_device* device = device_of(handler->device);
  int error = kv_watch(device);
  if (error) return error;
  pthread_mutex_lock(&device->lock);
  list_add_tail(&handler->list, &device->handlers);
  pthread_mutex_unlock(&device->lock);
  return 0;
}

int ib_unregister_event_handler(struct ib_event_handler* handler) {
  struct kv_device* device = device_of(handler->device);
  pthread_mutex_lock(&device->lock);
  list_del_init(&handler->list);
  pthread_mutex_unlock(&device->lock);
  return 0;
}

/* To the object's own handler, or to everybody who listens to the device. A handler of the device runs under the
 * device's lock, so that none runs any more when it has been unregistered. */
static void deliver(struct kv_device* device, const struct ibv_async_event* native) {
  struct ib_event event = {.device = &device->ib, .event = (enum ib_event_type)native->event_type};
  struct ib_event_handler* handler;
  switch (native->event_type) {
    case IBV_EVENT_CQ_ERR: {
      struct kv_cq* cq = native->element.cq->cq_context;
      event.element.cq = &cq->ib;
      if (cq->ib.event_handler) cq->ib.event_handler(&event, cq->ib.cq_context);
      return;
    }
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED: {
      struct kv_qp* qp = native->element.qp->qp_context;
      event.element.qp = &qp->ib;
      if (qp->ib.event_handler) qp->ib.event_handler(&event, qp->ib.qp_context);
      return;
    }
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_SRQ_LIMIT_REACHED: {
      struct kv_srq* srq = native->element.srq->srq_context;
      event.element.srq = &srq->ib;
      if (srq->ib.event_handler) srq->ib.event_handler(&event, srq->ib.srq_context);
      return;
    }
    default:
      event.element.port_num = (u32)native->element.port_num;
      pthread_mutex_lock(&device->lock);
      list_for_each_entry(handler, &device->handlers, list) handler->handler(handler, &event);
      pthread_mutex_unlock(&device->lock);
  }
}

static void* serve_events(void* data) {
  struct kv_device* device = data;
  struct ibv_async_event event;
  while (ibv_get_async_event(device->context, &event) == 0 || errno == EINTR) {
    deliver(device, &event);
    ibv_ack_async_event(&event); /* afterwards: destroying the object waits for it */
  }
  return NULL;
}

int kv_watch(struct kv_device* device) {
  static DEFINE_MUTEX(start);
  int error = 0;
  mutex_lock(&start);
  if (!device->watched) {
    pthread_t thread;
    error = kv_start_thread(&thread, serve_events, device);
    if (!error) pthread_detach(thread);
    device->watched = !error;
  }
  mutex_unlock(&start);
  return error;
}

const char* ib_event_msg(enum ib_event_type event) { return ibv_event_type_str((enum ibv_event_type)event); }
