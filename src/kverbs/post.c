/* SPDX-License-Identifier: BSD-2-Clause */
/* Posting: one work request after the other, under the lock of its queue. */
#include "post.h"

enum { kMostSges = 32 };

/* What a consumer's request becomes: native requests one by one, of which the last carries its flags. */
struct posting {
  struct kv_qp* qp;
  struct ibv_sge sges[kMostSges];
  struct ibv_send_wr native;
  u64 wr_id;
  enum ib_wc_opcode opcode;
  unsigned int flags;
};

/* Send lock held. `rest`: how many follow for the same request. */
static int submit(struct posting* p, u32 rest, struct kv_mapping* old) {
  struct kv_qp* qp = p->qp;
  u32 slot = qp->send_head;
  struct ibv_send_wr* bad;
  if (slot - __atomic_load_n(&qp->send_tail, __ATOMIC_ACQUIRE) >= qp->send_size) return -ENOMEM;
  qp->sends[slot & (qp->send_size - 1)] = (struct kv_slot){p->wr_id, p->opcode, rest, old};
  p->native.wr_id = kv_tag(0, qp->handle, slot);
  p->native.send_flags = rest ? p->flags & ~(unsigned int)IBV_SEND_SIGNALED : p->flags;
  __atomic_store_n(&qp->send_head, slot + 1, __ATOMIC_RELEASE);
  int error = ibv_post_send(qp->native, &p->native, &bad);
  if (error) qp->send_head = slot;
  return error > 0 ? -error : error;
}

static int submit_only(struct posting* p) { return submit(p, 0, NULL); }

static int take_sges(struct posting* p, const struct ib_sge* list, int n) {
  struct kv_pd* pd = to_pd(p->qp->ib.pd);
  bool inlined = (p->flags & IBV_SEND_INLINE) != 0;
  if (n < 0 || n > kMostSges) return -EINVAL;
  for (int i = 0; i < n; i++)
    p->sges[i] = (struct ibv_sge){list[i].addr, list[i].length, inlined ? 0 : kv_native_lkey(pd, &list[i])};
  p->native.sg_list = p->sges;
  p->native.num_sge = n;
  return 0;
}

static int bind_one(struct posting* p, struct ibv_mw* window, u32 key, const struct kv_mapping* mapping, int access,
                    u32 rest, struct kv_mapping* old) {
  const unsigned int remote = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
  p->native.opcode = IBV_WR_BIND_MW;
  p->native.num_sge = 0;
  p->native.bind_mw.mw = window;
  p->native.bind_mw.rkey = key;
  p->native.bind_mw.bind_info.mr = mapping->region;
  p->native.bind_mw.bind_info.addr = mapping->iova;
  p->native.bind_mw.bind_info.length = mapping->length;
  p->native.bind_mw.bind_info.mw_access_flags = (unsigned int)access & remote;
  return submit(p, rest, old);
}

/* A region that is not valid may be invalidated, a window that is not bound may not: it is bound before. */
static int invalidate_nothing(struct posting* p, struct kv_mr* mr) {
  struct kv_mapping nothing = {.iova = arena_base(), .length = 1};
  u32 key = ib_inc_rkey(mr->bound);
  nothing.region = kv_window_region(to_pd(mr->ib.pd), nothing.iova, nothing.length);
  if (!nothing.region) return kv_failed();
  int error = bind_one(p, mr->window, key, &nothing, IB_ACCESS_REMOTE_READ, 1, NULL);
  if (error) return error;
  mr->bound = key;
  p->native.opcode = IBV_WR_LOCAL_INV;
  p->native.invalidate_rkey = key;
  return submit_only(p);
}

/* Ends what a key shows: at once for what is posted from here on, with the request for what was posted before. */
static int invalidate(struct posting* p, u32 key) {
  struct kv_mr* mr = kv_fast_region(to_pd(p->qp->ib.pd), key);
  struct kv_mapping* old = NULL;
  if (mr && !mr->mapping) return invalidate_nothing(p, mr);
  p->native.opcode = IBV_WR_LOCAL_INV;
  p->native.invalidate_rkey = key;
  p->native.num_sge = 0;
  if (mr && mr->bound == key) kv_set_mapping(mr, key, NULL, &old);
  int error = submit(p, 0, old);
  if (error && old) kv_set_mapping(mr, key, old, &(struct kv_mapping*){NULL});
  return error;
}

/* A window takes no key that it has already: by way of another one it does. */
static int leave_key(struct posting* p, struct kv_mr* mr, u32 key, const struct kv_mapping* mapping, int access) {
  u32 other = ib_inc_rkey(key);
  int error = bind_one(p, mr->window, other, mapping, access, 2, NULL);
  if (error) return error;
  p->native.opcode = IBV_WR_LOCAL_INV;
  p->native.invalidate_rkey = other;
  return submit(p, 1, NULL);
}

/* Makes a fast region valid. What is posted behind this may use its lkey. */
static int make_valid(struct posting* p, struct kv_mr* mr, u32 key, const struct piece* pieces, int n, u64 iova,
                      int access) {
  if (!mr || !mr->window || n < 1 || (key ^ mr->window->rkey) >> 8) return -EINVAL;
  struct kv_mapping* mapping = kv_map(mr, pieces, n, iova, access);
  struct kv_mapping* old = NULL;
  if (IS_ERR(mapping)) return (int)PTR_ERR(mapping);
  int error = key == mr->bound ? leave_key(p, mr, key, mapping, access) : 0;
  u32 before = mr->bound;
  if (!error) {
    kv_set_mapping(mr, key, mapping, &old);
    error = bind_one(p, mr->window, key, mapping, access, 0, old);
    if (error) kv_set_mapping(mr, before, old, &(struct kv_mapping*){NULL});
  }
  if (error) kv_unmap(mapping);
  return error;
}

static int fast_register(struct posting* p, const struct kv_fat_send_wr* wr) {
  u64 size = 1ULL << wr->wr.fast_reg.page_shift, left = wr->wr.fast_reg.length;
  u64 iova = wr->wr.fast_reg.iova_start, skip = iova & (size - 1);
  int n = 0, most = (int)wr->wr.fast_reg.page_list_len;
  struct kv_mr* mr = kv_fast_region(to_pd(p->qp->ib.pd), wr->wr.fast_reg.rkey);
  if (wr->wr.fast_reg.page_shift < PAGE_SHIFT || wr->wr.fast_reg.page_shift > 30 || !wr->wr.fast_reg.page_list)
    return -EINVAL;
  struct piece* pieces = calloc((size_t)max(most, 1), sizeof *pieces);
  if (!pieces) return -ENOMEM;
  for (; n < most && left; n++, skip = 0) {
    u64 length = min(left, size - skip);
    pieces[n] = (struct piece){(wr->wr.fast_reg.page_list->page_list[n] & ~(size - 1)) + skip, length};
    left -= length;
  }
  int error = left ? -EINVAL : make_valid(p, mr, wr->wr.fast_reg.rkey, pieces, n, iova, wr->wr.fast_reg.access_flags);
  free(pieces);
  return error;
}

/* READ and then invalidate the local key; the consumer sees one request. */
static int read_and_invalidate(struct posting* p, u32 key) {
  p->native.opcode = IBV_WR_RDMA_READ;
  int error = submit(p, 1, NULL);
  if (error) return error;
  p->flags |= IBV_SEND_FENCE;
  return invalidate(p, key);
}

static int bind_window(struct posting* p, const struct kv_fat_send_wr* wr) {
  const struct ib_mw_bind_info* info = &wr->wr.bind_mw.bind_info;
  struct kv_mr* mr = info->mr ? to_mr(info->mr) : NULL;
  struct kv_mapping mapping = {.region = mr ? mr->native : NULL, .iova = info->addr, .length = info->length};
  struct kv_mw* mw = container_of(wr->wr.bind_mw.mw, struct kv_mw, ib);
  if (!mapping.region) return -EINVAL;
  int error = bind_one(p, mw->native, wr->wr.bind_mw.rkey, &mapping, info->mw_access_flags, 0, NULL);
  if (!error) mw->ib.rkey = wr->wr.bind_mw.rkey;
  return error;
}

static const struct {
  enum ibv_wr_opcode native;
  enum ib_wc_opcode done;
} opcodes[] = {
    [IB_WR_RDMA_WRITE] = {IBV_WR_RDMA_WRITE, IB_WC_RDMA_WRITE},
    [IB_WR_RDMA_WRITE_WITH_IMM] = {IBV_WR_RDMA_WRITE_WITH_IMM, IB_WC_RDMA_WRITE},
    [IB_WR_SEND] = {IBV_WR_SEND, IB_WC_SEND},
    [IB_WR_SEND_WITH_IMM] = {IBV_WR_SEND_WITH_IMM, IB_WC_SEND},
    [IB_WR_RDMA_READ] = {IBV_WR_RDMA_READ, IB_WC_RDMA_READ},
    [IB_WR_ATOMIC_CMP_AND_SWP] = {IBV_WR_ATOMIC_CMP_AND_SWP, IB_WC_COMP_SWAP},
    [IB_WR_ATOMIC_FETCH_AND_ADD] = {IBV_WR_ATOMIC_FETCH_AND_ADD, IB_WC_FETCH_ADD},
    [IB_WR_BIND_MW] = {IBV_WR_BIND_MW, IB_WC_BIND_MW},
    [IB_WR_SEND_WITH_INV] = {IBV_WR_SEND_WITH_INV, IB_WC_SEND},
    [IB_WR_RDMA_READ_WITH_INV] = {IBV_WR_RDMA_READ, IB_WC_RDMA_READ},
    [IB_WR_LOCAL_INV] = {IBV_WR_LOCAL_INV, IB_WC_LOCAL_INV},
    [IB_WR_FAST_REG_MR] = {IBV_WR_BIND_MW, IB_WC_FAST_REG_MR},
    [IB_WR_REG_MR] = {IBV_WR_BIND_MW, IB_WC_REG_MR},
};

/* The members that both generations share stand at the same places. */
static int prepare(struct posting* p, struct kv_qp* qp, const struct ib_send_wr* wr) {
  if ((unsigned int)wr->opcode >= ARRAY_SIZE(opcodes)) return -EINVAL;
  memset(&p->native, 0, sizeof p->native);
  p->qp = qp;
  p->wr_id = wr->wr_id;
  p->opcode = opcodes[wr->opcode].done;
  p->flags = (unsigned int)wr->send_flags;
  p->native.opcode = opcodes[wr->opcode].native;
  p->native.imm_data = wr->ex.imm_data; /* the same word as invalidate_rkey */
  return take_sges(p, wr->sg_list, wr->num_sge);
}

static void datagram(struct posting* p, struct ib_ah* ah, u32 qpn, u32 qkey) {
  p->native.wr.ud.ah = ah ? to_ah(ah)->native : NULL;
  p->native.wr.ud.remote_qpn = qpn;
  p->native.wr.ud.remote_qkey = qkey;
}

static int post_slim(struct posting* p, const struct ib_send_wr* wr) {
  switch (wr->opcode) {
    case IB_WR_RDMA_WRITE:
    case IB_WR_RDMA_WRITE_WITH_IMM:
    case IB_WR_RDMA_READ:
    case IB_WR_RDMA_READ_WITH_INV:
      p->native.wr.rdma.remote_addr = rdma_wr(wr)->remote_addr;
      p->native.wr.rdma.rkey = rdma_wr(wr)->rkey;
      return wr->opcode == IB_WR_RDMA_READ_WITH_INV ? read_and_invalidate(p, wr->ex.invalidate_rkey) : submit_only(p);
    case IB_WR_ATOMIC_CMP_AND_SWP:
    case IB_WR_ATOMIC_FETCH_AND_ADD:
      p->native.wr.atomic.remote_addr = atomic_wr(wr)->remote_addr;
      p->native.wr.atomic.compare_add = atomic_wr(wr)->compare_add;
      p->native.wr.atomic.swap = atomic_wr(wr)->swap;
      p->native.wr.atomic.rkey = atomic_wr(wr)->rkey;
      return submit_only(p);
    case IB_WR_LOCAL_INV: return invalidate(p, wr->ex.invalidate_rkey);
    case IB_WR_REG_MR: {
      const struct ib_reg_wr* reg = reg_wr(wr);
      struct kv_mr* mr = to_mr(reg->mr);
      return make_valid(p, mr, reg->key, mr->pieces, mr->n, mr->ib.iova, reg->access);
    }
    case IB_WR_FAST_REG_MR: {
      const struct ib_fast_reg_wr* from = container_of(wr, struct ib_fast_reg_wr, wr);
      struct kv_fat_send_wr fat = {.num_sge = 0};
      fat.wr.fast_reg.iova_start = from->iova_start;
      fat.wr.fast_reg.page_list = from->page_list;
      fat.wr.fast_reg.page_shift = from->page_shift;
      fat.wr.fast_reg.page_list_len = from->page_list_len;
      fat.wr.fast_reg.length = from->length;
      fat.wr.fast_reg.access_flags = from->access_flags;
      fat.wr.fast_reg.rkey = from->rkey;
      return fast_register(p, &fat);
    }
    default:
      if (p->qp->ib.qp_type == IB_QPT_UD) datagram(p, ud_wr(wr)->ah, ud_wr(wr)->remote_qpn, ud_wr(wr)->remote_qkey);
      return wr->opcode == IB_WR_BIND_MW ? -EINVAL : submit_only(p);
  }
}

static int post_fat(struct posting* p, const struct kv_fat_send_wr* wr) {
  switch (wr->opcode) {
    case IB_WR_RDMA_WRITE:
    case IB_WR_RDMA_WRITE_WITH_IMM:
    case IB_WR_RDMA_READ:
    case IB_WR_RDMA_READ_WITH_INV:
      p->native.wr.rdma.remote_addr = wr->wr.rdma.remote_addr;
      p->native.wr.rdma.rkey = wr->wr.rdma.rkey;
      return wr->opcode == IB_WR_RDMA_READ_WITH_INV ? read_and_invalidate(p, wr->ex.invalidate_rkey) : submit_only(p);
    case IB_WR_ATOMIC_CMP_AND_SWP:
    case IB_WR_ATOMIC_FETCH_AND_ADD:
      p->native.wr.atomic.remote_addr = wr->wr.atomic.remote_addr;
      p->native.wr.atomic.compare_add = wr->wr.atomic.compare_add;
      p->native.wr.atomic.swap = wr->wr.atomic.swap;
      p->native.wr.atomic.rkey = wr->wr.atomic.rkey;
      return submit_only(p);
    case IB_WR_LOCAL_INV: return invalidate(p, wr->ex.invalidate_rkey);
    case IB_WR_FAST_REG_MR: return fast_register(p, wr);
    case IB_WR_BIND_MW: return bind_window(p, wr);
    case IB_WR_REG_MR: return -EINVAL; /* came with the other generation */
    default:
      if (p->qp->ib.qp_type == IB_QPT_UD) datagram(p, wr->wr.ud.ah, wr->wr.ud.remote_qpn, wr->wr.ud.remote_qkey);
      return submit_only(p);
  }
}

static int post_list(struct ib_qp* ib, const void* first, const void** bad, bool fat) {
  struct kv_qp* qp = to_qp(ib);
  struct posting p;
  int error = 0;
  pthread_mutex_lock(&qp->send_lock);
  for (const struct ib_send_wr* wr = first; wr; wr = wr->next) {
    error = prepare(&p, qp, wr);
    if (!error) error = fat ? post_fat(&p, (const struct kv_fat_send_wr*)wr) : post_slim(&p, wr);
    if (!error) continue;
    if (bad) *bad = wr;
    break;
  }
  pthread_mutex_unlock(&qp->send_lock);
  return error;
}

int kv_post_send_slim(struct ib_qp* qp, const void* wr, const void** bad) { return post_list(qp, wr, bad, false); }
int kv_post_send_fat(struct ib_qp* qp, const void* wr, const void** bad) { return post_list(qp, wr, bad, true); }

/* ib_bind_mw: the window changes its key by itself (type 1). */
int kv_bind_mw(struct ib_qp* ib, struct ib_mw* mw, u64 wr_id, int flags, struct ib_mr* mr, u64 addr, u64 length,
               int access) {
  struct kv_qp* qp = to_qp(ib);
  struct kv_mw* window = container_of(mw, struct kv_mw, ib);
  struct ibv_mw_bind bind = {.send_flags = (unsigned int)flags};
  pthread_mutex_lock(&qp->send_lock);
  u32 slot = qp->send_head;
  int error = slot - __atomic_load_n(&qp->send_tail, __ATOMIC_ACQUIRE) >= qp->send_size ? ENOMEM : 0;
  if (!error) {
    qp->sends[slot & (qp->send_size - 1)] = (struct kv_slot){wr_id, IB_WC_BIND_MW, 0, NULL};
    bind.wr_id = kv_tag(0, qp->handle, slot);
    bind.bind_info = (struct ibv_mw_bind_info){mr ? to_mr(mr)->native : NULL, addr, length, (unsigned int)access};
    __atomic_store_n(&qp->send_head, slot + 1, __ATOMIC_RELEASE);
    error = ibv_bind_mw(qp->native, window->native, &bind);
    if (error) qp->send_head = slot;
  }
  mw->rkey = window->native->rkey;
  pthread_mutex_unlock(&qp->send_lock);
  return -error;
}

static void drop(struct kv_qp* qp, u32 slot) {
  struct kv_slot* s = &qp->sends[slot & (qp->send_size - 1)];
  kv_unmap(s->old);
  s->old = NULL;
}

bool kv_sent(struct kv_qp* qp, u32 number, bool success, struct ib_wc* wc) {
  const struct kv_slot* slot = &qp->sends[number & (qp->send_size - 1)];
  bool known = (s32)(number - qp->told) <= 0; /* an earlier part of the same request has failed */
  bool tell = !known && !(success && slot->rest);
  wc->wr_id = slot->wr_id;
  wc->opcode = slot->opcode;
  if (!known) qp->told = success ? number : number + slot->rest;
  for (u32 at = qp->send_tail; at != number + 1; at++) drop(qp, at);
  __atomic_store_n(&qp->send_tail, number + 1, __ATOMIC_RELEASE);
  return tell;
}

void kv_drop_slots(struct kv_qp* qp) {
  for (u32 at = qp->send_tail; at != qp->send_head; at++) drop(qp, at);
}

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
