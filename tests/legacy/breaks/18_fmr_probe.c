/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 18
 * break: where a device says that it has FMRs
 * version: 5.0
 * before: `dev->alloc_fmr`
 * after: `dev->ops.alloc_fmr`
 * here: by level; set, because FMRs work
 */
#include "row.h"

static int test(struct ib_device* device) {
#if AFTER(5, 0)
  CHECK(device->ops.alloc_fmr && device->ops.map_phys_fmr && device->ops.unmap_fmr && device->ops.dealloc_fmr);
#ifdef WRONG
  CHECK(device->alloc_fmr);
#endif
#else
  CHECK(device->alloc_fmr && device->map_phys_fmr && device->unmap_fmr && device->dealloc_fmr);
#ifdef WRONG
  CHECK(device->ops.alloc_fmr);
#endif
#endif
  return 0;
}

ROW(test);
