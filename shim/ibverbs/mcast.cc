// SPDX-License-Identifier: BSD-2-Clause
// Multicast groups. An Ethernet link has no LIDs: the one that is given does not matter.
#include "verbs/mcast.h"
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR int ibv_attach_mcast(ibv_qp* qp, const ibv_gid* gid, uint16_t lid) {
  if (!ours(qp)) return native_ibv_attach_mcast(qp, gid, lid);
  return errno_entry([&] { return attach_mcast(Qp::from(qp), *gid); });
}

VB_DOOR int ibv_detach_mcast(ibv_qp* qp, const ibv_gid* gid, uint16_t lid) {
  if (!ours(qp)) return native_ibv_detach_mcast(qp, gid, lid);
  return errno_entry([&] { return detach_mcast(Qp::from(qp), *gid); });
}
