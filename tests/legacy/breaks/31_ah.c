/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 31
 * break: address handles are named after RDMA
 * version: 4.12
 * before: `ib_create_ah(pd, &ib_ah_attr)`
 * after: `rdma_create_ah(pd, &rdma_ah_attr[, flags])`
 * here: by level; flags are optional
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_pd* pd = ib_alloc_pd(device);
  union ib_gid gid;
  int index = row_gid(device, &gid);
  struct ib_ah* ah;
  CHECK(index >= 0);
#if AFTER(4, 12)
  struct rdma_ah_attr attr = {.port_num = 1};
  rdma_ah_set_grh(&attr, &gid, 0, index, 1, 0);
  ah = rdma_create_ah(pd, &attr);
  CHECK(!IS_ERR(ah));
  rdma_destroy_ah(ah);
  ah = rdma_create_ah(pd, &attr, RDMA_CREATE_AH_SLEEPABLE);
  CHECK(!IS_ERR(ah));
  rdma_destroy_ah(ah, RDMA_DESTROY_AH_SLEEPABLE);
#ifdef WRONG
  struct ib_ah_attr old;
#endif
#else
  struct ib_ah_attr attr = {
      .port_num = 1, .ah_flags = IB_AH_GRH, .grh = {.dgid = gid, .sgid_index = index, .hop_limit = 1}};
  ah = ib_create_ah(pd, &attr);
  CHECK(!IS_ERR(ah));
  GOOD(ib_destroy_ah(ah));
#ifdef WRONG
  rdma_create_ah(pd, &attr);
#endif
#endif
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
