/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 25
 * break: where a device says that regions may have gaps
 * version: 5.19
 * before: `IB_DEVICE_SG_GAPS_REG` in `device_cap_flags`
 * after: `IBK_SG_GAPS_REG` in `kernel_cap_flags`
 * here: both names; not offered
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_pd* pd = ib_alloc_pd(device);
#if AFTER(5, 19)
  CHECK(!(device->attrs.kernel_cap_flags & IBK_SG_GAPS_REG));
#ifdef WRONG
  CHECK(IB_DEVICE_SG_GAPS_REG);
#endif
#else
  CHECK(!(device->attrs.device_cap_flags & IB_DEVICE_SG_GAPS_REG));
#ifdef WRONG
  CHECK(device->attrs.kernel_cap_flags);
#endif
#endif
  CHECK(PTR_ERR(ib_alloc_mr(pd, IB_MR_TYPE_SG_GAPS, 4)) == -EOPNOTSUPP);
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
