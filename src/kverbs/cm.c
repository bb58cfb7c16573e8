/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection manager. One thread takes events off librdmacm; each identifier has a list of its own and a work item
 * that calls the handler for one after the other. */
#include "cm.h"

#include <kverbs/memory.h>

static DEFINE_MUTEX(lists_lock); /* every identifier's list of events, and `dying` */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void run_handlers(struct work_struct* work);

struct kv_cm_id* kv_new_cm_id(rdma_cm_event_handler handler, void* context, int ps, int qp_type) {
  struct kv_cm_id* id = calloc(1, sizeof *id);
  if (!id) return NULL;
  id->ib.event_handler = handler;
  id->ib.context = context;
  id->ib.ps = (enum rdma_port_space)ps;
  id->ib.qp_type = (enum ib_qp_type)qp_type;
  mutex_init(&id->handling);
  INIT_LIST_HEAD(&id->events);
  INIT_WORK(&id->work, run_handlers);
  return id;
}

void kv_learn_names(struct kv_cm_id* id) {
  struct ucm_names names;
  ucm_names(id->user, &names);
  struct kv_device* device = names.context ? kv_device_of(names.context) : NULL;
  id->ib.device = device ? &device->ib : NULL;
  id->ib.port_num = (u32)names.port;
  id->ib.route.addr.src_addr = names.from;
  id->ib.route.addr.dst_addr = names.to;
}

/* Lists lock held. */
static void append(struct kv_cm_id* id, struct queued_event* event) {
  list_add_tail(&event->entry, &id->events);
  queue_work(kv_library_wq(), &id->work);
}

static void copy(struct queued_event* to, const struct ucm_event* from) {
  struct rdma_conn_param* conn = &to->event.param.conn;
  to->event.event = (enum rdma_cm_event_type)from->event;
  to->event.status = from->status;
  memcpy(to->private_data, from->private_data, sizeof to->private_data);
  if (from->is_datagram) {
    to->event.param.ud.qp_num = from->param.qp_num;
    to->event.param.ud.qkey = from->qkey;
    kv_from_native_ah(&from->ah, &to->event.param.ud.ah_attr);
  } else {
    conn->responder_resources = from->param.responder_resources;
    conn->initiator_depth = from->param.initiator_depth;
    conn->flow_control = from->param.flow_control;
    conn->retry_count = from->param.retry_count;
    conn->rnr_retry_count = from->param.rnr_retry_count;
    conn->srq = from->param.srq;
    conn->qp_num = from->param.qp_num;
  }
  to->event.private_data = from->param.private_data ? to->private_data : NULL;
  to->event.private_data_len = from->param.private_data_len;
}

/* A request has an identifier of its own from now on, so that its later events find it. */
static struct kv_cm_id* adopt(struct kv_cm_id* listener, struct ucm_id* request) {
  struct kv_cm_id* id =
      kv_new_cm_id(listener->ib.event_handler, listener->ib.context, listener->ib.ps, listener->ib.qp_type);
  if (!id) return NULL;
  id->user = request;
  ucm_adopt(id->user, id);
  kv_learn_names(id);
  return id;
}

/* In the thread of events. The event is acknowledged afterwards, so the identifier cannot be gone: librdmacm lets
 * nobody destroy it before. */
static void take(struct ucm_event* event) {
  struct kv_cm_id* id = event->context;
  struct queued_event* copied = calloc(1, sizeof *copied);
  BUG_ON(!copied);
  copy(copied, event);
  if (event->request) copied->request = adopt(id, event->request);
  BUG_ON(event->request && !copied->request);
  mutex_lock(&lists_lock);
  if (!id->dying) {
    append(id, copied);
    copied = NULL;
  }
  mutex_unlock(&lists_lock);
  if (copied) kv_drop_event(copied);
}

static void* serve(void* unused) {
  while (ucm_next(take) == 0 || errno == EINTR) continue;
  return unused;
}

static void start(void) {
  pthread_t thread;
  BUG_ON(kv_start_thread(&thread, serve, NULL) != 0);
  pthread_detach(thread);
}

void kv_start_cm(void) { pthread_once(&once, start); }

/* A request that nobody will be asked about: its peer is refused by the end of its identifier. It may stand in the
 * thread of events, which must not wait for itself, so another one ends it. */
static void end_request(struct work_struct* work) {
  struct kv_cm_id* id = container_of(work, struct kv_cm_id, work);
  ucm_destroy(id->user);
  free(id);
}

void kv_drop_event(struct queued_event* event) {
  if (event->request) {
    event->request->dying = true;
    INIT_WORK(&event->request->work, end_request);
    queue_work(kv_library_wq(), &event->request->work);
  }
  free(event);
}

static struct queued_event* next_event(struct kv_cm_id* id) {
  mutex_lock(&lists_lock);
  struct queued_event* event = id->dying ? NULL : list_first_entry_or_null(&id->events, struct queued_event, entry);
  if (event) list_del(&event->entry);
  mutex_unlock(&lists_lock);
  return event;
}

static bool call(struct kv_cm_id* id, struct kv_cm_id* target, struct rdma_cm_event* event) {
  mutex_lock(&target->handling);
  target->handler_thread = pthread_self();
  target->in_handler = true;
  int result = id->ib.event_handler(&target->ib, event);
  target->in_handler = false;
  bool end = result || target->destroy_after;
  mutex_unlock(&target->handling);
  return end;
}

static void run_handlers(struct work_struct* work) {
  struct kv_cm_id* id = container_of(work, struct kv_cm_id, work);
  struct queued_event* event;
  while ((event = next_event(id))) {
    struct kv_cm_id* target = event->request ? event->request : id;
    if (!event->request) kv_learn_names(id);
    bool end = call(id, target, &event->event);
    bool own = target == id;
    free(event);
    if (end) kv_end_cm_id(target);
    if (end && own) return;
  }
}

/* After its handlers: none runs, none begins. */
void kv_end_cm_id(struct kv_cm_id* id) {
  struct queued_event *event, *next;
  mutex_lock(&lists_lock);
  id->dying = true;
  mutex_unlock(&lists_lock);
  cancel_work_sync(&id->work);
  mutex_lock(&id->handling); /* a request's first handler runs in its listener's work */
  mutex_unlock(&id->handling);
  if (id->ib.qp) to_qp(id->ib.qp)->cm = NULL;
  ucm_destroy(id->user);
  list_for_each_entry_safe(event, next, &id->events, entry) kv_drop_event(event);
  free(id);
}
