// SPDX-License-Identifier: BSD-2-Clause
#include "transport/connected_queue_pair.h"

#include <utility>

#include "base/log.h"
#include "transport/channel.h"
#include "transport/lane.h"
#include "transport/xrc_relay.h"

namespace vb {

using wire::Kind;

ConnectedQueuePair::ConnectedQueuePair() : requester(*this), responder(*this) {}

ConnectedQueuePair::~ConnectedQueuePair() = default;

bool ConnectedQueuePair::quiet() const {
  return requester.quiet() && responder.quiet() && (!own_relay || own_relay->quiet());
}

void ConnectedQueuePair::start() {
  requester.restart_budgets();
  run();
}

void ConnectedQueuePair::tick(uint64_t now_ns) {
  if (rendezvous && rendezvous->waiting()) run();
  requester.tick(now_ns);
}

void ConnectedQueuePair::room_again() {
  responder.advance();
  requester.run();
}

void ConnectedQueuePair::stop(ibv_wc_status first, uint32_t vendor_error) {
  requester.fail(first, vendor_error);
  if (own_relay) own_relay->stop();
  responder.stop();  // flushes, once nothing moves any more
}

void ConnectedQueuePair::flush() {
  requester.flush();
  if (rendezvous) rendezvous->abandon();
  if (responder.quiet()) flush_receives();
}

void ConnectedQueuePair::cut_off() {
  if (own_relay) own_relay->cut_off();
  if (channel_ == &config.lane->loopback()) return;  // No peer holds it up: a write to a file takes its time.
  if (channel_ && channel_->alive()) {
    log(LogLevel::warn, "QP %06x: the peer does not let go of memory: the connection to it ends", qpn);
    return config.lane->lost(*channel_);
  }
  log(LogLevel::warn, "QP %06x: the fabric does not end its transfers: they are left behind", qpn);
  responder.abandon();
}

/// The peer talks although this side has not been told to: a passive side may take it as the sign to go to RTS.
void ConnectedQueuePair::established() {
  if (!std::exchange(established_, true)) config.listener->async_event(IBV_EVENT_COMM_EST);
}

void ConnectedQueuePair::reset() {
  established_ = false;
  QueuePair::reset();
  requester.reset();
  responder.reset();
  early_.clear();
}

void ConnectedQueuePair::detach() {
  QueuePair::detach();
  if (own_relay) own_relay->close();
  ListNode<ConnectedQueuePair, OnRoute>::unlink();
  route = nullptr;
  bind(nullptr);
  ListNode<ConnectedQueuePair, OnOwing>::unlink();
}

void ConnectedQueuePair::peer_gone(bool crashed) {
  requester.peer_gone();
  if (lets_go()) return;
  bool connected = state() == IBV_QPS_RTR || state() == IBV_QPS_RTS || state() == IBV_QPS_SQD;
  if (connected && config.lane->queue_pair_lost) config.lane->queue_pair_lost(qpn);
  if (!connected || !crashed) return;
  // The oldest send, or the next one posted, tells why; without one outstanding, an event does.
  if (requester.idle()) config.listener->async_event(IBV_EVENT_QP_FATAL);
  fail(reliable() ? IBV_WC_RETRY_EXC_ERR : IBV_WC_WR_FLUSH_ERR);
}

void ConnectedQueuePair::receive(Channel& from, const wire::Packet& packet) {
  bool request = wire::is_request(packet.header.kind);
  bool expected_source = packet.header.src_qpn == path.dest_qpn && state() != IBV_QPS_RESET && state() != IBV_QPS_INIT;
  if (expected_source && !channel_ && route) return park(from, packet);
  if (!expected_source || !channel_ || !channel_->same_peer(from)) {
    if (request) refuse_not_connected(from, packet);
    if (packet.header.kind == Kind::kQuiesce) Lane::answer_quiesce(from, packet);
    return;
  }
  if (packet.has(wire::kAckValid)) requester.acknowledged(packet.header.ack);
  switch (packet.header.kind) {
    case Kind::kReadResponse: return requester.read_response(packet);
    case Kind::kAtomicResponse: return requester.atomic_response(packet);
    case Kind::kNak: return requester.refused(packet);
    case Kind::kQuiesce: return responder.quiesce(packet);
    case Kind::kQuiesced: return requester.quiesced();
    case Kind::kAck: return;
    default: break;
  }
  if (!request) return;
  if (can_receive()) {
    if (state() == IBV_QPS_RTR) established();
    responder.request(packet);
  } else {
    // The requester's budget ends it. By our own channel, which may be another: not before the NAK that has led to ERR.
    refuse_not_connected(*channel_, packet);
  }
}

void ConnectedQueuePair::park(Channel& from, const wire::Packet& packet) {
  if (early_.size() >= kWindow) return;
  early_.push_back({from.process(), {packet.source.begin(), packet.source.end()}});
}

void ConnectedQueuePair::bind(Channel* channel) {
  ListNode<ConnectedQueuePair, OnChannel>::unlink();
  ListNode<QueuePair, OnStalled>::unlink();
  channel_ = channel;
  std::vector<Early> early;
  early.swap(early_);
  if (!channel) return;
  channel->attach(*this);
  requester.restart_clock();
  for (Early& each : early) {
    std::span<const unsigned char> bytes(each.bytes);
    wire::Packet packet{};
    if (each.process != channel->process()) continue;
    if (wire::next_packet(bytes, packet)) receive(*channel, packet);
  }
  requester.run();
}

}  // namespace vb
