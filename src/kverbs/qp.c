/* SPDX-License-Identifier: BSD-2-Clause */
/* Queue pairs, shared receive queues, address handles, multicast. */
#include "post.h"

enum { kHandles = 1 << 16, kNumberBuckets = 4096 };
static struct kv_qp* by_handle[kHandles];
static struct hlist_head by_number[kNumberBuckets];
static u32 next_handle;
static DEFINE_RWLOCK(table_lock);

static struct kv_device* device_of(struct ib_device* ib) { return container_of(ib, struct kv_device, ib); }

/* The lock of a CQ that the queue pair completes to is held where the answer is used. */
struct kv_qp* kv_qp_by_handle(u32 handle) {
  read_lock(&table_lock);
  struct kv_qp* qp = by_handle[handle % kHandles];
  read_unlock(&table_lock);
  return qp;
}

struct kv_qp* kv_qp_by_number(struct kv_device* device, u32 number) {
  struct kv_qp* found = NULL;
  read_lock(&table_lock);
  for (struct hlist_node* node = by_number[number % kNumberBuckets].first; node && !found; node = node->next) {
    struct kv_qp* qp = container_of(node, struct kv_qp, by_number);
    if (qp->ib.qp_num == number && qp->ib.device == &device->ib) found = qp;
  }
  read_unlock(&table_lock);
  return found;
}

/* Handles come back as late as possible, so that late completions do not meet a new queue pair. */
static int enter(struct kv_qp* qp) {
  int tries = 0;
  write_lock(&table_lock);
  while (by_handle[next_handle % kHandles] && ++tries < kHandles) next_handle++;
  if (tries < kHandles) by_handle[qp->handle = next_handle++ % kHandles] = qp;
  write_unlock(&table_lock);
  return tries < kHandles ? 0 : -ENOMEM;
}

static void publish(struct kv_qp* qp) {
  write_lock(&table_lock);
  hlist_add_head(&qp->by_number, &by_number[qp->ib.qp_num % kNumberBuckets]);
  write_unlock(&table_lock);
}

static void leave(struct kv_qp* qp) {
  struct kv_cq *send = to_cq(qp->ib.send_cq), *receive = to_cq(qp->ib.recv_cq);
  /* Whoever polls has one lock of these only. */
  if (send) pthread_mutex_lock(&send->lock);
  if (receive && receive != send) pthread_mutex_lock(&receive->lock);
  write_lock(&table_lock);
  by_handle[qp->handle] = NULL;
  if (qp->by_number.pprev) hlist_del(&qp->by_number);
  write_unlock(&table_lock);
  struct kv_cq* both[] = {send, receive};
  for (int i = 0; i < 2; i++)
    if (both[i] && both[i]->stashed && both[i]->stash.qp == &qp->ib) both[i]->stashed = false;
  if (receive && receive != send) pthread_mutex_unlock(&receive->lock);
  if (send) pthread_mutex_unlock(&send->lock);
}

static void free_qp(struct kv_qp* qp) {
  free(qp->sends);
  free(qp->receives);
  free(qp);
}

static int set_up(struct kv_qp* qp, struct kv_pd* pd, const struct ib_qp_init_attr* init) {
  qp->ib = (struct ib_qp){.device = pd->ib.device, .pd = &pd->ib, .send_cq = init->send_cq, .recv_cq = init->recv_cq};
  qp->ib.srq = init->srq;
  qp->ib.event_handler = init->event_handler;
  qp->ib.qp_context = init->qp_context;
  qp->ib.qp_type = init->qp_type;
  qp->ib.port = 1;
  qp->told = (u32)-1;
  qp->all_signaled = init->sq_sig_type == IB_SIGNAL_ALL_WR;
  pthread_mutex_init(&qp->send_lock, NULL);
  pthread_mutex_init(&qp->receive_lock, NULL);
  return enter(qp);
}

static int make_rings(struct kv_qp* qp, const struct ibv_qp_cap* cap) {
  qp->send_size = (u32)roundup_pow_of_two(max(cap->max_send_wr, 1u));
  qp->receive_size = (u32)roundup_pow_of_two(max(cap->max_recv_wr, 1u));
  qp->sends = calloc(qp->send_size, sizeof *qp->sends);
  qp->receives = calloc(qp->receive_size, sizeof *qp->receives);
  return qp->sends && qp->receives ? 0 : -ENOMEM;
}

/* Room for the requests that consumers do not see, and for those that drain. */
static u32 with_spare(u32 n, u32 spare, int most) { return n > (u32)most ? n : min(n + spare, (u32)most); }

static struct ibv_qp_init_attr native_init(const struct kv_qp* qp, const struct ib_qp_init_attr* init) {
  const struct ibv_device_attr* limits = &device_of(qp->ib.device)->native;
  struct ibv_qp_init_attr native = {
      .qp_context = (void*)qp,
      .send_cq = init->send_cq ? to_cq(init->send_cq)->native : NULL,
      .recv_cq = init->recv_cq ? to_cq(init->recv_cq)->native : NULL,
      .srq = init->srq ? to_srq(init->srq)->native : NULL,
      .qp_type = (enum ibv_qp_type)init->qp_type,
      .sq_sig_all = init->sq_sig_type == IB_SIGNAL_ALL_WR,
  };
  native.cap.max_send_wr = with_spare(init->cap.max_send_wr, init->cap.max_send_wr + 4, limits->max_qp_wr);
  native.cap.max_recv_wr = init->srq ? 0 : with_spare(init->cap.max_recv_wr, 1, limits->max_qp_wr);
  native.cap.max_send_sge = init->cap.max_send_sge;
  native.cap.max_recv_sge = init->cap.max_recv_sge;
  native.cap.max_inline_data = init->cap.max_inline_data;
  return native;
}

struct kv_qp* kv_make_qp(struct kv_pd* pd, struct ib_qp_init_attr* init, kv_qp_maker maker, void* with) {
  struct kv_qp* qp = calloc(1, sizeof *qp);
  if (!qp) return ERR_PTR(-ENOMEM);
  int error = set_up(qp, pd, init);
  if (error) {
    free_qp(qp);
    return ERR_PTR(error);
  }
  struct ibv_qp_init_attr native = native_init(qp, init);
  errno = 0;
  qp->native = maker(with, pd->native, &native);
  if (!qp->native) {
    error = kv_failed();
  } else if (!(error = make_rings(qp, &native.cap))) {
    qp->ib.qp_num = qp->native->qp_num;
    init->cap.max_inline_data = native.cap.max_inline_data;
    init->cap.max_send_sge = native.cap.max_send_sge;
    init->cap.max_recv_sge = native.cap.max_recv_sge;
    atomic_inc(&pd->ib.usecnt);
    publish(qp);
    return qp;
  }
  leave(qp);
  if (qp->native) ibv_destroy_qp(qp->native);
  free_qp(qp);
  return ERR_PTR(error);
}

/* The native one is gone already if librdmacm made it. */
int kv_end_qp(struct kv_qp* qp) {
  int error = qp->native ? ibv_destroy_qp(qp->native) : 0;
  if (error) return -error;
  leave(qp);
  atomic_dec(&qp->ib.pd->usecnt);
  kv_drop_slots(qp);
  free_qp(qp);
  return 0;
}

static struct ibv_qp* create_plain(void* with, struct ibv_pd* pd, struct ibv_qp_init_attr* init) {
  (void)with;
  return ibv_create_qp(pd, init);
}

struct ib_qp* ib_create_qp(struct ib_pd* pd, struct ib_qp_init_attr* init) {
  struct kv_qp* qp = kv_make_qp(to_pd(pd), init, create_plain, NULL);
  return IS_ERR(qp) ? ERR_CAST(qp) : &qp->ib;
}

int ib_modify_qp(struct ib_qp* qp, struct ib_qp_attr* attr, int mask) {
  struct ibv_qp_attr native;
  kv_native_qp_attr(attr, &native);
  return -ibv_modify_qp(to_qp(qp)->native, &native, mask);
}

int ib_query_qp(struct ib_qp* qp, struct ib_qp_attr* attr, int mask, struct ib_qp_init_attr* init) {
  struct ibv_qp_attr native;
  struct ibv_qp_init_attr native_init;
  int error = ibv_query_qp(to_qp(qp)->native, &native, mask, &native_init);
  if (error) return -error;
  kv_from_native_qp_attr(&native, attr);
  if (!init) return 0;
  memset(init, 0, sizeof *init);
  init->event_handler = qp->event_handler;
  init->qp_context = qp->qp_context;
  init->send_cq = qp->send_cq;
  init->recv_cq = qp->recv_cq;
  init->srq = qp->srq;
  init->qp_type = qp->qp_type;
  init->cap = attr->cap;
  init->sq_sig_type = to_qp(qp)->all_signaled ? IB_SIGNAL_ALL_WR : IB_SIGNAL_REQ_WR;
  return 0;
}

int ib_attach_mcast(struct ib_qp* qp, union ib_gid* gid, u16 lid) {
  union ibv_gid native;
  memcpy(&native, gid, sizeof native);
  return -ibv_attach_mcast(to_qp(qp)->native, &native, lid);
}

int ib_detach_mcast(struct ib_qp* qp, union ib_gid* gid, u16 lid) {
  union ibv_gid native;
  memcpy(&native, gid, sizeof native);
  return -ibv_detach_mcast(to_qp(qp)->native, &native, lid);
}
