// SPDX-License-Identifier: BSD-2-Clause
// Connections: asked for, accepted, refused, ended.
#include <algorithm>

#include "base/random.h"
#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

constexpr uint8_t kDefaultRetries = 7;

bool within_limits(const Id& id, const rdma_conn_param* param) {
  if (!param || id.datagram() || !id.attachment) return true;
  return (param->responder_resources == RDMA_MAX_RESP_RES ||
          param->responder_resources <= id.attachment->max_responder_resources) &&
         (param->initiator_depth == RDMA_MAX_INIT_DEPTH ||
          param->initiator_depth <= id.attachment->max_initiator_depth);
}

std::vector<unsigned char> private_data(const Id& id, const rdma_conn_param* param) {
  std::vector<unsigned char> data = id.connect_data;
  if (!param || !param->private_data) return data;
  const auto* bytes = static_cast<const unsigned char*>(param->private_data);
  data.insert(data.end(), bytes, bytes + param->private_data_len);
  return data;
}

/// What this side says of itself. A QP of the identifier's own goes before what the program names.
cm::Parameters parameters(Id& id, const rdma_conn_param* param) {
  cm::Parameters mine;
  mine.qpn = id.abi.qp ? id.abi.qp->qp_num : (param ? param->qp_num & 0xffffff : 0);
  mine.srq = id.abi.qp ? id.abi.qp->srq != nullptr : (param && param->srq);
  mine.psn = id.psn = random_value<uint32_t>() & 0xffffff;
  mine.qp_type = static_cast<uint8_t>(id.abi.qp_type);
  mine.flow_control = param ? param->flow_control : 0;
  mine.retry_count = param ? std::min<uint8_t>(param->retry_count, 7) : kDefaultRetries;
  mine.rnr_retry_count = param ? std::min<uint8_t>(param->rnr_retry_count, 7) : kDefaultRetries;
  mine.responder_resources = id.responder_resources;
  mine.initiator_depth = id.initiator_depth;
  mine.ack_timeout = id.ack_timeout;
  mine.traffic_class = id.traffic_class;
  mine.qkey = id.qkey ? id.qkey : default_qkey(id);
  mine.ece = id.local_ece;
  return mine;
}

void choose_depths(Id& id, const rdma_conn_param* param, uint8_t responder_resources, uint8_t initiator_depth) {
  bool given = param && param->responder_resources != RDMA_MAX_RESP_RES;
  id.responder_resources = given ? param->responder_resources : responder_resources;
  given = param && param->initiator_depth != RDMA_MAX_INIT_DEPTH;
  id.initiator_depth = given ? param->initiator_depth : initiator_depth;
}

/// With what rdma_create_ep was given before what the program says now.
Result<void> connect_native(Id& id, const rdma_conn_param* param) {
  std::vector<unsigned char> data = private_data(id, param);
  if (data.size() > UINT8_MAX) return Error{EINVAL};
  rdma_conn_param whole{};
  whole.responder_resources = RDMA_MAX_RESP_RES;
  whole.initiator_depth = RDMA_MAX_INIT_DEPTH;
  whole.retry_count = whole.rnr_retry_count = kDefaultRetries;
  if (param) whole = *param;
  whole.private_data = data.data();
  whole.private_data_len = static_cast<uint8_t>(data.size());
  const bool as_given = id.connect_data.empty();
  return on_native(id, [&](rdma_cm_id* native) {
    return native_rdma_connect(native, as_given ? const_cast<rdma_conn_param*>(param) : &whole);
  });
}

Result<void> connect_id(Id& id, const rdma_conn_param* param) {
  if (id.is_native()) return connect_native(id, param);
  if (auto present = id.present(); !present) return present;
  if (!id.abi.qp && !param) return Error{EINVAL};
  if (!within_limits(id, param)) return Error{EINVAL};
  if (id.stage != Stage::kRouteResolved) return Error{EINVAL};
  std::vector<unsigned char> data = private_data(id, param);
  Result<void> sent;
  if (id.datagram()) {
    sent = id.protocol->inquire(data);
  } else {
    choose_depths(id, param, id.attachment->max_responder_resources, id.attachment->max_initiator_depth);
    cm::Parameters mine = parameters(id, param);
    id.retry_count = mine.retry_count;
    sent = id.protocol->connect(mine, data);
  }
  if (sent) id.stage = Stage::kConnect;
  return sent;
}

Result<void> accept_connection(Id& id, const rdma_conn_param* param) {
  if (!within_limits(id, param)) return Error{EINVAL};
  choose_depths(id, param, std::min(id.responder_resources, id.attachment->max_responder_resources),
                std::min(id.initiator_depth, id.attachment->max_initiator_depth));
  cm::Parameters mine = parameters(id, param);
  mine.ece.vendor_id = id.remote_ece.vendor_id;  // options are agreed upon in the terms of who asked
  if (has_qp(id)) {
    if (auto moved = move_to_rtr(id, id.responder_resources); !moved) return moved;
    if (auto moved = move_to_rts(id, id.initiator_depth); !moved) return moved;
  }
  auto accepted = id.protocol->accept(mine, private_data(id, param));
  if (accepted) return accepted;
  // As the kernel does: the peer does not wait for an acceptance that will not come.
  static_cast<void>(id.protocol->reject(cm::kRejectByConsumer, {}));
  static_cast<void>(move_to_error(id));
  return accepted;
}

Result<void> accept_id(Id& id, rdma_conn_param* param) {
  if (id.is_native()) return on_native(id, [&](rdma_cm_id* native) { return native_rdma_accept(native, param); });
  if (auto present = id.present(); !present) return present;
  if (id.stage != Stage::kConnect) return Error{EINVAL};
  if (!id.datagram()) return accept_connection(id, param);
  return id.protocol->inform(parameters(id, param), private_data(id, param));
}

/// A connection that was accepted has an event to come; a datagram service's inquiry is done with.
Result<void> after_accept(Id& id) {
  if (!id.datagram()) return complete(id);
  if (id.sync && id.abi.event) release_event(HeldEvent::from(std::exchange(id.abi.event, nullptr)));
  return {};
}

/// `options`: those that the peer asks for (ECE) are why.
Result<void> reject_id(Id& id, const void* data, uint8_t size, bool options) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) {
      return options ? native_rdma_reject_ece(native, data, size) : native_rdma_reject(native, data, size);
    });
  }
  if (auto present = id.present(); !present) return present;
  if (id.stage != Stage::kConnect) return Error{EINVAL};
  cm::PrivateData bytes;
  if (data) bytes = {static_cast<const unsigned char*>(data), size};
  if (id.datagram()) return id.protocol->refuse_inquiry(bytes);
  return id.protocol->reject(options ? cm::kRejectVendorOption : cm::kRejectByConsumer, bytes);
}

Result<void> listen_id(Id& id, int backlog) {
  constexpr int kMaxBacklog = 1024;
  auto there = [&](rdma_cm_id* native) { return native_rdma_listen(native, backlog); };
  if (id.is_native()) return on_native(id, there);
  if (auto present = id.present(); !present) return present;
  if (id.stage == Stage::kIdle) {
    SocketAddress any = cm::any_address(AF_INET, 0);
    if (auto bound = bind_id(id, any.get()); !bound) return bound;
  }
  if (auto advanced = id.advance(Stage::kBound, Stage::kListen); !advanced) return advanced;
  Result<void> listening = id.native ? on_native(id, there) : Result<void>();
  if (listening) listening = id.protocol->listen(backlog > 0 && backlog < kMaxBacklog ? backlog : kMaxBacklog);
  if (!listening) id.stage = Stage::kBound;
  return listening;
}

/// Both are for programs whose queue pair is none of the identifier's.
Result<void> set_local_ece(Id& id, ibv_ece* ece) {
  if (id.is_native()) return on_native(id, [&](rdma_cm_id* native) { return native_rdma_set_local_ece(native, ece); });
  if (id.abi.qp || !ece || !ece->vendor_id || ece->comp_mask) return Error{EINVAL};
  id.local_ece = {ece->vendor_id, ece->options};
  return {};
}

Result<void> get_remote_ece(Id& id, ibv_ece* ece) {
  if (id.is_native()) return on_native(id, [&](rdma_cm_id* native) { return native_rdma_get_remote_ece(native, ece); });
  if (id.abi.qp || !ece) return Error{EINVAL};
  *ece = {id.remote_ece.vendor_id, id.remote_ece.options, 0};
  return {};
}

Result<void> disconnect_id(Id& id) {
  if (id.is_native()) return on_native(id, native_rdma_disconnect);
  if (auto present = id.present(); !present) return present;
  if (id.stage != Stage::kConnect || id.datagram()) return Error{EINVAL};
  if (auto moved = move_to_error(id); !moved) return moved;
  return id.protocol->disconnect();
}

Result<void> notify_id(Id& id, ibv_event_type event) {
  if (id.is_native()) return on_native(id, [&](rdma_cm_id* native) { return native_rdma_notify(native, event); });
  if (auto present = id.present(); !present) return present;
  if (id.stage != Stage::kConnect || id.datagram() || event != IBV_EVENT_COMM_EST) return Error{EINVAL};
  if (id.protocol->state() == cm::State::kEstablished) return Error{EISCONN};
  return id.protocol->establish();
}

Result<void> establish_id(Id& id) {
  if (id.is_native()) return on_native(id, native_rdma_establish);
  if (auto present = id.present(); !present) return present;
  if (id.abi.qp || id.protocol->state() != cm::State::kReplyReceived) return Error{EINVAL};
  return id.protocol->establish();
}

/// Whether an event is still to come: a synchronous call must not wait for one that never does.
bool disconnecting(const Id& id) {
  if (id.is_native()) return true;
  cm::State state = id.protocol->state();
  return state == cm::State::kDisconnectSent || state == cm::State::kTimewait;
}

}  // namespace

}  // namespace vb::door

VB_DOOR int rdma_listen(rdma_cm_id* id, int backlog) {
  if (!ours(id)) return native_rdma_listen(id, backlog);
  return minus_one_entry([&] { return listen_id(Id::from(id), backlog); });
}

VB_DOOR int rdma_connect(rdma_cm_id* id, rdma_conn_param* param) {
  if (!ours(id)) return native_rdma_connect(id, param);
  auto done = guarded([&] { return connect_id(Id::from(id), param); });
  return as_minus_one(done ? complete(Id::from(id)) : done);
}

VB_DOOR int rdma_accept(rdma_cm_id* id, rdma_conn_param* param) {
  if (!ours(id)) return native_rdma_accept(id, param);
  auto done = guarded([&] { return accept_id(Id::from(id), param); });
  return as_minus_one(done ? after_accept(Id::from(id)) : done);
}

VB_DOOR int rdma_reject(rdma_cm_id* id, const void* data, uint8_t size) {
  if (!ours(id)) return native_rdma_reject(id, data, size);
  return minus_one_entry([&] { return reject_id(Id::from(id), data, size, false); });
}

VB_DOOR int rdma_reject_ece(rdma_cm_id* id, const void* data, uint8_t size) {
  if (!ours(id)) return native_rdma_reject_ece(id, data, size);
  return minus_one_entry([&] { return reject_id(Id::from(id), data, size, true); });
}

VB_DOOR int rdma_establish(rdma_cm_id* id) {
  if (!ours(id)) return native_rdma_establish(id);
  return minus_one_entry([&] { return establish_id(Id::from(id)); });
}

VB_DOOR int rdma_notify(rdma_cm_id* id, ibv_event_type event) {
  if (!ours(id)) return native_rdma_notify(id, event);
  return minus_one_entry([&] { return notify_id(Id::from(id), event); });
}

VB_DOOR int rdma_disconnect(rdma_cm_id* id) {
  if (!ours(id)) return native_rdma_disconnect(id);
  auto done = guarded([&] { return disconnect_id(Id::from(id)); });
  return as_minus_one(done && disconnecting(Id::from(id)) ? complete(Id::from(id)) : done);
}

VB_DOOR int rdma_set_local_ece(rdma_cm_id* id, ibv_ece* ece) {
  if (!ours(id)) return native_rdma_set_local_ece(id, ece);
  return minus_one_entry([&] { return set_local_ece(Id::from(id), ece); });
}

VB_DOOR int rdma_get_remote_ece(rdma_cm_id* id, ibv_ece* ece) {
  if (!ours(id)) return native_rdma_get_remote_ece(id, ece);
  return minus_one_entry([&] { return get_remote_ece(Id::from(id), ece); });
}
