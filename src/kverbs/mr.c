/* SPDX-License-Identifier: BSD-2-Clause */
/* Ordinary regions: physical ones, and the end of every kind. */
#include "kverbs.h"

int kv_register(struct kv_pd* pd, const struct piece* pieces, int n, u64 iova, int access, struct range* range,
                struct ibv_mr** region) {
  int error = make_range(pieces, n, range);
  if (error) return error;
  /* Drivers of the kernel never insisted on it; libibverbs does. */
  if (access & (IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC)) access |= IB_ACCESS_LOCAL_WRITE;
  *region = ibv_reg_mr_iova(pd->native, range->address, range->length, iova, access);
  if (*region) return 0;
  error = kv_failed();
  release_range(range);
  return error;
}

static struct piece* copy_pieces(const struct ib_phys_buf* buffers, int n) {
  struct piece* pieces = n > 0 ? calloc((size_t)n, sizeof *pieces) : NULL;
  for (int i = 0; pieces && i < n; i++) pieces[i] = (struct piece){buffers[i].addr, buffers[i].size};
  return pieces;
}

static void describe(struct kv_mr* mr, struct ib_pd* pd, u64 iova, int access) {
  mr->ib =
      (struct ib_mr){.device = pd->device, .pd = pd, .lkey = mr->native->lkey, .rkey = mr->native->rkey, .iova = iova};
  mr->ib.length = mr->range.length;
  mr->access = access;
}

struct ib_mr* ib_reg_phys_mr(struct ib_pd* pd, struct ib_phys_buf* buffers, int n, int access, u64* iova) {
  struct kv_mr* mr = calloc(1, sizeof *mr);
  struct piece* pieces = copy_pieces(buffers, n);
  int error = n < 1 ? -EINVAL : mr && pieces ? 0 : -ENOMEM;
  /* The wished address and the memory must agree within a page. */
  if (!error && ((*iova ^ buffers[0].addr) & ~PAGE_MASK)) error = -EINVAL;
  if (!error) error = kv_register(to_pd(pd), pieces, n, *iova, access, &mr->range, &mr->native);
  free(pieces);
  if (error) {
    free(mr);
    return ERR_PTR(error);
  }
  describe(mr, pd, *iova, access);
  atomic_inc(&pd->usecnt);
  return &mr->ib;
}

/* A new registration in place of the old one: the keys are new too, which the interface allows. */
int ib_rereg_phys_mr(struct ib_mr* ib, int mask, struct ib_pd* pd, struct ib_phys_buf* buffers, int n, int access,
                     u64* iova) {
  struct kv_mr* mr = to_mr(ib);
  struct ib_pd* old_pd = ib->pd;
  struct piece same = {(unsigned long)mr->range.address, mr->range.length};
  struct range range;
  struct ibv_mr* region;
  bool moves = (mask & IB_MR_REREG_TRANS) != 0;
  if (!mr->native || (mask & ~7) || !mask || (!moves && mr->range.alias)) return -EINVAL;
  struct ib_pd* new_pd = mask & IB_MR_REREG_PD ? pd : old_pd;
  int granted = mask & IB_MR_REREG_ACCESS ? access : mr->access;
  struct piece* pieces = moves ? copy_pieces(buffers, n) : &same;
  if (!pieces) return -EINVAL;
  u64 at = moves ? *iova : ib->iova;
  int error = kv_register(to_pd(new_pd), pieces, moves ? n : 1, at, granted, &range, &region);
  if (moves) free(pieces);
  if (error) return error;
  ibv_dereg_mr(mr->native);
  release_range(&mr->range);
  mr->native = region;
  mr->range = range;
  describe(mr, new_pd, at, granted);
  atomic_inc(&new_pd->usecnt);
  atomic_dec(&old_pd->usecnt);
  return 0;
}

int ib_query_mr(struct ib_mr* ib, struct ib_mr_attr* attr) {
  struct kv_mr* mr = to_mr(ib);
  *attr = (struct ib_mr_attr){ib->pd, ib->iova, ib->length, mr->access, ib->lkey, ib->rkey};
  return 0;
}

void kv_forget_fast(struct kv_mr* mr);

int ib_dereg_mr(struct ib_mr* ib) {
  struct kv_mr* mr = to_mr(ib);
  int error = 0;
  if (mr->window) {
    error = ibv_dealloc_mw(mr->window); /* first: it is bound to what the mapping holds */
    if (error) return -error;
    kv_forget_fast(mr);
    kv_unmap(mr->mapping);
  }
  if (mr->native) error = ibv_dereg_mr(mr->native);
  if (error) return -error;
  release_range(&mr->range);
  atomic_dec(&ib->pd->usecnt);
  free(mr->pieces);
  free(mr);
  return 0;
}
