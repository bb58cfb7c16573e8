// SPDX-License-Identifier: BSD-2-Clause
// Multicast groups.
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR int ibv_attach_mcast(ibv_qp* qp, const ibv_gid* gid, uint16_t lid) {
  return ours(qp) ? unsupported<"ibv_attach_mcast">() : native_ibv_attach_mcast(qp, gid, lid);
}

VB_DOOR int ibv_detach_mcast(ibv_qp* qp, const ibv_gid* gid, uint16_t lid) {
  return ours(qp) ? unsupported<"ibv_detach_mcast">() : native_ibv_detach_mcast(qp, gid, lid);
}
