// SPDX-License-Identifier: BSD-2-Clause
#include "native_id.h"

#include <sys/epoll.h>

#include <cstring>

#include "base/config.h"
#include "base/log.h"
#include "native/library.h"

namespace vb::door {

namespace {

bool have_devices() {
  if (config().native != Native::on) return false;
  if (!native::find_symbol(native::Library::ibverbs, "ibv_get_device_list", "IBVERBS_1.1")) return false;
  int count = 0;
  if (ibv_device** list = native_ibv_get_device_list(&count)) native_ibv_free_device_list(list);
  return count > 0 && native::find_symbol(native::Library::rdmacm, "rdma_create_event_channel", "RDMACM_1.0");
}

/// What the program has set before there was anybody to set it at.
bool repeat_options(const Id& id, rdma_cm_id* native) {
  auto set = [&](int name, auto value) {
    return native_rdma_set_option(native, RDMA_OPTION_ID, name, &value, sizeof value) == 0;
  };
  return (!id.traffic_class_set || set(RDMA_OPTION_ID_TOS, id.traffic_class)) &&
         (!id.socket_options.reuse || set(RDMA_OPTION_ID_REUSEADDR, 1)) &&
         (!id.socket_options.v6_only_given || set(RDMA_OPTION_ID_AFONLY, int{id.socket_options.v6_only})) &&
         (!id.ack_timeout || set(RDMA_OPTION_ID_ACK_TIMEOUT, id.ack_timeout));
}

Result<void> create_native(Id& id) {
  native::InsideFabric native_devices_only;
  rdma_event_channel* channel = EventChannel::from(id.abi.channel).native.get();
  if (!channel || id.never_native) return Error{ENODEV};
  if (native_rdma_create_id(channel, &id.native, &id, id.abi.ps) != 0) return Error{errno};
  id.native->qp_type = id.abi.qp_type;
  id.known = {};
  if (repeat_options(id, id.native)) return {};
  int error = errno;
  drop_native(id);
  return Error{error};
}

void show_place(Id& id, const rdma_cm_id& native) {
  id.abi.verbs = native.verbs;
  id.abi.port_num = native.port_num;
  id.abi.route = native.route;
}

/// body(the program's, the library's, what was the same at both) for each object.
template <class Body>
void each_object(Id& id, rdma_cm_id& native, Body&& body) {
  std::lock_guard guard(id.native_lock);
  rdma_cm_id& shown = id.abi;
  body(shown.qp, native.qp, id.known.qp);
  body(shown.srq, native.srq, id.known.srq);
  body(shown.pd, native.pd, id.known.pd);
  body(shown.send_cq, native.send_cq, id.known.send_cq);
  body(shown.recv_cq, native.recv_cq, id.known.recv_cq);
  body(shown.send_cq_channel, native.send_cq_channel, id.known.send_cq_channel);
  body(shown.recv_cq_channel, native.recv_cq_channel, id.known.recv_cq_channel);
}

}  // namespace

void CloseNativeChannel::operator()(rdma_event_channel* channel) const { native_rdma_destroy_event_channel(channel); }

bool native_devices() {
  static const bool some = have_devices();
  return some;
}

rdma_event_channel* open_native_channel() {
  if (!native_devices()) return nullptr;
  native::InsideFabric native_devices_only;
  return native_rdma_create_event_channel();
}

bool may_be_native(const Id& id, int error) {
  if (id.never_native || !EventChannel::from(id.abi.channel).native) return false;
  return error == ENODEV || error == EADDRNOTAVAIL || error == EHOSTUNREACH || error == ENETUNREACH;
}

Result<void> bind_native(Id& id, sockaddr* address) {
  if (auto made = create_native(id); !made) return made;
  auto bound = on_native(id, [&](rdma_cm_id* native) { return native_rdma_bind_addr(native, address); });
  if (!bound) {
    drop_native(id);
    return bound;
  }
  id.owner = Owner::kNative;
  show_place(id, *id.native);
  return {};
}

Result<void> bind_native_too(Id& id, const SocketAddress& address) {
  if (!create_native(id)) return {};
  SocketAddress copy = address;
  auto bound = on_native(id, [&](rdma_cm_id* native) { return native_rdma_bind_addr(native, copy.get()); });
  if (bound) {
    id.owner = Owner::kBoth;
    return bound;
  }
  drop_native(id);
  // The kernel's second word for it is about one address of all.
  if (bound.error() == EADDRINUSE || bound.error() == EADDRNOTAVAIL) return bound;
  log(LogLevel::warn, "port %u is not bound on real devices: error %d", cm::port_of(address), bound.error());
  return {};
}

/// The event may be taken by another thread before this one is back: by then the identifier is native.
Result<void> resolve_native(Id& id, sockaddr* source, sockaddr* destination, int timeout_ms) {
  const Owner before = id.owner;
  if (!id.native) {
    if (auto made = create_native(id); !made) return made;
  }
  id.owner = Owner::kNative;
  auto begun = on_native(id, [&](rdma_cm_id* native) {
    return native_rdma_resolve_addr(native, before == Owner::kOurs ? source : nullptr, destination, timeout_ms);
  });
  if (begun) {
    if (before == Owner::kBoth) id.protocol->unbind();
    return begun;
  }
  id.owner = before;
  if (before == Owner::kOurs) drop_native(id);
  return begun;
}

Result<void> migrate_native(Id& id, EventChannel& target) {
  rdma_event_channel* channel = target.native.get();
  auto moved = on_native(id, [&](rdma_cm_id* native) { return native_rdma_migrate_id(native, channel); });
  // Events that came along woke nobody: the set is to look by itself.
  epoll_event readable{EPOLLIN, {}};
  if (moved) epoll_ctl(target.both.get(), EPOLL_CTL_MOD, channel->fd, &readable);
  return moved;
}

void drop_native(Id& id) {
  native::InsideFabric native_devices_only;
  id.owner = Owner::kOurs;
  if (rdma_cm_id* native = std::exchange(id.native, nullptr)) native_rdma_destroy_id(native);
}

void lend_objects(Id& id, rdma_cm_id& native) {
  each_object(id, native, [](auto& shown, auto& theirs, auto& known) {
    if (shown != known) theirs = known = shown;
  });
}

void show_objects(Id& id, rdma_cm_id& native) {
  each_object(id, native, [](auto& shown, auto& theirs, auto& known) {
    if (theirs != known) shown = known = theirs;
  });
  // rdma_get_send_comp(3) and its like look for the identifier there.
  for (ibv_cq* cq : {native.send_cq, native.recv_cq}) {
    if (cq && cq->cq_context == &native) cq->cq_context = &id.abi;
  }
}

void destroy_any_qp(Id& id) {
  if (!id.is_native()) return destroy_qp(id);
  static_cast<void>(on_native(id, [](rdma_cm_id* native) { return native_rdma_destroy_qp(native), 0; }));
}

namespace {

/// A request's identifier: one of ours around it, on the listener's channel or one of its own.
Result<Id*> adopt(Id& listener, rdma_cm_id* native) {
  auto id = std::make_unique<Id>();
  if (auto set = set_channel(*id, listener.sync ? nullptr : listener.abi.channel); !set) return Error{set.error()};
  id->abi.context = listener.abi.context;
  id->abi.ps = listener.abi.ps;
  id->abi.qp_type = native->qp_type;
  auto ready = make_protocol(*id);
  rdma_event_channel* own = EventChannel::from(id->abi.channel).native.get();
  if (ready && !own) ready = Error{ENODEV};
  if (ready && listener.sync && native_rdma_migrate_id(native, own) != 0) ready = Error{errno};
  if (!ready) {
    if (id->sync) destroy_channel(EventChannel::from(id->abi.channel));
    return Error{ready.error()};
  }
  id->native = native;
  id->owner = Owner::kNative;
  native->context = id.get();
  show_place(*id, *native);
  show_objects(*id, *native);
  return id.release();
}

/// The library's event is given back at once, so the program's has what it points to. What a multicast event has there
/// has no length: it is the program's own.
void keep_private_data(HeldEvent& held) {
  rdma_conn_param& conn = held.abi.param.conn;
  if (!conn.private_data || conn.private_data_len == 0) return;
  memcpy(held.data.data(), conn.private_data, conn.private_data_len);
  conn.private_data = held.data.data();
}

Result<HeldEvent*> translate(const rdma_cm_event& event) {
  const bool request = event.event == RDMA_CM_EVENT_CONNECT_REQUEST;
  Id& counted = *static_cast<Id*>((request ? event.listen_id : event.id)->context);
  auto held = std::make_unique<HeldEvent>();
  held->abi = event;
  held->counted = &counted;
  keep_private_data(*held);
  if (request) {
    auto id = adopt(counted, event.id);
    if (!id) {
      native_rdma_destroy_id(event.id);  // which refuses
      return Error{id.error()};
    }
    held->abi.id = &(*id)->abi;
    held->abi.listen_id = &counted.abi;
  } else {
    held->abi.id = &counted.abi;
    show_place(counted, *event.id);
    show_objects(counted, *event.id);
  }
  report(counted);
  return held.release();
}

}  // namespace

Result<HeldEvent*> next_native_event(EventChannel& channel) {
  native::InsideFabric native_devices_only;
  rdma_cm_event* event = nullptr;
  if (native_rdma_get_cm_event(channel.native.get(), &event) != 0) return Error{errno};
  auto held = guarded([&] { return translate(*event); });
  native_rdma_ack_cm_event(event);
  return held;
}

}  // namespace vb::door
