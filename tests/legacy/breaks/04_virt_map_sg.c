/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 4
 * break: inline functions of one vendor release pull in `ib_dma_virt_map_sg`
 * version: 5.10
 * before: -
 * after: an undefined symbol
 * here: the symbol is there, at every level
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct scatterlist sg[2];
  char* p = kmalloc(100, GFP_KERNEL);
  sg_init_table(sg, 2);
  sg_set_buf(&sg[0], p, 60);
  sg_set_buf(&sg[1], p + 60, 40);
  CHECK(ib_dma_virt_map_sg(device, sg, 2) == 2);
  CHECK(sg_dma_address(&sg[1]) == (unsigned long)p + 60);
  kfree(p);
  return 0;
}

ROW(test);
