/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 12
 * break: `ib_alloc_pd` takes flags
 * version: 4.9
 * before: `ib_alloc_pd(dev)`
 * after: `ib_alloc_pd(dev, flags)`, a macro
 * here: either number of arguments, at every level
 */
#include "row.h"

#ifndef ib_alloc_pd
#error "consumers of the newer form look for the macro"
#endif
static int test(struct ib_device* device) {
#if AFTER(4, 9)
  struct ib_pd* pd = ib_alloc_pd(device, IB_PD_UNSAFE_GLOBAL_RKEY);
  CHECK(!IS_ERR(pd) && pd->flags == IB_PD_UNSAFE_GLOBAL_RKEY);
#else
  struct ib_pd* pd = ib_alloc_pd(device);
  CHECK(!IS_ERR(pd) && pd->flags == 0);
#endif
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
