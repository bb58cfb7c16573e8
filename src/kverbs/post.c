/* SPDX-License-Identifier: BSD-2-Clause */
/* Posting: one work request after the other, under the lock of its queue. */
#include "posting.h"

int kv_submit(struct posting* p, u32 rest, struct kv_mapping* old) {
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
      return wr->opcode == IB_WR_RDMA_READ_WITH_INV ? kv_read_and_invalidate(p, wr->ex.invalidate_rkey)
                                                    : kv_submit_only(p);
    case IB_WR_ATOMIC_CMP_AND_SWP:
    case IB_WR_ATOMIC_FETCH_AND_ADD:
      p->native.wr.atomic.remote_addr = atomic_wr(wr)->remote_addr;
      p->native.wr.atomic.compare_add = atomic_wr(wr)->compare_add;
      p->native.wr.atomic.swap = atomic_wr(wr)->swap;
      p->native.wr.atomic.rkey = atomic_wr(wr)->rkey;
      return kv_submit_only(p);
    case IB_WR_LOCAL_INV: return kv_invalidate(p, wr->ex.invalidate_rkey);
    case IB_WR_REG_MR: {
      const struct ib_reg_wr* reg = reg_wr(wr);
      struct kv_mr* mr = to_mr(reg->mr);
      return kv_make_valid(p, mr, reg->key, mr->pieces, mr->n, mr->ib.iova, reg->access);
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
      return kv_fast_register(p, &fat);
    }
    default:
      if (p->qp->ib.qp_type == IB_QPT_UD) datagram(p, ud_wr(wr)->ah, ud_wr(wr)->remote_qpn, ud_wr(wr)->remote_qkey);
      return wr->opcode == IB_WR_BIND_MW ? -EINVAL : kv_submit_only(p);
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
      return wr->opcode == IB_WR_RDMA_READ_WITH_INV ? kv_read_and_invalidate(p, wr->ex.invalidate_rkey)
                                                    : kv_submit_only(p);
    case IB_WR_ATOMIC_CMP_AND_SWP:
    case IB_WR_ATOMIC_FETCH_AND_ADD:
      p->native.wr.atomic.remote_addr = wr->wr.atomic.remote_addr;
      p->native.wr.atomic.compare_add = wr->wr.atomic.compare_add;
      p->native.wr.atomic.swap = wr->wr.atomic.swap;
      p->native.wr.atomic.rkey = wr->wr.atomic.rkey;
      return kv_submit_only(p);
    case IB_WR_LOCAL_INV: return kv_invalidate(p, wr->ex.invalidate_rkey);
    case IB_WR_FAST_REG_MR: return kv_fast_register(p, wr);
    case IB_WR_BIND_MW: return kv_bind_window(p, wr);
    case IB_WR_REG_MR: return -EINVAL; /* came with the other generation */
    default:
      if (p->qp->ib.qp_type == IB_QPT_UD) datagram(p, wr->wr.ud.ah, wr->wr.ud.remote_qpn, wr->wr.ud.remote_qkey);
      return kv_submit_only(p);
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
