/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 6
 * break: a CQ names its completion vector
 * version: 2.6.22
 * before: `ib_create_cq(dev, comp, ev, ctx, cqe)`
 * after: `ib_create_cq(dev, comp, ev, ctx, cqe, vector)`
 * here: either number of arguments, at every level
 */
#include "row.h"

static void on_completion(struct ib_cq* cq, void* context) {}
static int test(struct ib_device* device) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(2, 6, 22)
  struct ib_cq* cq = ib_create_cq(device, on_completion, NULL, device, 100, device->num_comp_vectors - 1);
  CHECK(!IS_ERR(cq) && cq->comp_vector == (unsigned)device->num_comp_vectors - 1);
#else
  struct ib_cq* cq = ib_create_cq(device, on_completion, NULL, device, 100);
  CHECK(!IS_ERR(cq) && cq->comp_vector == 0);
#endif
  CHECK(cq->cqe >= 100 && cq->cq_context == device);
  GOOD(ib_destroy_cq(cq));
  return 0;
}

ROW(test);
