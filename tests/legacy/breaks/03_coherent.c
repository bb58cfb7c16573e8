/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 3
 * break: `ib_dma_alloc_coherent` goes
 * version: 5.12
 * before: `ib_dma_alloc_coherent(dev, size, &handle, gfp)`
 * after: `dma_alloc_coherent` or `kzalloc` and a mapping
 * here: by level
 */
#include "row.h"

static int test(struct ib_device* device) {
  dma_addr_t handle;
#if AFTER(5, 12)
  void* p = dma_alloc_coherent(device->dma_device, 8192, &handle, GFP_KERNEL);
  CHECK(p && handle == (unsigned long)p);
  dma_free_coherent(device->dma_device, 8192, p, handle);
#ifdef WRONG
  ib_dma_alloc_coherent(device, 8192, &handle, GFP_KERNEL);
#endif
#else
  void* p = ib_dma_alloc_coherent(device, 8192, &handle, GFP_KERNEL);
  CHECK(p && handle == (unsigned long)p);
  ib_dma_free_coherent(device, 8192, p, handle);
#endif
  return 0;
}

ROW(test);
