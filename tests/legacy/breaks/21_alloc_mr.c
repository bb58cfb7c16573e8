/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 21
 * break: one call makes every kind of region
 * version: 4.3
 * before: `ib_alloc_fast_reg_mr(pd, n)`
 * after: `ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, n)`
 * here: one object behind both
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_pd* pd = ib_alloc_pd(device);
#if AFTER(4, 3)
  struct ib_mr* mr = ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, 16);
#else
  struct ib_mr* mr = ib_alloc_fast_reg_mr(pd, 16);
#ifdef WRONG
  ib_alloc_mr(pd, 0, 16);
#endif
#endif
  CHECK(!IS_ERR(mr) && mr->lkey == mr->rkey);
  GOOD(ib_dereg_mr(mr));
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
