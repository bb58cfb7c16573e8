/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 8
 * break: `ib_create_cq` is a macro
 * version: 4.18
 * before: a function
 * after: a macro, which consumers look for
 * here: a macro at every level, which takes every form
 */
#include "row.h"

#ifndef ib_create_cq
#error "consumers of the newer form look for the macro"
#endif
static int test(struct ib_device* device) {
#if AFTER(4, 18)
  struct ib_cq_init_attr attr = {.cqe = 10};
  struct ib_cq* cq = ib_create_cq(device, NULL, NULL, NULL, &attr);
#else
  struct ib_cq* cq = ib_create_cq(device, NULL, NULL, NULL, 10, 0);
#endif
  CHECK(!IS_ERR(cq));
  GOOD(ib_destroy_cq(cq));
  return 0;
}

ROW(test);
