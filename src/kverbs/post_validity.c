/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that make keys valid and invalid: fast registration, windows, invalidation. */
#include "posting.h"

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
  return kv_submit(p, rest, old);
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
  return kv_submit_only(p);
}

int kv_invalidate(struct posting* p, u32 key) {
  struct kv_mr* mr = kv_fast_region(to_pd(p->qp->ib.pd), key);
  struct kv_mapping* old = NULL;
  if (mr && !mr->mapping) return invalidate_nothing(p, mr);
  p->native.opcode = IBV_WR_LOCAL_INV;
  p->native.invalidate_rkey = key;
  p->native.num_sge = 0;
  if (mr && mr->bound == key) kv_set_mapping(mr, key, NULL, &old);
  int error = kv_submit(p, 0, old);
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
  return kv_submit(p, 1, NULL);
}

int kv_make_valid(struct posting* p, struct kv_mr* mr, u32 key, const struct piece* pieces, int n, u64 iova,
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

int kv_fast_register(struct posting* p, const struct kv_fat_send_wr* wr) {
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
  int error =
      left ? -EINVAL : kv_make_valid(p, mr, wr->wr.fast_reg.rkey, pieces, n, iova, wr->wr.fast_reg.access_flags);
  free(pieces);
  return error;
}

int kv_read_and_invalidate(struct posting* p, u32 key) {
  p->native.opcode = IBV_WR_RDMA_READ;
  int error = kv_submit(p, 1, NULL);
  if (error) return error;
  p->flags |= IBV_SEND_FENCE;
  return kv_invalidate(p, key);
}

int kv_bind_window(struct posting* p, const struct kv_fat_send_wr* wr) {
  const struct ib_mw_bind_info* info = &wr->wr.bind_mw.bind_info;
  struct kv_mr* mr = info->mr ? to_mr(info->mr) : NULL;
  struct kv_mapping mapping = {.region = mr ? mr->native : NULL, .iova = info->addr, .length = info->length};
  struct kv_mw* mw = container_of(wr->wr.bind_mw.mw, struct kv_mw, ib);
  if (!mapping.region) return -EINVAL;
  int error = bind_one(p, mw->native, wr->wr.bind_mw.rkey, &mapping, info->mw_access_flags, 0, NULL);
  if (!error) mw->ib.rkey = wr->wr.bind_mw.rkey;
  return error;
}
