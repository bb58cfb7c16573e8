// SPDX-License-Identifier: BSD-2-Clause
// Endpoints: an identifier from what rdma_getaddrinfo found, on to where it can listen or connect. Always synchronous.
#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

constexpr int kAddressTimeout = 2000;

Result<void> prepare_passive(Id& id, const rdma_addrinfo& info, ibv_pd* pd, const ibv_qp_init_attr* attr) {
  if (auto bound = bind_id(id, info.ai_src_addr); !bound) return bound;
  if (attr) {
    id.qp_init = std::make_unique<ibv_qp_init_attr>(*attr);
    id.qp_init->qp_type = static_cast<ibv_qp_type>(info.ai_qp_type);
  }
  id.wanted_pd = pd;
  return {};
}

Result<void> prepare_active(Id& id, const rdma_addrinfo& info, ibv_pd* pd, ibv_qp_init_attr* attr) {
  if (auto begun = resolve_address(id, info.ai_src_addr, info.ai_dst_addr, kAddressTimeout); !begun) return begun;
  if (auto resolved = complete(id); !resolved) return resolved;
  if (auto begun = resolve_route(id, kAddressTimeout); !begun) return begun;
  if (auto resolved = complete(id); !resolved) return resolved;
  if (attr) {
    attr->qp_type = static_cast<ibv_qp_type>(info.ai_qp_type);
    if (auto made = create_qp(id, pd, *attr); !made) return made;
  }
  if (info.ai_connect_len) {
    const auto* bytes = static_cast<const unsigned char*>(info.ai_connect);
    id.connect_data.assign(bytes, bytes + info.ai_connect_len);
  }
  return {};
}

Result<Id*> create_ep(const rdma_addrinfo& info, ibv_pd* pd, ibv_qp_init_attr* attr) {
  auto made = create_id(nullptr, nullptr, static_cast<rdma_port_space>(info.ai_port_space),
                        static_cast<ibv_qp_type>(info.ai_qp_type));
  if (!made) return made;
  Id& id = **made;
  bool passive = info.ai_flags & RAI_PASSIVE;
  auto prepared = passive ? prepare_passive(id, info, pd, attr) : prepare_active(id, info, pd, attr);
  if (prepared) return made;
  static_cast<void>(destroy_id(id));
  return Error{prepared.error()};
}

void destroy_ep(Id& id) {
  if (id.abi.qp) destroy_any_qp(id);
  if (id.abi.srq) destroy_srq(id);
  static_cast<void>(destroy_id(id));
}

/// The event moves to the new identifier, so that either end may be destroyed first.
void keep_request(Id& listener, Id& id, rdma_cm_event* event) {
  HeldEvent& held = HeldEvent::from(event);
  {
    std::lock_guard guard(id.events_lock);
    ++id.events_reported;
  }
  held.counted = &id;
  id.abi.event = event;
  std::lock_guard guard(listener.events_lock);
  ++listener.events_completed;
  pthread_cond_broadcast(&listener.events_changed);
}

Result<Id*> get_request(Id& listener) {
  if (!listener.sync) return Error{EINVAL};
  if (rdma_cm_event* old = std::exchange(listener.abi.event, nullptr)) release_event(HeldEvent::from(old));
  auto event = next_event(EventChannel::from(listener.abi.channel));
  if (!event) return Error{event.error()};
  int status = (*event)->status;
  if (status || (*event)->event != RDMA_CM_EVENT_CONNECT_REQUEST) {
    listener.abi.event = *event;
    return Error{status < 0 ? -status : EINVAL};
  }
  Id& id = Id::from((*event)->id);
  keep_request(listener, id, *event);
  if (!listener.qp_init) return &id;
  ibv_qp_init_attr attr = *listener.qp_init;
  auto made = create_qp(id, listener.wanted_pd, attr);
  if (made) return &id;
  static_cast<void>(destroy_id(id));
  return Error{made.error()};
}

}  // namespace

}  // namespace vb::door

VB_DOOR int rdma_create_ep(rdma_cm_id** id, rdma_addrinfo* info, ibv_pd* pd, ibv_qp_init_attr* attr) {
  if (make_native()) return native_rdma_create_ep(id, info, pd, attr);
  auto made = guarded([&] { return create_ep(*info, pd, attr); });
  if (made) *id = &(*made)->abi;
  return as_minus_one(made);
}

VB_DOOR void rdma_destroy_ep(rdma_cm_id* id) {
  if (!ours(id)) return native_rdma_destroy_ep(id);
  destroy_ep(Id::from(id));
}

/// A cancellation point: no guard.
VB_DOOR int rdma_get_request(rdma_cm_id* listener, rdma_cm_id** id) {
  if (!ours(listener)) return native_rdma_get_request(listener, id);
  auto made = get_request(Id::from(listener));
  if (made) *id = &(*made)->abi;
  return as_minus_one(made);
}
