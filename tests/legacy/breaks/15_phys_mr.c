/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 15
 * break: physical regions go
 * version: 4.4
 * before: `ib_reg_phys_mr(pd, buffers, n, access, &iova)`
 * after: fast registration
 * here: by level; pages that do not follow each other are mapped a second time
 */
#include "row.h"

static int test(struct ib_device* device) {
#if AFTER(4, 4)
#ifdef WRONG
  struct ib_phys_buf buffer;
#endif
  return 0;
#else
  struct row_pair pair;
  struct page* pages[3] = {alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL)};
  struct ib_phys_buf buffers[2] = {{page_to_phys(pages[2]), PAGE_SIZE}, {page_to_phys(pages[0]), PAGE_SIZE}};
  u64 iova = 0x7000;
  struct ib_mr* mr;
  GOOD(row_open(device, &pair));
  mr = ib_reg_phys_mr(pair.pd, buffers, 2, IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE, &iova);
  CHECK(!IS_ERR(mr));
  GOOD(row_reach(&pair, page_address(pages[2]), iova, mr->rkey));
  GOOD(row_reach(&pair, page_address(pages[0]) + 16, iova + PAGE_SIZE + 16, mr->rkey));
  iova = 0x1001;
  CHECK(PTR_ERR(ib_reg_phys_mr(pair.pd, buffers, 2, 0, &iova)) == -EINVAL);
  GOOD(ib_dereg_mr(mr));
  GOOD(row_close(&pair));
  __free_page(pages[0]);
  __free_page(pages[1]);
  __free_page(pages[2]);
  return 0;
#endif
}

ROW(test);
