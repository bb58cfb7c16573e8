/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 33
 * break: port numbers are wider
 * version: 5.13
 * before: `u8 port`
 * after: `u32 port`
 * here: wide at every level
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_port_attr attr;
#if AFTER(5, 13)
  u32 port = 1;
#else
  u8 port = 1;
#endif
  GOOD(ib_query_port(device, port, &attr));
  CHECK(attr.state == IB_PORT_ACTIVE && attr.gid_tbl_len > 0);
  CHECK(ib_query_port(device, 200, &attr) < 0);
  return 0;
}

ROW(test);
