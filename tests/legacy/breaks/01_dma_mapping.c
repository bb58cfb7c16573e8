/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 1
 * break: DMA mapping goes through the device
 * version: 2.6.20
 * before: `dma_map_single(dev->dma_device, ...)`
 * after: `ib_dma_map_single(dev, ...)`
 * here: the address is the mapping, by either name; `dma_device` is NULL
 */
#include "row.h"

static int test(struct ib_device* device) {
  char* p = kmalloc(64, GFP_KERNEL);
#if AFTER(2, 6) && LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 20)
  u64 a = ib_dma_map_single(device, p, 64, DMA_TO_DEVICE);
  CHECK(!ib_dma_mapping_error(device, a));
  ib_dma_unmap_single(device, a, 64, DMA_TO_DEVICE);
#else
  u64 a = dma_map_single(device->dma_device, p, 64, DMA_TO_DEVICE);
  CHECK(!dma_mapping_error(a));
  dma_unmap_single(device->dma_device, a, 64, DMA_TO_DEVICE);
#ifdef WRONG
  ib_dma_map_single(device, p, 64, DMA_TO_DEVICE);
#endif
#endif
  CHECK(a == (unsigned long)p);
  kfree(p);
  return 0;
}

ROW(test);
