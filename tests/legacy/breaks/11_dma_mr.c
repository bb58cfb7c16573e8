/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 11
 * break: the global DMA region goes
 * version: 4.9
 * before: `ib_get_dma_mr(pd, access)`
 * after: `pd->local_dma_lkey`, fast registration
 * here: both at every level: a key for all memory (`verbatim_reg_global_mr`)
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  u64* memory = kzalloc(64, GFP_KERNEL);
  GOOD(row_open(device, &pair));
#if AFTER(4, 9)
  u64* local = kzalloc(8, GFP_KERNEL);
  struct ib_mr* mr = ib_get_dma_mr(pair.pd, IB_ACCESS_REMOTE_READ);
  CHECK(!IS_ERR(mr));
  *memory = 7;
  CHECK(row_rdma(&pair, IB_WR_RDMA_READ, local, pair.pd->local_dma_lkey, (unsigned long)memory, mr->rkey) ==
        IB_WC_SUCCESS);
  CHECK(*local == 7);
  /* What was not granted is refused. */
  CHECK(row_rdma(&pair, IB_WR_RDMA_WRITE, local, pair.pd->local_dma_lkey, (unsigned long)memory, mr->rkey) ==
        IB_WC_REM_ACCESS_ERR);
  kfree(local);
#else
  struct ib_mr* mr = ib_get_dma_mr(pair.pd, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE);
  CHECK(!IS_ERR(mr));
  GOOD(row_reach(&pair, memory, (unsigned long)memory, mr->rkey));
  CHECK(row_rdma(&pair, IB_WR_RDMA_READ, memory, mr->lkey, (unsigned long)memory, mr->rkey) == IB_WC_SUCCESS);
#endif
  GOOD(ib_dereg_mr(mr));
  kfree(memory);
  GOOD(row_close(&pair));
  return 0;
}

ROW(test);
