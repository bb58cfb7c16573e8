// SPDX-License-Identifier: BSD-2-Clause
// Events on their way to the program: what each stands for is done in the thread that takes it.
#include "event.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>

#include "door.h"
#include "native_id.h"

namespace vb::door {

namespace {

rdma_cm_event_type type_of(cm::Kind kind) {
  switch (kind) {
    case cm::Kind::kAddressResolved: return RDMA_CM_EVENT_ADDR_RESOLVED;
    case cm::Kind::kAddressError: return RDMA_CM_EVENT_ADDR_ERROR;
    case cm::Kind::kRouteResolved: return RDMA_CM_EVENT_ROUTE_RESOLVED;
    case cm::Kind::kRouteError: return RDMA_CM_EVENT_ROUTE_ERROR;
    case cm::Kind::kConnectRequest: return RDMA_CM_EVENT_CONNECT_REQUEST;
    case cm::Kind::kConnectResponse: return RDMA_CM_EVENT_CONNECT_RESPONSE;
    case cm::Kind::kConnectError: return RDMA_CM_EVENT_CONNECT_ERROR;
    case cm::Kind::kUnreachable: return RDMA_CM_EVENT_UNREACHABLE;
    case cm::Kind::kRejected: return RDMA_CM_EVENT_REJECTED;
    case cm::Kind::kEstablished: return RDMA_CM_EVENT_ESTABLISHED;
    case cm::Kind::kDisconnected: return RDMA_CM_EVENT_DISCONNECTED;
    case cm::Kind::kDeviceRemoval: return RDMA_CM_EVENT_DEVICE_REMOVAL;
    case cm::Kind::kMulticastJoin: return RDMA_CM_EVENT_MULTICAST_JOIN;
    case cm::Kind::kMulticastError: return RDMA_CM_EVENT_MULTICAST_ERROR;
    case cm::Kind::kTimewaitExit: return RDMA_CM_EVENT_TIMEWAIT_EXIT;
    case cm::Kind::kAddrinfoResolved: return RDMA_CM_EVENT_ADDRINFO_RESOLVED;
    case cm::Kind::kAddrinfoError: return RDMA_CM_EVENT_ADDRINFO_ERROR;
    case cm::Kind::kUser: return RDMA_CM_EVENT_USER;
  }
  return RDMA_CM_EVENT_CONNECT_ERROR;
}

/// The event counts from the moment that it leaves the queue. A request's identifier is made here, because what follows
/// it may be taken by another thread at once.
Id* count(const cm::Event& event) {
  if (event.kind == cm::Kind::kConnectRequest) event.id->owner = new Id;
  const auto& counted = event.listener ? event.listener : event.id;
  Id* id = static_cast<Id*>(counted->owner);
  report(*id);
  return id;
}

void uncount(Id& id) {
  std::lock_guard guard(id.events_lock);
  ++id.events_completed;
  pthread_cond_broadcast(&id.events_changed);
}

void fill_connection(HeldEvent& held, const cm::Event& event) {
  rdma_conn_param& conn = held.abi.param.conn;
  conn.private_data = event.data_size ? held.data.data() : nullptr;
  conn.private_data_len = event.data_size;
  // What the peer may have outstanding is what this side has to answer, and the other way round.
  conn.responder_resources = event.peer.initiator_depth;
  conn.initiator_depth = event.peer.responder_resources;
  conn.flow_control = event.peer.flow_control;
  conn.retry_count = event.peer.retry_count;
  conn.rnr_retry_count = event.peer.rnr_retry_count;
  conn.srq = event.peer.srq;
  conn.qp_num = event.peer.qpn;
}

void fill_datagram(HeldEvent& held, const cm::Event& event, const Id& id) {
  rdma_ud_param& ud = held.abi.param.ud;
  ud.private_data = event.data_size ? held.data.data() : nullptr;
  ud.private_data_len = event.data_size;
  ud.qp_num = event.peer.qpn;
  ud.qkey = event.peer.qkey;
  if (event.kind == cm::Kind::kEstablished) ud.ah_attr = address_vector(id);
}

/// Everything that a request says about its identifier.
Result<void> adopt(Id& id, const Id& listener, const cm::Event& event) {
  if (auto set = set_channel(id, listener.sync ? nullptr : listener.abi.channel); !set) return set;
  id.abi.context = listener.abi.context;
  id.abi.ps = listener.abi.ps;
  id.abi.qp_type = listener.abi.qp_type;
  id.stage = Stage::kConnect;
  id.responder_resources = event.peer.initiator_depth;
  id.initiator_depth = event.peer.responder_resources;
  id.retry_count = event.peer.retry_count;
  id.rnr_retry_count = event.peer.rnr_retry_count;
  id.ack_timeout = event.peer.ack_timeout;
  id.traffic_class = event.peer.traffic_class;
  id.remote_ece = event.peer.ece;
  if (auto attached = attach_by_address(id, event.id->local()); !attached) return attached;
  show_addresses(id, &event.id->local(), &event.id->remote());
  fill_path(id);
  if (listener.sync) id.protocol->move_to(EventChannel::from(id.abi.channel).queue);
  return {};
}

Result<void> take_request(HeldEvent& held, const cm::Event& event) {
  Id& id = *static_cast<Id*>(event.id->owner);
  const Id& listener = *held.counted;
  id.protocol = event.id;
  event.listener->request_taken();
  held.abi.id = &id.abi;
  held.abi.listen_id = &held.counted->abi;
  auto adopted = adopt(id, listener, event);
  if (adopted) return {};
  // The address has gone meanwhile: nobody can accept.
  event.id->close();
  if (id.sync && id.abi.channel) destroy_channel(EventChannel::from(id.abi.channel));
  delete &id;
  return adopted;
}

/// The peer has accepted: the QP goes through its states, and the peer hears that it has.
void take_response(Id& id, HeldEvent& held, const cm::Event& event) {
  id.remote_ece = event.peer.ece;
  id.responder_resources = std::min(id.responder_resources, event.peer.initiator_depth);
  id.initiator_depth = event.peer.responder_resources;
  id.rnr_retry_count = event.peer.rnr_retry_count;
  if (!has_qp(id)) return;  // the program moves its own, and calls rdma_establish
  auto done = move_to_rtr(id, RDMA_MAX_RESP_RES);
  if (done) done = move_to_rts(id, RDMA_MAX_INIT_DEPTH);
  if (done) done = id.protocol->establish();
  if (done) {
    held.abi.event = RDMA_CM_EVENT_ESTABLISHED;
    return;
  }
  static_cast<void>(move_to_error(id));
  static_cast<void>(id.protocol->reject(cm::kRejectByConsumer, {}));
  held.abi.event = RDMA_CM_EVENT_CONNECT_ERROR;
  held.abi.status = -done.error();
}

void fill_multicast(Id& id, HeldEvent& held, const cm::Event& event) {
  const auto& membership = *static_cast<const Membership*>(event.subject.get());
  rdma_ud_param& ud = held.abi.param.ud;
  ud.private_data = membership.context;
  if (event.kind != cm::Kind::kMulticastJoin) return;
  ud.ah_attr = multicast_vector(id, membership);
  ud.qp_num = 0xffffff;
  ud.qkey = default_qkey(id);
}

/// False: it is not for the program after all.
bool prepare(HeldEvent& held, const cm::Event& event) {
  held.abi.event = type_of(event.kind);
  held.abi.status = event.status;
  std::copy(event.data.begin(), event.data.end(), held.data.begin());
  if (event.kind == cm::Kind::kConnectRequest) {
    if (!take_request(held, event)) return false;
  } else {
    held.abi.id = &held.counted->abi;
  }
  Id& id = Id::from(held.abi.id);
  if (event.kind == cm::Kind::kAddressResolved) address_resolved(id, true);
  if (event.kind == cm::Kind::kAddressError) address_resolved(id, false);
  if (event.kind == cm::Kind::kMulticastJoin || event.kind == cm::Kind::kMulticastError) {
    fill_multicast(id, held, event);
  } else if (event.kind == cm::Kind::kAddrinfoResolved) {
    std::lock_guard guard(id.found_lock);
    id.found = std::static_pointer_cast<rdma_addrinfo>(event.subject);
  } else if (event.kind == cm::Kind::kUser) {
    // The member that holds it, `arg`, is not in every release's header.
    std::copy_n(event.data.begin(), event.data_size, reinterpret_cast<unsigned char*>(&held.abi.param));
  } else if (id.datagram()) {
    fill_datagram(held, event, id);
  } else {
    fill_connection(held, event);
  }
  if (event.kind == cm::Kind::kConnectResponse) take_response(id, held, event);
  if (event.kind == cm::Kind::kRejected) static_cast<void>(move_to_error(id));
  return true;
}

Result<HeldEvent*> next_own_event(EventChannel& channel) {
  const std::shared_ptr<cm::Channel> queue = channel.queue;  // another thread may destroy the channel meanwhile
  for (;;) {
    Id* counted = nullptr;
    auto taken = queue->take([&](const cm::Event& event) { counted = count(event); });
    if (!taken) return Error{taken.error()};
    auto held = guarded([&]() -> Result<HeldEvent*> {
      auto made = std::make_unique<HeldEvent>();
      made->counted = counted;
      if (!prepare(*made, *taken)) return nullptr;
      return made.release();
    });
    if (held && *held) return held;
    uncount(*counted);
    if (!held) return held;
  }
}

bool may_block(int fd) { return !(fcntl(fd, F_GETFL) & O_NONBLOCK); }

/// A channel that has two halves is asked for each, and then waited for. A cancellation point.
Result<HeldEvent*> next_of_both(EventChannel& channel) {
  for (;;) {
    auto held = next_own_event(channel);
    if (held.error() != EAGAIN) return held;
    held = next_native_event(channel);
    if (held.error() != EAGAIN || !may_block(channel.abi.fd)) return held;
    pollfd news{channel.abi.fd, POLLIN, 0};
    if (poll(&news, 1, -1) < 0) return Error{errno};
  }
}

}  // namespace

void report(Id& id) {
  std::lock_guard guard(id.events_lock);
  ++id.events_reported;
}

Result<rdma_cm_event*> next_event(EventChannel& channel) {
  auto held = channel.native ? next_of_both(channel) : next_own_event(channel);
  if (!held) return Error{held.error()};
  return &(*held)->abi;
}

void release_event(HeldEvent& event) {
  Id& counted = *event.counted;
  delete &event;
  uncount(counted);
}

Result<void> complete(Id& id) {
  if (!id.sync) return {};
  if (rdma_cm_event* old = std::exchange(id.abi.event, nullptr)) release_event(HeldEvent::from(old));
  auto event = next_event(EventChannel::from(id.abi.channel));
  if (!event) return Error{event.error()};
  id.abi.event = *event;
  if ((*event)->event == RDMA_CM_EVENT_DEVICE_REMOVAL) return Error{ENODEV};  // not what was waited for
  if ((*event)->status == 0) return {};
  if ((*event)->event == RDMA_CM_EVENT_REJECTED) return Error{ECONNREFUSED};
  return Error{(*event)->status < 0 ? -(*event)->status : (*event)->status};
}

const char* event_text(rdma_cm_event_type type) {
  switch (static_cast<int>(type)) {
    case RDMA_CM_EVENT_ADDR_RESOLVED: return "RDMA_CM_EVENT_ADDR_RESOLVED";
    case RDMA_CM_EVENT_ADDR_ERROR: return "RDMA_CM_EVENT_ADDR_ERROR";
    case RDMA_CM_EVENT_ROUTE_RESOLVED: return "RDMA_CM_EVENT_ROUTE_RESOLVED";
    case RDMA_CM_EVENT_ROUTE_ERROR: return "RDMA_CM_EVENT_ROUTE_ERROR";
    case RDMA_CM_EVENT_CONNECT_REQUEST: return "RDMA_CM_EVENT_CONNECT_REQUEST";
    case RDMA_CM_EVENT_CONNECT_RESPONSE: return "RDMA_CM_EVENT_CONNECT_RESPONSE";
    case RDMA_CM_EVENT_CONNECT_ERROR: return "RDMA_CM_EVENT_CONNECT_ERROR";
    case RDMA_CM_EVENT_UNREACHABLE: return "RDMA_CM_EVENT_UNREACHABLE";
    case RDMA_CM_EVENT_REJECTED: return "RDMA_CM_EVENT_REJECTED";
    case RDMA_CM_EVENT_ESTABLISHED: return "RDMA_CM_EVENT_ESTABLISHED";
    case RDMA_CM_EVENT_DISCONNECTED: return "RDMA_CM_EVENT_DISCONNECTED";
    case RDMA_CM_EVENT_DEVICE_REMOVAL: return "RDMA_CM_EVENT_DEVICE_REMOVAL";
    case RDMA_CM_EVENT_MULTICAST_JOIN: return "RDMA_CM_EVENT_MULTICAST_JOIN";
    case RDMA_CM_EVENT_MULTICAST_ERROR: return "RDMA_CM_EVENT_MULTICAST_ERROR";
    case RDMA_CM_EVENT_ADDR_CHANGE: return "RDMA_CM_EVENT_ADDR_CHANGE";
    case RDMA_CM_EVENT_TIMEWAIT_EXIT: return "RDMA_CM_EVENT_TIMEWAIT_EXIT";
    case RDMA_CM_EVENT_ADDRINFO_RESOLVED: return "RDMA_CM_EVENT_ADDRINFO_RESOLVED";
    case RDMA_CM_EVENT_ADDRINFO_ERROR: return "RDMA_CM_EVENT_ADDRINFO_ERROR";
    case RDMA_CM_EVENT_USER: return "RDMA_CM_EVENT_USER";
    case RDMA_CM_EVENT_INTERNAL: return "RDMA_CM_EVENT_INTERNAL";
  }
  return "UNKNOWN EVENT";
}

}  // namespace vb::door
