/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 7
 * break: the attributes of a CQ are a structure
 * version: 4.2
 * before: `ib_create_cq(..., int cqe, int vector)`
 * after: `ib_create_cq(..., const struct ib_cq_init_attr *)`
 * here: chosen by the number and the type of the arguments
 */
#include "row.h"

static int test(struct ib_device* device) {
#if AFTER(4, 2)
  struct ib_cq_init_attr attr = {.cqe = 100, .comp_vector = 1 % device->num_comp_vectors};
  const struct ib_cq_init_attr* fixed = &attr;
  struct ib_cq* cq = ib_create_cq(device, NULL, NULL, NULL, &attr);
  CHECK(!IS_ERR(cq) && cq->comp_vector == attr.comp_vector);
  GOOD(ib_destroy_cq(cq));
  cq = ib_create_cq(device, NULL, NULL, NULL, fixed);
#else
  struct ib_cq* cq = ib_create_cq(device, NULL, NULL, NULL, 100, 0);
#ifdef WRONG
  struct ib_cq_init_attr attr;
#endif
#endif
  CHECK(!IS_ERR(cq) && cq->cqe >= 100);
  GOOD(ib_destroy_cq(cq));
  return 0;
}

ROW(test);
