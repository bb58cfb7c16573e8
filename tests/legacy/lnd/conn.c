/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections: asked for on demand, given when asked, closed by errors, and cleared away by a thread of their own. */
#include "lnd.h"

static DECLARE_WAIT_QUEUE_HEAD(connd_wait);
static atomic_t connd_due = ATOMIC_INIT(0);

void lnd_wake_connd(void) {
  atomic_set(&connd_due, 1);
  wake_up(&connd_wait);
}

static void on_completion(struct ib_cq* cq, void* context) {
  struct lnd_conn* conn = context;
  spin_lock(&lnd_lock);
  conn->ready = true;
  spin_unlock(&lnd_lock);
  wake_up(&lnd_sched_wait);
}

static struct lnd_conn* new_conn(struct lnd_peer* peer, bool active) {
  struct lnd_conn* conn = kzalloc(sizeof *conn, GFP_KERNEL);
  int i;
  if (!conn) return NULL;
  conn->peer = peer;
  conn->active = active;
  conn->credits = LND_DEPTH;
  conn->last_sent = jiffies;
  INIT_LIST_HEAD(&conn->queue);
  INIT_LIST_HEAD(&conn->waiting);
  INIT_LIST_HEAD(&conn->keys);
  for (i = 0; i < LND_DEPTH; i++) {
    conn->rx[i].conn = conn;
    conn->rx[i].msg = kzalloc(sizeof(struct lnd_msg), GFP_KERNEL);
  }
  return conn;
}

static void enter(struct lnd_conn* conn) {
  list_add_tail(&conn->entry, &lnd_conns);
  conn->peer->conn = conn;
}

static struct ib_cq* create_cq(struct lnd_conn* conn, int entries) {
  struct ib_device* device = conn->id->device;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 2, 0)
  struct ib_cq_init_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.cqe = entries;
  attr.comp_vector = lnd_nid % device->num_comp_vectors;
  return ib_create_cq(device, on_completion, NULL, conn, &attr);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 22)
  return ib_create_cq(device, on_completion, NULL, conn, entries, lnd_nid % device->num_comp_vectors);
#else
  return ib_create_cq(device, on_completion, NULL, conn, entries);
#endif
}

/* Everything that a connection stands on, and its receives: they are there before the peer may send. */
static int open_conn(struct lnd_conn* conn) {
  struct ib_qp_init_attr init;
  const int sends = LND_DEPTH * (2 * LND_PAGES + 4);
  int error = 0, i;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 9, 0)
  conn->pd = ib_alloc_pd(conn->id->device, 0);
#else
  conn->pd = ib_alloc_pd(conn->id->device);
#endif
  if (IS_ERR(conn->pd)) {
    conn->pd = NULL;
    return -ENOMEM;
  }
  conn->cq = create_cq(conn, sends + 2 * LND_DEPTH);
  if (IS_ERR(conn->cq)) {
    conn->cq = NULL;
    return -ENOMEM;
  }
  ib_req_notify_cq(conn->cq, IB_CQ_NEXT_COMP);
  memset(&init, 0, sizeof init);
  init.send_cq = init.recv_cq = conn->cq;
  init.qp_type = IB_QPT_RC;
  init.sq_sig_type = IB_SIGNAL_REQ_WR;
  init.cap.max_send_wr = sends;
  init.cap.max_recv_wr = 2 * LND_DEPTH;
  init.cap.max_send_sge = init.cap.max_recv_sge = 1;
  error = rdma_create_qp(conn->id, conn->pd, &init);
  if (!error) error = lnd_open_keys(conn);
  for (i = 0; i < LND_DEPTH && !error; i++) error = lnd_post_receive(conn, &conn->rx[i]);
  return error;
}

static void destroy_conn(struct lnd_conn* conn) {
  int i;
  if (conn->id && conn->id->qp) rdma_destroy_qp(conn->id);
  if (conn->pd) lnd_close_keys(conn);
  if (conn->cq) ib_destroy_cq(conn->cq);
  if (conn->pd) ib_dealloc_pd(conn->pd);
  if (conn->id) rdma_destroy_id(conn->id);
  for (i = 0; i < LND_DEPTH; i++) kfree(conn->rx[i].msg);
  kfree(conn);
}

static void hello(struct lnd_hello* out, u32 to, struct rdma_conn_param* param) {
  out->magic = LND_MAGIC;
  out->version = LND_VERSION;
  out->from = lnd_nid;
  out->to = to;
  out->incarnation = lnd_incarnation;
  memset(param, 0, sizeof *param);
  param->private_data = out;
  param->private_data_len = sizeof *out;
  param->responder_resources = 1;
  param->initiator_depth = 1;
  param->retry_count = 5;
  param->rnr_retry_count = 6;
}

static int connect(struct lnd_conn* conn) {
  struct lnd_hello mine;
  struct rdma_conn_param param;
  int error = open_conn(conn);
  if (error) return error;
  hello(&mine, conn->peer - lnd_peers, &param);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 10, 0)
  return rdma_connect_locked(conn->id, &param);
#else
  return rdma_connect(conn->id, &param);
#endif
}

void lnd_close(struct lnd_conn* conn) {
  if (conn->state == LND_CLOSING) return;
  if (conn->state == LND_UP)
    printk(KERN_INFO "lnd %d: connection with %d ends\n", lnd_nid, (int)(conn->peer - lnd_peers));
  conn->state = LND_CLOSING;
  conn->ready = true;
  if (conn->peer->conn == conn) {
    conn->peer->conn = NULL;
    conn->peer->next_try = jiffies + LND_RETRY;
  }
  lnd_wake_connd();
}

static void close_unlocked(struct lnd_conn* conn) {
  spin_lock(&lnd_lock);
  lnd_close(conn);
  spin_unlock(&lnd_lock);
}

static void established(struct lnd_conn* conn) {
  spin_lock(&lnd_lock);
  if (conn->state == LND_CONNECTING) {
    conn->state = LND_UP;
    conn->ready = true;
    conn->last_sent = conn->last_heard = jiffies;
    list_splice_init(&conn->peer->pending, &conn->queue);
    lnd_push(conn);
  }
  spin_unlock(&lnd_lock);
  wake_up(&lnd_sched_wait);
}

static void begin_handler(struct lnd_conn* conn) {
  spin_lock(&lnd_lock);
  conn->handlers++;
  spin_unlock(&lnd_lock);
}

static void end_handler(struct lnd_conn* conn, int error) {
  spin_lock(&lnd_lock);
  conn->handlers--;
  if (error) lnd_close(conn);
  spin_unlock(&lnd_lock);
  lnd_wake_connd();
}

static const struct lnd_hello* heard(const struct rdma_cm_event* event) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 21)
  const void* data = event->param.conn.private_data;
  int length = event->param.conn.private_data_len;
#else
  const void* data = event->private_data;
  int length = event->private_data_len;
#endif
  const struct lnd_hello* theirs = data;
  if (length < (int)sizeof *theirs || theirs->magic != LND_MAGIC || theirs->version != LND_VERSION) return NULL;
  if (theirs->from >= LND_NODES || theirs->to != (u32)lnd_nid) return NULL;
  return theirs;
}

static void refuse(struct rdma_cm_id* id) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0)
  rdma_reject(id, NULL, 0, IB_CM_REJ_CONSUMER_DEFINED);
#else
  rdma_reject(id, NULL, 0);
#endif
}

/* When two ask each other at once the request of the lower number goes on; the other may still arrive when the
 * connection stands. A node that was started anew has lost what it had: the old connection goes. */
static bool may_enter(struct lnd_conn* conn) {
  struct lnd_conn* old = conn->peer->conn;
  if (old && old->state == LND_CONNECTING && old->active && lnd_nid < conn->peer - lnd_peers) return false;
  if (old && old->state == LND_UP && old->incarnation == conn->incarnation) return false;
  if (old) lnd_close(old);
  enter(conn);
  return true;
}

/* A result other than 0 ends the new identifier. */
static int asked(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  const struct lnd_hello* theirs = heard(event);
  struct lnd_conn* conn = theirs ? new_conn(&lnd_peers[theirs->from], false) : NULL;
  struct lnd_hello mine;
  struct rdma_conn_param param;
  bool entered;
  int error;
  if (!conn) {
    refuse(id);
    return -EPROTO;
  }
  conn->id = id;
  conn->incarnation = theirs->incarnation;
  conn->handlers = 1;
  spin_lock(&lnd_lock);
  entered = may_enter(conn);
  if (entered) id->context = conn;
  spin_unlock(&lnd_lock);
  if (!entered) {
    refuse(id);
    conn->id = NULL;
    destroy_conn(conn);
    return -EALREADY;
  }
  hello(&mine, theirs->from, &param);
  error = open_conn(conn);
  if (!error) error = rdma_accept(id, &param);
  if (error) refuse(id);
  end_handler(conn, error); /* the identifier ends with the connection */
  return 0;
}

int lnd_on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct lnd_conn* conn = id->context;
  const struct lnd_hello* theirs = NULL;
  int error = 0;
  if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) return asked(id, event);
  if (!conn) return 0; /* the listener's */
  begin_handler(conn);
  switch (event->event) {
    case RDMA_CM_EVENT_ADDR_RESOLVED: error = rdma_resolve_route(id, 2000); break;
    case RDMA_CM_EVENT_ROUTE_RESOLVED: error = connect(conn); break;
    case RDMA_CM_EVENT_ESTABLISHED:
      if (conn->active && !(theirs = heard(event))) error = -EPROTO;
      if (theirs) conn->incarnation = theirs->incarnation;
      if (!error) established(conn);
      break;
    case RDMA_CM_EVENT_TIMEWAIT_EXIT: break;
    default: error = -ECONNABORTED; /* refused, unreachable, disconnected */
  }
  end_handler(conn, error);
  return 0;
}

struct rdma_cm_id* lnd_new_id(void* context) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 4, 0)
  return rdma_create_id(&init_net, lnd_on_event, context, RDMA_PS_TCP, IB_QPT_RC);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(3, 0, 0)
  return rdma_create_id(lnd_on_event, context, RDMA_PS_TCP, IB_QPT_RC);
#else
  return rdma_create_id(lnd_on_event, context, RDMA_PS_TCP);
#endif
}

void lnd_connect(struct lnd_peer* peer) {
  struct lnd_conn* conn = new_conn(peer, true);
  struct sockaddr_in address;
  int error = conn ? 0 : -ENOMEM;
  if (error) return;
  conn->id = lnd_new_id(conn);
  if (IS_ERR(conn->id)) {
    conn->id = NULL;
    destroy_conn(conn);
    return;
  }
  spin_lock(&lnd_lock);
  if (peer->conn) error = -EALREADY;
  if (!error) enter(conn);
  spin_unlock(&lnd_lock);
  if (error) {
    destroy_conn(conn);
    return;
  }
  error = lnd_address(&address, peer - lnd_peers);
  if (!error) error = rdma_resolve_addr(conn->id, NULL, (struct sockaddr*)&address, 2000);
  if (error) close_unlocked(conn);
}

/* Lock held: one whose work requests have all come back, out of the list. */
static struct lnd_conn* next_to_destroy(void) {
  struct lnd_conn* conn;
  list_for_each_entry(conn, &lnd_conns, entry) {
    if (conn->state != LND_CLOSING || !conn->gone || conn->handlers || conn->receives || conn->sends) continue;
    list_del(&conn->entry);
    while (!list_empty(&conn->queue)) lnd_end_tx(list_entry(conn->queue.next, struct lnd_tx, entry), -ECONNRESET);
    while (!list_empty(&conn->waiting)) {
      struct lnd_tx* tx = list_entry(conn->waiting.next, struct lnd_tx, entry);
      if (tx->bulk) lnd_unmap(conn, tx->bulk);
      lnd_end_tx(tx, -ECONNRESET);
    }
    return conn;
  }
  return NULL;
}

/* Lock held: one whose queue pair must be stopped. */
static struct lnd_conn* next_to_stop(void) {
  struct lnd_conn* conn;
  list_for_each_entry(conn, &lnd_conns,
                      entry) if (conn->state == LND_CLOSING && !conn->gone && !conn->handlers) return conn;
  return NULL;
}

static void stop(struct lnd_conn* conn) {
  struct ib_qp_attr attr;
  rdma_disconnect(conn->id);
  memset(&attr, 0, sizeof attr);
  attr.qp_state = IB_QPS_ERR; /* also where no connection came to be: receives come back */
  if (conn->id->qp) ib_modify_qp(conn->id->qp, &attr, IB_QP_STATE);
}

static void clear_away(void) {
  struct lnd_conn* conn;
  spin_lock(&lnd_lock);
  while ((conn = next_to_stop())) {
    conn->gone = true;
    spin_unlock(&lnd_lock);
    stop(conn);
    spin_lock(&lnd_lock);
    conn->ready = true;
  }
  while ((conn = next_to_destroy())) {
    spin_unlock(&lnd_lock);
    destroy_conn(conn);
    spin_lock(&lnd_lock);
  }
  spin_unlock(&lnd_lock);
  wake_up(&lnd_sched_wait);
}

/* Lock held. */
static bool overdue(struct list_head* list) {
  struct lnd_tx* tx;
  list_for_each_entry(tx, list, entry) if (time_after(jiffies, tx->deadline)) return true;
  return false;
}

static void watch_conns(void) {
  struct lnd_conn* conn;
  spin_lock(&lnd_lock);
  list_for_each_entry(conn, &lnd_conns, entry) {
    bool idle = time_after(jiffies, conn->last_sent + LND_KEEPALIVE);
    if (conn->state == LND_CONNECTING && time_after(jiffies, conn->last_sent + LND_TIMEOUT / 2)) lnd_close(conn);
    if (conn->state != LND_UP) continue;
    if (overdue(&conn->queue) || overdue(&conn->waiting)) {
      printk(KERN_INFO "lnd %d: peer %d is too slow\n", lnd_nid, (int)(conn->peer - lnd_peers));
      lnd_close(conn);
    } else if (conn->peer->silence && time_after(jiffies, conn->last_heard + conn->peer->silence * HZ)) {
      printk(KERN_INFO "lnd %d: %d is silent\n", lnd_nid, (int)(conn->peer - lnd_peers));
      lnd_close(conn);
    } else if (idle && list_empty(&conn->queue) && conn->credits > 1) {
      struct lnd_tx* tx = lnd_new_tx(LND_NOOP, conn->peer - lnd_peers);
      if (tx) lnd_queue(conn, tx);
    }
  }
  spin_unlock(&lnd_lock);
}

static void watch_peer(struct lnd_peer* peer) {
  bool connects;
  spin_lock(&lnd_lock);
  while (!list_empty(&peer->pending)) {
    struct lnd_tx* tx = list_entry(peer->pending.next, struct lnd_tx, entry);
    if (!time_after(jiffies, tx->deadline)) break;
    lnd_end_tx(tx, -EHOSTUNREACH);
  }
  connects = !list_empty(&peer->pending) && !peer->conn && time_after_eq(jiffies, peer->next_try);
  spin_unlock(&lnd_lock);
  if (connects) lnd_connect(peer);
}

static bool idle(void) {
  bool none;
  spin_lock(&lnd_lock);
  none = list_empty(&lnd_conns);
  spin_unlock(&lnd_lock);
  return none;
}

/* Looks round ten times a second, and when it is woken. At the end it waits until all connections are gone. */
int lnd_connd(void* unused) {
  int i;
  while (!kthread_should_stop() || !idle()) {
    atomic_set(&connd_due, 0);
    clear_away();
    watch_conns();
    for (i = 0; i < LND_NODES; i++) watch_peer(&lnd_peers[i]);
    wait_event_interruptible_timeout(connd_wait, atomic_read(&connd_due), HZ / 10);
  }
  return 0;
}
