/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 24
 * break: helpers for keys
 * version: 3.9
 * before: open-coded
 * after: `ib_inc_rkey(key)`, `ib_update_fast_reg_key(mr, byte)`
 * here: by level; they change the low byte of both keys
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct ib_pd* pd = ib_alloc_pd(device);
  struct ib_mr* mr = ib_alloc_fast_reg_mr(pd, 4);
  u32 old = mr->rkey;
#if AFTER(3, 9)
  CHECK(ib_inc_rkey(0x123456ff) == 0x12345600);
  ib_update_fast_reg_key(mr, ib_inc_rkey(old));
#else
  ib_update_fast_reg_key(mr, (old + 1) & 0xff);
#ifdef WRONG
  ib_inc_rkey(1);
#endif
#endif
  CHECK(mr->rkey == ((old & 0xffffff00) | ((old + 1) & 0xff)) && mr->lkey == mr->rkey);
  GOOD(ib_dereg_mr(mr));
  GOOD(ib_dealloc_pd(pd));
  return 0;
}

ROW(test);
