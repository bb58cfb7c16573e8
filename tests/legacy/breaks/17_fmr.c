/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 17
 * break: FMRs and their pools go
 * version: 5.8
 * before: `ib_alloc_fmr`, `ib_map_phys_fmr`, `ib_create_fmr_pool`
 * after: fast registration
 * here: by level; each mapping is a registration
 */
#include <rdma/ib_fmr_pool.h>
#include "row.h"
static int test(struct ib_device* device) {
#if AFTER(5, 8)
#ifdef WRONG
  struct ib_fmr_attr attr;
#endif
  return 0;
#else
  struct row_pair pair;
  struct ib_fmr_attr attr = {.max_pages = 2, .max_maps = 8, .page_shift = PAGE_SHIFT};
  struct page* pages[3] = {alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL)};
  u64 list[2] = {page_to_phys(pages[2]), page_to_phys(pages[0])};
  struct ib_fmr_pool_param param = {
      .max_pages_per_fmr = 2, .pool_size = 1, .access = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE};
  struct ib_fmr_pool* pool;
  struct ib_pool_fmr* pooled;
  struct ib_fmr* fmr;
  LIST_HEAD(fmrs);
  u64* local = kzalloc(8, GFP_KERNEL);
  u32 old;
  GOOD(row_open(device, &pair));
  fmr = ib_alloc_fmr(pair.pd, IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE, &attr);
  CHECK(!IS_ERR(fmr));
  GOOD(ib_map_phys_fmr(fmr, list, 2, 0));
  GOOD(row_reach(&pair, page_address(pages[0]), PAGE_SIZE, fmr->rkey));
  CHECK(ib_map_phys_fmr(fmr, list, 3, 0) == -EINVAL);
  old = fmr->rkey;
  list_add(&fmr->list, &fmrs);
  GOOD(ib_unmap_fmr(&fmrs));
  pool = ib_create_fmr_pool(pair.pd, &param);
  CHECK(!IS_ERR(pool));
  pooled = ib_fmr_pool_map_phys(pool, list, 2, 0);
  CHECK(!IS_ERR(pooled));
  CHECK(PTR_ERR(ib_fmr_pool_map_phys(pool, list, 2, 0)) == -EAGAIN); /* without a cache, and one FMR */
  GOOD(row_reach(&pair, page_address(pages[2]), 0, pooled->fmr->rkey));
  GOOD(ib_fmr_pool_unmap(pooled));
  GOOD(ib_destroy_fmr_pool(pool));
  CHECK(row_rdma(&pair, IB_WR_RDMA_READ, local, pair.pd->local_dma_lkey, 0, old) == IB_WC_REM_ACCESS_ERR);
  GOOD(ib_dealloc_fmr(fmr));
  GOOD(row_close(&pair));
  kfree(local);
  __free_page(pages[0]);
  __free_page(pages[1]);
  __free_page(pages[2]);
  return 0;
#endif
}

ROW(test);
