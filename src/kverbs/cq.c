/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion queues: made, polled, armed. A native wr_id names the queue pair and the slot that hold the consumer's. */
#include "kverbs.h"
#include "post.h"

static struct kv_device* device_of(struct kv_cq* cq) { return container_of(cq->ib.device, struct kv_device, ib); }

struct ib_cq* kv_create_cq(struct ib_device* ib, ib_comp_handler handler, void (*events)(struct ib_event*, void*),
                           void* context, int cqe, int vector) {
  struct kv_cq* cq = calloc(1, sizeof *cq);
  if (!cq) return ERR_PTR(-ENOMEM);
  cq->ib = (struct ib_cq){.device = ib, .comp_handler = handler, .event_handler = events, .cq_context = context};
  cq->ib.comp_vector = (unsigned int)vector;
  pthread_mutex_init(&cq->lock, NULL);
  struct ibv_comp_channel* channel = handler ? kv_channel(device_of(cq), vector) : NULL;
  int error = handler && !channel ? kv_failed() : kv_watch(device_of(cq));
  /* Requests that the consumer does not see may take a place each. */
  int room = cqe > device_of(cq)->native.max_cqe / 2 ? cqe : 2 * max(cqe, 1);
  errno = 0;
  if (!error && !(cq->native = ibv_create_cq(device_of(cq)->context, room, cq, channel, 0))) error = kv_failed();
  if (error) {
    free(cq);
    return ERR_PTR(error);
  }
  cq->ib.cqe = max(cq->native->cqe / 2, cqe);
  return &cq->ib;
}

int kv_destroy_cq(struct ib_cq* ib) {
  struct kv_cq* cq = to_cq(ib);
  int error = ibv_destroy_cq(cq->native);
  if (error) return -error;
  free(cq);
  return 0;
}

int ib_resize_cq(struct ib_cq* ib, int cqe) {
  struct kv_cq* cq = to_cq(ib);
  pthread_mutex_lock(&cq->lock);
  int error = ibv_resize_cq(cq->native, 2 * cqe);
  if (!error) ib->cqe = cqe;
  pthread_mutex_unlock(&cq->lock);
  return error > 0 ? -error : error;
}

static void common(const struct ibv_wc* native, struct kv_qp* qp, struct ib_wc* wc) {
  wc->status = (enum ib_wc_status)native->status;
  wc->vendor_err = native->vendor_err;
  wc->byte_len = native->byte_len;
  wc->qp = &qp->ib;
  wc->src_qp = native->src_qp;
  wc->pkey_index = native->pkey_index;
  wc->slid = native->slid;
  wc->sl = native->sl;
  wc->dlid_path_bits = native->dlid_path_bits;
  wc->port_num = 1;
  wc->wc_flags = 0;
}

static void received(const struct ibv_wc* native, struct kv_qp* qp, struct ib_wc* wc) {
  common(native, qp, wc);
  wc->opcode = native->opcode == IBV_WC_RECV_RDMA_WITH_IMM ? IB_WC_RECV_RDMA_WITH_IMM : IB_WC_RECV;
  if (native->status != IBV_WC_SUCCESS) return;
  if (native->wc_flags & IBV_WC_GRH) wc->wc_flags |= IB_WC_GRH;
  if (native->wc_flags & IBV_WC_WITH_IMM) {
    wc->wc_flags |= IB_WC_WITH_IMM;
    wc->ex.imm_data = native->imm_data;
  }
  if (native->wc_flags & IBV_WC_WITH_INV) {
    wc->wc_flags |= IB_WC_WITH_INVALIDATE;
    wc->ex.invalidate_rkey = native->invalidated_rkey;
    kv_invalidated(to_pd(qp->ib.pd), native->invalidated_rkey);
  }
}

/* Whether the consumer is told. CQ lock held, so the queue pair stays: destroying it takes the locks of its CQs. */
static bool translate(struct kv_cq* cq, const struct ibv_wc* native, struct ib_wc* wc) {
  int kind = (int)(native->wr_id >> 62);
  u32 handle = (u32)(native->wr_id >> 32) & 0xffff, slot = (u32)native->wr_id;
  if (kind == KV_SHARED) {
    struct kv_srq* srq = kv_srq_by_handle(handle);
    struct kv_qp* qp = kv_qp_by_number(device_of(cq), native->qp_num);
    if (!srq) return false;
    wc->wr_id = kv_take_shared(srq, slot);
    if (!qp) return false;
    received(native, qp, wc);
    return true;
  }
  struct kv_qp* qp = kv_qp_by_handle(handle);
  if (!qp) return false; /* it was destroyed; its completions are nobody's */
  if (kind == KV_RECEIVE) {
    wc->wr_id = qp->receives[slot & (qp->receive_size - 1)];
    __atomic_store_n(&qp->receive_tail, slot + 1, __ATOMIC_RELEASE);
    received(native, qp, wc);
    return true;
  }
  if (!kv_sent(qp, slot, native->status == IBV_WC_SUCCESS, wc)) return false;
  common(native, qp, wc);
  return true;
}

/* CQ lock held. */
static int poll_native(struct kv_cq* cq, int n, struct ib_wc* wc) {
  struct ibv_wc native[16];
  int filled = 0;
  while (filled < n) {
    int wanted = min(n - filled, (int)ARRAY_SIZE(native));
    int got = ibv_poll_cq(cq->native, wanted, native);
    if (got < 0) return filled ? filled : got;
    for (int i = 0; i < got; i++) filled += translate(cq, &native[i], &wc[filled]);
    if (got < wanted) break;
  }
  return filled;
}

int ib_poll_cq(struct ib_cq* ib, int n, struct ib_wc* wc) {
  struct kv_cq* cq = to_cq(ib);
  int filled = 0;
  pthread_mutex_lock(&cq->lock);
  if (n > 0 && cq->stashed) {
    wc[filled++] = cq->stash;
    cq->stashed = false;
  }
  int more = poll_native(cq, n - filled, wc + filled);
  pthread_mutex_unlock(&cq->lock);
  return more < 0 && !filled ? more : filled + max(more, 0);
}

/* With IB_CQ_REPORT_MISSED_EVENTS the queue is looked at after it was armed, which takes a completion out of it. */
int ib_req_notify_cq(struct ib_cq* ib, enum ib_cq_notify_flags flags) {
  struct kv_cq* cq = to_cq(ib);
  pthread_mutex_lock(&cq->lock);
  int result = -ibv_req_notify_cq(cq->native, (flags & IB_CQ_SOLICITED_MASK) == IB_CQ_SOLICITED);
  if (!result && (flags & IB_CQ_REPORT_MISSED_EVENTS)) {
    if (!cq->stashed) cq->stashed = poll_native(cq, 1, &cq->stash) == 1;
    result = cq->stashed;
  }
  pthread_mutex_unlock(&cq->lock);
  return result;
}

const char* ib_wc_status_msg(enum ib_wc_status status) { return ibv_wc_status_str((enum ibv_wc_status)status); }
