/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 23
 * break: `ib_map_mr_sg` begins at an offset
 * version: 4.7
 * before: `ib_map_mr_sg(mr, sg, n, page)`
 * after: `ib_map_mr_sg(mr, sg, n, &offset, page)`
 * here: either number of arguments, since 4.4
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_pd* pd = ib_alloc_pd(device);
  struct ib_mr* mr = ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, 4);
  char* p = kmalloc(2 * PAGE_SIZE, GFP_KERNEL);
  struct scatterlist sg[3];
  sg_init_table(sg, 3);
  sg_set_buf(&sg[0], p, PAGE_SIZE);
  sg_set_buf(&sg[1], p + PAGE_SIZE, 100);
  sg_set_buf(&sg[2], p + PAGE_SIZE + 50, 50); /* neither behind the one before, nor at a page */
  ib_dma_map_sg(device, sg, 3, DMA_TO_DEVICE);
#if AFTER(4, 7)
  unsigned int offset = 8;
  CHECK(ib_map_mr_sg(mr, sg, 3, &offset, PAGE_SIZE) == 2);
  CHECK(mr->iova == (unsigned long)p + 8 && mr->length == PAGE_SIZE + 100 - 8);
#else
  CHECK(ib_map_mr_sg(mr, sg, 3, PAGE_SIZE) == 2);
  CHECK(mr->iova == (unsigned long)p && mr->length == PAGE_SIZE + 100);
#endif
  kfree(p);
  GOOD(ib_dereg_mr(mr));
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
