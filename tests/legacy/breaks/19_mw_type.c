/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 19
 * break: windows have types
 * version: 3.9
 * before: `ib_alloc_mw(pd)`, `bind.mr`
 * after: `ib_alloc_mw(pd, type)`, `bind.bind_info.mr`
 * here: the structure by level, either number of arguments
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  u64* memory = kzalloc(64, GFP_KERNEL);
  struct ib_phys_buf buffer = {virt_to_phys(memory), 64};
  u64 iova = buffer.addr;
  struct ib_mw_bind bind = {.wr_id = 3, .send_flags = IB_SEND_SIGNALED};
  struct ib_mr* mr;
  struct ib_mw* mw;
  struct ib_wc wc;
  GOOD(row_open(device, &pair));
  mr = ib_reg_phys_mr(pair.pd, &buffer, 1, IB_ACCESS_LOCAL_WRITE | IB_ACCESS_MW_BIND, &iova);
  CHECK(!IS_ERR(mr));
#if AFTER(3, 9)
  mw = ib_alloc_mw(pair.pd, IB_MW_TYPE_1);
  bind.bind_info.mr = mr;
  bind.bind_info.addr = iova;
  bind.bind_info.length = 64;
  bind.bind_info.mw_access_flags = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE;
#ifdef WRONG
  bind.mr = mr;
#endif
#else
  mw = ib_alloc_mw(pair.pd);
  bind.mr = mr;
  bind.addr = iova;
  bind.length = 64;
  bind.mw_access_flags = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE;
#ifdef WRONG
  bind.bind_info.mr = mr;
#endif
#endif
  CHECK(!IS_ERR(mw));
  GOOD(ib_bind_mw(pair.qp[1], mw, &bind));
  GOOD(row_wait(pair.cq, &wc));
  CHECK(wc.status == IB_WC_SUCCESS && wc.wr_id == 3 && wc.opcode == IB_WC_BIND_MW);
  GOOD(row_reach(&pair, memory, iova, mw->rkey));
  GOOD(ib_dealloc_mw(mw));
  GOOD(ib_dereg_mr(mr));
  GOOD(row_close(&pair));
  kfree(memory);
  return 0;
}

ROW(test);
