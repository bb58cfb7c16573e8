/* SPDX-License-Identifier: BSD-2-Clause */
/* A path record, as far as the RDMA CM shows it. */
#ifndef KVERBS_RDMA_IB_SA_H
#define KVERBS_RDMA_IB_SA_H
#include <rdma/ib_verbs.h>

struct sa_path_rec {
  union ib_gid dgid, sgid;
  __be16 pkey;
  u8 sl, mtu_selector, mtu, rate_selector, rate, packet_life_time, hop_limit, traffic_class;
  __be32 flow_label;
};
#if KV_UNTIL(4, 12, 0)
#define ib_sa_path_rec sa_path_rec
#endif

#endif
