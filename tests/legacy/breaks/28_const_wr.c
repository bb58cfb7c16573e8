/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 28
 * break: posting promises not to write
 * version: 4.19
 * before: `struct ib_send_wr **bad_wr`
 * after: `const struct ib_send_wr **bad_wr`, which may be NULL
 * here: the last argument is cast
 */
#include "row.h"

static int test(struct ib_device* device) {
  struct row_pair pair;
  struct ib_sge sges[33];
#if AFTER(4, 19)
  const struct ib_recv_wr* bad = NULL;
  const struct ib_recv_wr wr = {.wr_id = 1, .sg_list = sges, .num_sge = 33};
#else
  struct ib_recv_wr* bad = NULL;
  struct ib_recv_wr wr = {.wr_id = 1, .sg_list = sges, .num_sge = 33};
#endif
  memset(sges, 0, sizeof sges);
  GOOD(row_open(device, &pair));
  CHECK(ib_post_recv(pair.qp[0], &wr, &bad) < 0 && bad == &wr);
  GOOD(row_close(&pair));
  return 0;
}

ROW(test);
