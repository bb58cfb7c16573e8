/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared receive queues. */
#include "kverbs.h"

enum { kHandles = 1 << 16 };
static struct kv_srq* by_handle[kHandles];
static u32 next_handle;
static DEFINE_RWLOCK(table_lock);

struct kv_srq* kv_srq_by_handle(u32 handle) {
  read_lock(&table_lock);
  struct kv_srq* srq = by_handle[handle % kHandles];
  read_unlock(&table_lock);
  return srq;
}

static int enter(struct kv_srq* srq) {
  int tries = 0;
  write_lock(&table_lock);
  while (by_handle[next_handle % kHandles] && ++tries < kHandles) next_handle++;
  if (tries < kHandles) by_handle[srq->handle = next_handle++ % kHandles] = srq;
  write_unlock(&table_lock);
  return tries < kHandles ? 0 : -ENOMEM;
}

static void leave(struct kv_srq* srq) {
  write_lock(&table_lock);
  by_handle[srq->handle] = NULL;
  write_unlock(&table_lock);
}

u64 kv_take_shared(struct kv_srq* srq, u32 slot) {
  pthread_mutex_lock(&srq->lock);
  u64 wr_id = srq->wr_ids[slot % srq->size];
  srq->free[srq->free_count++] = slot;
  pthread_mutex_unlock(&srq->lock);
  return wr_id;
}

static void free_srq(struct kv_srq* srq) {
  free(srq->wr_ids);
  free(srq->free);
  free(srq);
}

static int make_slots(struct kv_srq* srq, u32 n) {
  srq->size = n;
  srq->wr_ids = calloc(n, sizeof *srq->wr_ids);
  srq->free = calloc(n, sizeof *srq->free);
  if (!srq->wr_ids || !srq->free) return -ENOMEM;
  for (u32 i = 0; i < n; i++) srq->free[srq->free_count++] = n - 1 - i;
  return 0;
}

struct ib_srq* ib_create_srq(struct ib_pd* pd, struct ib_srq_init_attr* init) {
  struct kv_srq* srq = calloc(1, sizeof *srq);
  struct ibv_srq_init_attr native = {.srq_context = srq,
                                     .attr = {init->attr.max_wr, init->attr.max_sge, init->attr.srq_limit}};
  if (!srq) return ERR_PTR(-ENOMEM);
  srq->ib = (struct ib_srq){pd->device, pd, init->event_handler, init->srq_context};
  pthread_mutex_init(&srq->lock, NULL);
  int error = enter(srq);
  if (error) {
    free_srq(srq);
    return ERR_PTR(error);
  }
  errno = 0;
  srq->native = ibv_create_srq(to_pd(pd)->native, &native);
  error = srq->native ? make_slots(srq, max(native.attr.max_wr, 1u)) : kv_failed();
  if (!error) {
    init->attr.max_wr = native.attr.max_wr;
    init->attr.max_sge = native.attr.max_sge;
    atomic_inc(&pd->usecnt);
    return &srq->ib;
  }
  leave(srq);
  if (srq->native) ibv_destroy_srq(srq->native);
  free_srq(srq);
  return ERR_PTR(error);
}

/* A larger queue would need more slots: it keeps the size it was made with. */
int ib_modify_srq(struct ib_srq* ib, struct ib_srq_attr* attr, enum ib_srq_attr_mask mask) {
  struct ibv_srq_attr native = {attr->max_wr, attr->max_sge, attr->srq_limit};
  if (mask & IB_SRQ_MAX_WR) return -EOPNOTSUPP;
  return -ibv_modify_srq(to_srq(ib)->native, &native, (int)mask);
}

int ib_query_srq(struct ib_srq* ib, struct ib_srq_attr* attr) {
  struct ibv_srq_attr native;
  int error = ibv_query_srq(to_srq(ib)->native, &native);
  if (!error) *attr = (struct ib_srq_attr){native.max_wr, native.max_sge, native.srq_limit};
  return -error;
}

int ib_destroy_srq(struct ib_srq* ib) {
  struct kv_srq* srq = to_srq(ib);
  int error = ibv_destroy_srq(srq->native);
  if (error) return -error;
  leave(srq);
  atomic_dec(&ib->pd->usecnt);
  free_srq(srq);
  return 0;
}
