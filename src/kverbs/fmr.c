/* SPDX-License-Identifier: BSD-2-Clause */
/* FMRs: each mapping is a registration of its own. */
#include "kverbs.h"

struct kv_fmr {
  struct ib_fmr ib;
  struct ib_fmr_attr attr;
  int access;
  struct ibv_mr* native;
  struct range range;
};

static struct kv_fmr* to_fmr(struct ib_fmr* fmr) { return container_of(fmr, struct kv_fmr, ib); }

struct ib_fmr* ib_alloc_fmr(struct ib_pd* pd, int access, struct ib_fmr_attr* attr) {
  if (attr->page_shift < PAGE_SHIFT || attr->page_shift > 30 || attr->max_pages < 1) return ERR_PTR(-EINVAL);
  struct kv_fmr* fmr = calloc(1, sizeof *fmr);
  if (!fmr) return ERR_PTR(-ENOMEM);
  fmr->ib.device = pd->device;
  fmr->ib.pd = pd;
  INIT_LIST_HEAD(&fmr->ib.list);
  fmr->attr = *attr;
  fmr->access = access;
  atomic_inc(&pd->usecnt);
  return &fmr->ib;
}

static int release(struct kv_fmr* fmr) {
  int error = fmr->native ? ibv_dereg_mr(fmr->native) : 0;
  if (error) return -error;
  release_range(&fmr->range);
  fmr->native = NULL;
  fmr->ib.lkey = fmr->ib.rkey = 0;
  return 0;
}

/* An FMR may be mapped anew without having been unmapped; its old keys end then. */
int ib_map_phys_fmr(struct ib_fmr* ib, u64* pages, int n, u64 iova) {
  struct kv_fmr* fmr = to_fmr(ib);
  u64 size = 1ULL << fmr->attr.page_shift;
  if (n < 1 || n > fmr->attr.max_pages || (iova & (size - 1))) return -EINVAL;
  struct piece* pieces = calloc((size_t)n, sizeof *pieces);
  if (!pieces) return -ENOMEM;
  int error = 0;
  for (int i = 0; i < n; i++) {
    pieces[i] = (struct piece){pages[i], size};
    if (pages[i] & (size - 1)) error = -EINVAL;
  }
  struct range range = {NULL, 0, NULL, 0};
  struct ibv_mr* region = NULL;
  if (!error) error = kv_register(to_pd(ib->pd), pieces, n, iova, fmr->access, &range, &region);
  free(pieces);
  if (error) return error;
  error = release(fmr);
  if (error) {
    ibv_dereg_mr(region);
    release_range(&range);
    return error;
  }
  fmr->native = region;
  fmr->range = range;
  ib->lkey = region->lkey;
  ib->rkey = region->rkey;
  return 0;
}

int ib_unmap_fmr(struct list_head* fmrs) {
  struct ib_fmr* fmr;
  int first_error = 0;
  list_for_each_entry(fmr, fmrs, list) {
    int error = release(to_fmr(fmr));
    if (!first_error) first_error = error;
  }
  return first_error;
}

int ib_dealloc_fmr(struct ib_fmr* ib) {
  struct kv_fmr* fmr = to_fmr(ib);
  int error = release(fmr);
  if (error) return error;
  atomic_dec(&ib->pd->usecnt);
  free(fmr);
  return 0;
}
