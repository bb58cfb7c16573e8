/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 36
 * break: destroying cannot fail
 * version: 5.2
 * before: `int ib_destroy_cq(cq)`
 * after: `static inline void ib_destroy_cq(cq)`
 * here: always an int; the text that consumers search for is there
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_cq* cq = ib_create_cq(device, NULL, NULL, NULL, 10, 0);
  struct ib_pd* pd = ib_alloc_pd(device);
  CHECK(!IS_ERR(cq) && !IS_ERR(pd));
#if AFTER(5, 2)
  ib_destroy_cq(cq);
  ib_dealloc_pd(pd);
#else
  GOOD(ib_destroy_cq(cq));
  GOOD(ib_dealloc_pd(pd));
#endif
  return 0;
}

ROW(test);
