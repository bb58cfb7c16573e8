/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KVERBS_RDMA_IB_ADDR_H
#define KVERBS_RDMA_IB_ADDR_H
#include <rdma/ib_verbs.h>

struct rdma_dev_addr {
  int bound_dev_if;
  enum rdma_transport_type transport;
};

#endif
