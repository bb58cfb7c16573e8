/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 29
 * break: the attributes stand in the device
 * version: 4.5
 * before: `ib_query_device(dev, &attr)`
 * after: `dev->attrs`
 * here: by level
 */
#include "row.h"

static int test(struct ib_device* device) {
#if AFTER(4, 5)
  struct ib_device_attr* attr = &device->attrs;
#ifdef WRONG
  ib_query_device(device, attr);
#endif
#else
  struct ib_device_attr own, *attr = &own;
  GOOD(ib_query_device(device, attr));
#endif
  CHECK(attr->max_qp > 0 && attr->max_qp_wr > 0 && attr->max_cqe > 0 && attr->max_mr_size > 0);
  CHECK(attr->device_cap_flags & IB_DEVICE_MEM_MGT_EXTENSIONS);
  return 0;
}

ROW(test);
