/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 27
 * break: immediate data is a member of a union
 * version: 2.6.26
 * before: `wr.imm_data`, `wc.imm_data`
 * after: `wr.ex.imm_data`, `wc.ex.imm_data`
 * here: both names, for one word
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  struct ib_recv_wr receive = {.wr_id = 1}, *bad_receive;
  struct ib_send_wr send = {.opcode = IB_WR_SEND_WITH_IMM}, *bad;
  struct ib_wc wc;
  GOOD(row_open(device, &pair));
  GOOD(ib_post_recv(pair.qp[1], &receive, &bad_receive));
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 26)
  send.ex.imm_data = cpu_to_be32(0x12345678);
#else
  send.imm_data = cpu_to_be32(0x12345678);
#endif
  GOOD(ib_post_send(pair.qp[0], &send, &bad));
  GOOD(row_wait(pair.cq, &wc));
  CHECK(wc.opcode == IB_WC_RECV && (wc.wc_flags & IB_WC_WITH_IMM) && wc.qp == pair.qp[1]);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 26)
  CHECK(be32_to_cpu(wc.ex.imm_data) == 0x12345678);
#else
  CHECK(be32_to_cpu(wc.imm_data) == 0x12345678);
#endif
  GOOD(row_close(&pair));
  return 0;
}

ROW(test);
