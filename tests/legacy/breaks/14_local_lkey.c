/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 14
 * break: the local key moves from the device to the protection domain
 * version: 4.3
 * before: `dev->local_dma_lkey` with `IB_DEVICE_LOCAL_DMA_LKEY`
 * after: `pd->local_dma_lkey`, always valid
 * here: one reserved key in both places
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  u64* from = kzalloc(64, GFP_KERNEL);
  u64* to = kzalloc(64, GFP_KERNEL);
  struct ib_mr* mr;
  u32 lkey;
  GOOD(row_open(device, &pair));
#if AFTER(4, 3)
  lkey = pair.pd->local_dma_lkey;
#else
  CHECK(device->attrs.device_cap_flags & IB_DEVICE_LOCAL_DMA_LKEY);
  lkey = device->local_dma_lkey;
#endif
  mr = ib_get_dma_mr(pair.pd, IB_ACCESS_REMOTE_READ);
  *from = 1234;
  CHECK(row_rdma(&pair, IB_WR_RDMA_READ, to, lkey, (unsigned long)from, mr->rkey) == IB_WC_SUCCESS);
  CHECK(*to == 1234);
  GOOD(ib_dereg_mr(mr));
  GOOD(row_close(&pair));
  kfree(from);
  kfree(to);
  return 0;
}

ROW(test);
