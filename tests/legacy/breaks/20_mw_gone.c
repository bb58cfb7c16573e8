/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 20
 * break: windows go from the consumers' interface
 * version: 4.5
 * before: `ib_bind_mw(qp, mw, &bind)`
 * after: -
 * here: by level
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_pd* pd = ib_alloc_pd(device);
#if AFTER(4, 5)
#ifdef WRONG
  struct ib_mw_bind bind;
#endif
#else
  struct ib_mw* mw = ib_alloc_mw(pd, IB_MW_TYPE_2);
  CHECK(!IS_ERR(mw) && mw->type == IB_MW_TYPE_2);
  GOOD(ib_dealloc_mw(mw));
#endif
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
