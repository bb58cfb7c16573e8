// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/mcast.h"

#include "transport/datagram_queue_pair.h"
#include "transport/engine.h"
#include "verbs/route.h"

namespace vb {

Result<GroupName> group_of(const Device& device, const Gid& gid) {
  auto first = source_gid(device, 0);
  auto address = first ? gid_to_address(*first, 0) : std::nullopt;
  if (!address) return Error{EADDRNOTAVAIL};
  return GroupName{device.netdev, *address, gid};
}

namespace {

Result<GroupName> group_for(Qp& qp, const union ibv_gid& gid) {
  if (qp.init.qp_type != IBV_QPT_UD || !is_group(to_gid(gid))) return Error{EINVAL};
  return group_of(*Context::from(qp.abi.qp_base.context).device, to_gid(gid));
}

DatagramQueuePair& transport_of(Qp& qp) { return static_cast<DatagramQueuePair&>(qp.transport); }

}  // namespace

Result<void> attach_mcast(Qp& qp, const union ibv_gid& gid) {
  auto group = group_for(qp, gid);
  if (!group) return Error{group.error()};
  auto guard = engine().lane.hold();
  return engine().router.multicast().attach(transport_of(qp), *group);
}

Result<void> detach_mcast(Qp& qp, const union ibv_gid& gid) {
  auto group = group_for(qp, gid);
  if (!group) return Error{group.error()};
  auto guard = engine().lane.hold();
  return engine().router.multicast().detach(transport_of(qp), *group);
}

}  // namespace vb
