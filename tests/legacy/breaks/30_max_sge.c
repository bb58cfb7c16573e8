/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 30
 * break: limits of SGEs by direction
 * version: 4.19
 * before: `attr.max_sge`
 * after: `attr.max_send_sge`, `attr.max_recv_sge`
 * here: one word under two names
 */
#include "row.h"

static int test(struct ib_device* device) {
#if AFTER(4, 19)
  CHECK(device->attrs.max_send_sge > 1 && device->attrs.max_recv_sge > 1);
#else
  CHECK(device->attrs.max_sge > 1);
#endif
  return 0;
}

ROW(test);
