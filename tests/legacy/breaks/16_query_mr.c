/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 16
 * break: `ib_query_mr` goes
 * version: 4.5
 * before: `ib_query_mr(mr, &attr)`
 * after: -
 * here: by level
 */
#include "row.h"

static int test(struct ib_device* device) {
#if AFTER(4, 5)
#ifdef WRONG
  struct ib_mr_attr attr;
#endif
#else
  struct ib_pd* pd = ib_alloc_pd(device);
  struct ib_mr* mr = ib_get_dma_mr(pd, IB_ACCESS_LOCAL_WRITE);
  struct ib_mr_attr attr;
  GOOD(ib_query_mr(mr, &attr));
  CHECK(attr.pd == pd && attr.lkey == mr->lkey && attr.mr_access_flags == IB_ACCESS_LOCAL_WRITE);
  GOOD(ib_dereg_mr(mr));
  GOOD(ib_dealloc_pd(pd));
#endif
  return 0;
}

ROW(test);
