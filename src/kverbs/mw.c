/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory windows. */
#include "kverbs.h"

struct ib_mw* kv_alloc_mw2(struct ib_pd* pd, int type) {
  struct kv_mw* mw = calloc(1, sizeof *mw);
  if (!mw) return ERR_PTR(-ENOMEM);
  mw->native = ibv_alloc_mw(to_pd(pd)->native, (enum ibv_mw_type)type);
  if (!mw->native) {
    int error = kv_failed();
    free(mw);
    return ERR_PTR(error);
  }
  mw->ib = (struct ib_mw){pd->device, pd, mw->native->rkey, type};
  atomic_inc(&pd->usecnt);
  return &mw->ib;
}

int ib_dealloc_mw(struct ib_mw* ib) {
  int error = ibv_dealloc_mw(container_of(ib, struct kv_mw, ib)->native);
  if (error) return -error;
  atomic_dec(&ib->pd->usecnt);
  free(container_of(ib, struct kv_mw, ib));
  return 0;
}
