// SPDX-License-Identifier: BSD-2-Clause
// Multicast groups. RoCE has no subnet manager to ask: a group's GID follows from its IP address, and joining one is
// attaching the QP.
#include <algorithm>
#include <cstring>

#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

constexpr uint16_t kMulticastLid = 0xc000;

ibv_gid mgid_of(const SocketAddress& address) {
  ibv_gid gid{};
  if (address.storage.ss_family == AF_INET6) {
    memcpy(gid.raw, &reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr, sizeof gid.raw);
  } else {
    gid.raw[10] = gid.raw[11] = 0xff;
    memcpy(gid.raw + 12, &reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr, 4);
  }
  return gid;
}

Result<void> join(Id& id, sockaddr* group, uint32_t flags, void* context) {
  if (id.is_native()) {
    rdma_cm_join_mc_attr_ex attr{RDMA_CM_JOIN_MC_ATTR_ADDRESS | RDMA_CM_JOIN_MC_ATTR_JOIN_FLAGS, flags, group};
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_join_multicast_ex(native, &attr, context); });
  }
  if (auto present = id.present(); !present) return present;
  if (!id.datagram() || !id.abi.verbs || flags >= RDMA_MC_JOIN_FLAG_RESERVED) return Error{EINVAL};
  if (id.stage != Stage::kBound && id.stage != Stage::kAddressResolved) return Error{EINVAL};
  auto address = cm::copy_address(group);
  if (!address) return Error{address.error()};
  auto membership = std::make_shared<Membership>();
  membership->address = *address;
  membership->mgid = mgid_of(*address);
  membership->context = context;
  bool receives = flags == RDMA_MC_JOIN_FLAG_FULLMEMBER && id.abi.qp;
  if (receives) {
    if (int error = ibv_attach_mcast(id.abi.qp, &membership->mgid, kMulticastLid)) return Error{error};
    membership->attached = true;
  }
  id.memberships.push_back(membership);
  cm::Event event;
  event.kind = cm::Kind::kMulticastJoin;
  event.subject = membership;
  id.protocol->post(event);
  return {};
}

void detach(Id& id, Membership& membership) {
  if (membership.attached && id.abi.qp) ibv_detach_mcast(id.abi.qp, &membership.mgid, kMulticastLid);
}

Result<void> leave(Id& id, sockaddr* group) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_leave_multicast(native, group); });
  }
  if (auto present = id.present(); !present) return present;
  auto address = cm::copy_address(group);
  if (!address) return Error{address.error()};
  auto found = std::find_if(id.memberships.begin(), id.memberships.end(),
                            [&](const auto& each) { return cm::same_host(each->address, *address); });
  if (found == id.memberships.end()) return Error{EADDRNOTAVAIL};
  detach(id, **found);
  id.memberships.erase(found);
  return {};
}

}  // namespace

ibv_ah_attr multicast_vector(const Id& id, const Membership& membership) {
  ibv_ah_attr attr = address_vector(id);
  attr.grh.dgid = membership.mgid;
  attr.dlid = kMulticastLid;
  return attr;
}

void leave_all(Id& id) {
  // The program may have destroyed the QP by itself: it left its groups with it.
  id.memberships.clear();
}

}  // namespace vb::door

VB_DOOR int rdma_join_multicast(rdma_cm_id* id, sockaddr* group, void* context) {
  if (!ours(id)) return native_rdma_join_multicast(id, group, context);
  auto done = guarded([&] { return join(Id::from(id), group, RDMA_MC_JOIN_FLAG_FULLMEMBER, context); });
  return as_minus_one(done ? complete(Id::from(id)) : done);
}

VB_DOOR int rdma_join_multicast_ex(rdma_cm_id* id, rdma_cm_join_mc_attr_ex* attr, void* context) {
  if (!ours(id)) return native_rdma_join_multicast_ex(id, attr, context);
  constexpr uint32_t kNeeded = RDMA_CM_JOIN_MC_ATTR_ADDRESS | RDMA_CM_JOIN_MC_ATTR_JOIN_FLAGS;
  if (attr->comp_mask != kNeeded) return as_minus_one(Result<void>(Error{EINVAL}));
  auto done = guarded([&] { return join(Id::from(id), attr->addr, attr->join_flags, context); });
  return as_minus_one(done ? complete(Id::from(id)) : done);
}

VB_DOOR int rdma_leave_multicast(rdma_cm_id* id, sockaddr* group) {
  if (!ours(id)) return native_rdma_leave_multicast(id, group);
  return minus_one_entry([&] { return leave(Id::from(id), group); });
}
