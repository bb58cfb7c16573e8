/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 32
 * break: a GID has attributes
 * version: 4.4
 * before: `ib_query_gid(dev, port, i, &gid)`
 * after: `ib_query_gid(dev, port, i, &gid, &attr)`; since 4.19 `rdma_query_gid`
 * here: either number of arguments, until 4.19
 */
#include "row.h"

static int test(struct ib_device* device) {
  union ib_gid gid, same;
#if AFTER(4, 4)
  struct ib_gid_attr attr;
  GOOD(ib_query_gid(device, 1, 1, &gid, &attr));
  CHECK(attr.ndev == NULL);
#else
  GOOD(ib_query_gid(device, 1, 1, &gid));
#endif
  GOOD(ib_query_gid(device, 1, 1, &same, NULL));
  CHECK(memcmp(&gid, &same, sizeof gid) == 0);
  CHECK(ib_query_gid(device, 1, 9999, &gid) < 0);
  return 0;
}

ROW(test);
