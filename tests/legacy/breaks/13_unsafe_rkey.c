/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 13
 * break: `IB_PD_UNSAFE_GLOBAL_RKEY`
 * version: 4.9
 * before: `ib_get_dma_mr(...)->rkey`
 * after: `pd->unsafe_global_rkey`
 * here: both at every level
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  u64* memory = kzalloc(64, GFP_KERNEL);
  GOOD(row_open(device, &pair));
#if AFTER(4, 9)
  /* A queue pair reaches keys of its own protection domain only. */
  struct ib_pd* pd = ib_alloc_pd(device, IB_PD_UNSAFE_GLOBAL_RKEY);
  CHECK(!IS_ERR(pd) && pd->unsafe_global_rkey);
  CHECK(row_rdma(&pair, IB_WR_RDMA_WRITE, memory, pair.pd->local_dma_lkey, (unsigned long)memory,
                 pd->unsafe_global_rkey) == IB_WC_REM_ACCESS_ERR);
  GOOD(ib_dealloc_pd(pd));
#else
  struct ib_mr* mr = ib_get_dma_mr(pair.pd, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE);
  CHECK(!IS_ERR(mr) && mr->rkey);
  GOOD(row_reach(&pair, memory, (unsigned long)memory, mr->rkey));
  GOOD(ib_dereg_mr(mr));
#endif
  kfree(memory);
  GOOD(row_close(&pair));
  return 0;
}

ROW(test);
