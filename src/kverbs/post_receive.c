/* SPDX-License-Identifier: BSD-2-Clause */
/* Posting receives, to queue pairs and to shared receive queues. */
#include "posting.h"

static int take_receive(struct kv_pd* pd, const struct ib_recv_wr* wr, struct ibv_sge* sges,
                        struct ibv_recv_wr* native) {
  if (wr->num_sge < 0 || wr->num_sge > kMostSges) return -EINVAL;
  for (int i = 0; i < wr->num_sge; i++)
    sges[i] = (struct ibv_sge){wr->sg_list[i].addr, wr->sg_list[i].length, kv_native_lkey(pd, &wr->sg_list[i])};
  native->next = NULL;
  native->sg_list = sges;
  native->num_sge = wr->num_sge;
  return 0;
}

/* Receive lock held. */
static int post_one_receive(struct kv_qp* qp, const struct ib_recv_wr* wr) {
  struct ibv_sge sges[kMostSges];
  struct ibv_recv_wr native, *bad;
  u32 slot = qp->receive_head;
  int error = take_receive(to_pd(qp->ib.pd), wr, sges, &native);
  if (error) return error;
  if (slot - __atomic_load_n(&qp->receive_tail, __ATOMIC_ACQUIRE) >= qp->receive_size) return -ENOMEM;
  qp->receives[slot & (qp->receive_size - 1)] = wr->wr_id;
  native.wr_id = kv_tag(KV_RECEIVE, qp->handle, slot);
  error = ibv_post_recv(qp->native, &native, &bad);
  if (!error) qp->receive_head = slot + 1;
  return error > 0 ? -error : error;
}

int kv_post_recv(struct ib_qp* ib, const struct ib_recv_wr* wr, const struct ib_recv_wr** bad) {
  struct kv_qp* qp = to_qp(ib);
  int error = 0;
  if (ib->srq) return -EINVAL;
  pthread_mutex_lock(&qp->receive_lock);
  for (; wr && !(error = post_one_receive(qp, wr)); wr = wr->next) continue;
  pthread_mutex_unlock(&qp->receive_lock);
  if (error && bad) *bad = wr;
  return error;
}

static int post_one_shared(struct kv_srq* srq, const struct ib_recv_wr* wr) {
  struct ibv_sge sges[kMostSges];
  struct ibv_recv_wr native, *bad;
  int error = take_receive(to_pd(srq->ib.pd), wr, sges, &native);
  if (error) return error;
  pthread_mutex_lock(&srq->lock);
  u32 slot = srq->free_count ? srq->free[--srq->free_count] : srq->size;
  if (slot < srq->size) srq->wr_ids[slot] = wr->wr_id;
  pthread_mutex_unlock(&srq->lock);
  if (slot == srq->size) return -ENOMEM;
  native.wr_id = kv_tag(KV_SHARED, srq->handle, slot);
  error = ibv_post_srq_recv(srq->native, &native, &bad);
  if (error) kv_take_shared(srq, slot);
  return error > 0 ? -error : error;
}

int kv_post_srq_recv(struct ib_srq* ib, const struct ib_recv_wr* wr, const struct ib_recv_wr** bad) {
  int error = 0;
  for (; wr && !(error = post_one_shared(to_srq(ib), wr)); wr = wr->next) continue;
  if (error && bad) *bad = wr;
  return error;
}
