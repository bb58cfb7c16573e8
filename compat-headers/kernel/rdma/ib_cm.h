/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of the InfiniBand CM that consumers of the RDMA CM use. The InfiniBand CM itself is not offered. */
#ifndef KVERBS_RDMA_IB_CM_H
#define KVERBS_RDMA_IB_CM_H
#include <rdma/ib_verbs.h>

enum ib_cm_rej_reason {
  IB_CM_REJ_NO_QP = 1,
  IB_CM_REJ_NO_EEC = 2,
  IB_CM_REJ_NO_RESOURCES = 3,
  IB_CM_REJ_TIMEOUT = 4,
  IB_CM_REJ_UNSUPPORTED = 5,
  IB_CM_REJ_INVALID_COMM_ID = 6,
  IB_CM_REJ_INVALID_SERVICE_ID = 8,
  IB_CM_REJ_INVALID_TRANSPORT_TYPE = 9,
  IB_CM_REJ_STALE_CONN = 10,
  IB_CM_REJ_INVALID_GID = 12,
  IB_CM_REJ_CONSUMER_DEFINED = 28,
  IB_CM_REJ_PRIVATE_DATA_SIZE = 30
};

#endif
