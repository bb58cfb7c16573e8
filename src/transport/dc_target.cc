// SPDX-License-Identifier: BSD-2-Clause
#include "transport/dc_target.h"

#include <algorithm>

#include "transport/lane.h"

namespace vb {

using wire::Packet;

void DcTarget::Events::async_event(ibv_event_type type) {
  if (type == IBV_EVENT_QP_REQ_ERR || type == IBV_EVENT_QP_ACCESS_ERR) target.listener_.refused(type);
}

void DcTarget::receive(Channel& from, const Packet& packet) {
  auto found = connections_.find({from.process(), packet.header.src_qpn});
  Connection* connection = found == connections_.end() ? nullptr : found->second.get();
  if (packet.is_dc) {
    if (!can_receive()) return refuse_not_connected(from, packet);
    if (packet.dc.key != key_) return violate(from, packet);
    if (!connection || connection->number != packet.dc.connection) connection = connect(from, packet);
    if (!connection) return refuse_not_connected(from, packet);
    return connection->receive(from, packet);
  }
  if (wire::is_request(packet.header.kind)) return refuse_not_connected(from, packet);
  if (connection) return connection->receive(from, packet);
  if (packet.header.kind == wire::Kind::kQuiesce) Lane::answer_quiesce(from, packet);
}

/// The initiator has turned to this target, again perhaps. What it sent before is answered, or it has given it up.
/// nullptr: it is not connected.
DcTarget::Connection* DcTarget::connect(Channel& from, const Packet& packet) {
  // The rest of a connection that this target knows no more: it has failed, or it was to an earlier target.
  if (packet.header.msn != packet.dc.first_msn) return nullptr;
  const Initiator initiator{from.process(), packet.header.src_qpn};
  auto found = connections_.find(initiator);
  if (found != connections_.end()) {
    found->second->fail(IBV_WC_WR_FLUSH_ERR);
    leaving_.push_back(std::move(found->second));
    connections_.erase(found);
  }
  sweep();
  if (connections_.size() >= kMaxInitiators) return nullptr;
  auto connection = std::make_unique<Connection>();
  connection->number = packet.dc.connection;
  connection->config = config;
  connection->config.listener = &events_;
  connection->config.type = IBV_QPT_RC;
  connection->qpn = qpn;
  connection->path = path;
  connection->path.dest_qpn = packet.header.src_qpn;
  connection->mute = mute;
  connection->responder.begin_at(packet.dc.first_msn);
  connection->set_state(IBV_QPS_RTS);
  connection->bind(&from);
  return (connections_[initiator] = std::move(connection)).get();
}

/// Says no more than that the key is not right.
void DcTarget::violate(Channel& from, const Packet& packet) {
  ++key_violations;
  listener_.key_violated();
  refuse_access(from, packet);
}

/// Connections that have ended go when nothing moves any more.
void DcTarget::sweep() {
  std::erase_if(leaving_, [](auto& each) { return each->quiet(); });
  std::erase_if(connections_, [](auto& each) {
    Connection& connection = *each.second;
    const bool lost = !connection.channel() || !connection.channel()->alive();
    return (lost || connection.state() == IBV_QPS_ERR) && connection.quiet();
  });
}

bool DcTarget::quiet() const {
  return std::all_of(leaving_.begin(), leaving_.end(), [](auto& each) { return each->quiet(); }) &&
         std::all_of(connections_.begin(), connections_.end(), [](auto& each) { return each.second->quiet(); });
}

bool DcTarget::uses(const void* object) const {
  return std::any_of(leaving_.begin(), leaving_.end(), [&](auto& each) { return each->uses(object); }) ||
         std::any_of(connections_.begin(), connections_.end(), [&](auto& each) { return each.second->uses(object); });
}

void DcTarget::stop(ibv_wc_status first, uint32_t vendor_error) {
  for (auto& [initiator, connection] : connections_) {
    connection->mute = mute;
    connection->fail(first, vendor_error);
  }
}

void DcTarget::cut_off() {
  for (auto& [initiator, connection] : connections_) {
    if (!connection->quiet()) connection->cut_off();
  }
  for (auto& connection : leaving_) connection->cut_off();
}

void DcTarget::detach() {
  QueuePair::detach();
  for (auto& [initiator, connection] : connections_) connection->detach();
  for (auto& connection : leaving_) connection->detach();
}

}  // namespace vb
