/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 2
 * break: `ib_sg_dma_address` and `ib_sg_dma_len` go
 * version: 5.1
 * before: `ib_sg_dma_address(dev, sg)`
 * after: `sg_dma_address(sg)`
 * here: by level
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct scatterlist sg;
  char* p = kmalloc(100, GFP_KERNEL);
  sg_init_one(&sg, p, 100);
  CHECK(ib_dma_map_sg(device, &sg, 1, DMA_TO_DEVICE) == 1);
#if AFTER(5, 1)
  CHECK(sg_dma_address(&sg) == (unsigned long)p && sg_dma_len(&sg) == 100);
#ifdef WRONG
  ib_sg_dma_address(device, &sg);
#endif
#else
  CHECK(ib_sg_dma_address(device, &sg) == (unsigned long)p && ib_sg_dma_len(device, &sg) == 100);
#endif
  kfree(p);
  return 0;
}

ROW(test);
