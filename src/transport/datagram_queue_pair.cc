// SPDX-License-Identifier: BSD-2-Clause
#include "transport/datagram_queue_pair.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "transport/address_handle.h"
#include "transport/channel.h"
#include "transport/lane.h"
#include "transport/opcodes.h"
#include "transport/router.h"
#include "wire/grh.h"

namespace vb {

using wire::Kind;

namespace {

// How long the oldest datagram may hold up those behind it:
constexpr uint64_t kForRoom = 5 * kSecond;    ///< for a peer that takes nothing: it may only wait for a core
constexpr uint64_t kForRoute = 10 * kSecond;  ///< for a host that does not answer

/// A program that has this many completions to look at had no chance to post receives for more.
constexpr uint32_t kBehind = 64;
constexpr size_t kLateBytes = 1 << 20;
/// Of datagrams that wait for a route. What is beyond is read when it is sent.
constexpr size_t kCopiedBytes = 1 << 20;

}  // namespace

// --- sending --------------------------------------------------------------------------------------------------------

void DatagramQueuePair::run() {
  if (state() == IBV_QPS_ERR || state() == IBV_QPS_SQE) return flush();
  if (state() != IBV_QPS_RTS) return;
  for (uint32_t posted = send_queue.posted(); send_queue.retired() != posted;) {
    SendWqe& wqe = send_queue.at(send_queue.retired());
    ibv_wc_status status = copied(wqe) ? IBV_WC_SUCCESS : check(wqe);
    if (status != IBV_WC_SUCCESS) return fail_sends(status);
    Sent sent = send(wqe);
    if (sent == Sent::kLater) return config.lane->watch(*this);
    if (sent == Sent::kFault) return fail_sends(IBV_WC_LOC_PROT_ERR);
    waits_since_ns_ = 0;
    finish(wqe, IBV_WC_SUCCESS);
  }
  ListNode<QueuePair, OnOutstanding>::unlink();
}

ibv_wc_status DatagramQueuePair::check(SendWqe& wqe) {
  if (!wqe.address || wqe.address->pd != config.pd) return IBV_WC_LOC_QP_OP_ERR;
  if (wqe.length > wire::kMaxDatagram) return IBV_WC_LOC_LEN_ERR;
  return wqe.is_inline() || resolve_sges(wqe, kLocalRead) ? IBV_WC_SUCCESS : IBV_WC_LOC_PROT_ERR;
}

DatagramQueuePair::Sent DatagramQueuePair::send(SendWqe& wqe) {
  if (wqe.address->multicast) return send_to_group(wqe);
  Route* route = router_.route_to(*wqe.address, wqe.remote_qpn);
  if (!route) return Sent::kLost;
  if (!route->channel || !route->channel->alive()) return look_up(*route);
  Channel& channel = *route->channel;
  Sent sent = put(channel, wqe);
  if (sent != Sent::kLater) {
    channel.deaf = false;
    return sent;
  }
  if (channel.deaf || waited_longer_than(kForRoom)) {
    channel.deaf = true;
    return Sent::kLost;
  }
  channel.wait(*this);
  return Sent::kLater;
}

/// No channel yet. A host that does not answer is taken for unreachable; a process that does may have to load its
/// fabric first, and the handshake has a limit of its own.
DatagramQueuePair::Sent DatagramQueuePair::look_up(Route& route) {
  if (!router_.seek(route)) return Sent::kLost;
  bool overdue = waited_longer_than(kForRoute) && !route.reached;
  route.slow |= overdue;
  if (route.slow) return Sent::kLost;
  copy_waiting();
  route.waiting_datagrams.push_back(*this);
  return Sent::kLater;
}

void DatagramQueuePair::copy_waiting() {
  for (uint32_t i = send_queue.retired() + static_cast<uint32_t>(copies_.size()); i != send_queue.posted(); ++i) {
    if (copied_bytes_ >= kCopiedBytes) return;
    SendWqe& wqe = send_queue.at(i);
    std::vector<unsigned char>& copy = copies_.emplace_back();
    if (wqe.is_inline() || check(wqe) != IBV_WC_SUCCESS) continue;
    copy.resize(wqe.length);
    if (!gather(wqe, copy.data())) copy.clear();
    copied_bytes_ += copy.size();
  }
}

/// Asked of the oldest WR only.
bool DatagramQueuePair::copied(const SendWqe& wqe) const {
  return !copies_.empty() && !copies_.front().empty() && copies_.front().size() == wqe.length;
}

bool DatagramQueuePair::read_out(SendWqe& wqe, unsigned char* at) const {
  if (!copied(wqe)) return gather(wqe, at);
  memcpy(at, copies_.front().data(), wqe.length);
  return true;
}

bool DatagramQueuePair::waited_longer_than(uint64_t patience_ns) {
  uint64_t now = clock_ns();
  if (waits_since_ns_ == 0) waits_since_ns_ = now;
  return now - waits_since_ns_ > patience_ns;
}

wire::PacketHeader DatagramQueuePair::header_of(const SendWqe& wqe) const {
  wire::PacketHeader header{};
  header.kind = Kind::kDatagram;
  header.flags = opcodes::wire_flags(wqe.opcode) | ((wqe.flags & IBV_SEND_SOLICITED) ? wire::kSolicited : 0);
  header.dst_qpn = wqe.remote_qpn;
  header.src_qpn = source_qpn ? source_qpn : qpn;
  header.aux = wqe.imm;
  return header;
}

wire::DatagramHeader DatagramQueuePair::datagram_of(const SendWqe& wqe) const {
  wire::DatagramHeader datagram = wqe.address->header;
  datagram.length = wqe.length;
  // The high bit asks for the queue pair's own key. InfiniBand specification, 10.2.5.
  datagram.qkey = (wqe.remote_qkey & 0x80000000) ? path.qkey : wqe.remote_qkey;
  return datagram;
}

/// To those in this process by the loopback, so that they see it as they see any other; to all others by the network.
DatagramQueuePair::Sent DatagramQueuePair::send_to_group(SendWqe& wqe) {
  if (wqe.remote_qpn != wire::kMulticastQpn) return Sent::kLost;
  const GroupName& group = wqe.address->group;
  wire::PacketHeader header = header_of(wqe);
  wire::DatagramHeader datagram = datagram_of(wqe);
  header.size = static_cast<uint16_t>(sizeof header + sizeof datagram + wqe.length);
  header.msn = group.netdev;
  unsigned char packet[sizeof header + sizeof datagram + wire::kMaxDatagram];
  memcpy(packet, &header, sizeof header);
  memcpy(packet + sizeof header, &datagram, sizeof datagram);
  if (!read_out(wqe, packet + sizeof header + sizeof datagram)) return Sent::kFault;
  Multicast& groups = router_.multicast();
  if (groups.has_members(group)) {
    Channel& loopback = config.lane->loopback();
    unsigned char* at = loopback.begin(header.size, Channel::Use::kRequest);
    if (!at) {
      loopback.wait(*this);
      return Sent::kLater;
    }
    memcpy(at, packet, header.size);
  }
  groups.send(group, datagram.hop_limit, {packet, header.size});
  return Sent::kYes;
}

DatagramQueuePair::Sent DatagramQueuePair::put(Channel& channel, SendWqe& wqe) {
  wire::PacketHeader header = header_of(wqe);
  wire::DatagramHeader datagram = datagram_of(wqe);
  unsigned char whole[wire::kMaxDatagram];
  // A packet that was begun cannot be taken back: what may be missing is fetched before.
  if (wqe.may_fault && !wqe.is_inline() && !read_out(wqe, whole)) return Sent::kFault;
  size_t first = std::min<size_t>(wqe.length, channel.frame_room() - sizeof header - sizeof datagram);
  header.size = static_cast<uint16_t>(sizeof header + sizeof datagram + first);
  unsigned char* at = channel.begin(header.size, Channel::Use::kRequest);
  if (!at) return Sent::kLater;
  memcpy(at, &header, sizeof header);
  memcpy(at + sizeof header, &datagram, sizeof datagram);
  at += sizeof header + sizeof datagram;
  bool fetched = wqe.may_fault && !wqe.is_inline();
  if (first == wqe.length && !fetched) {
    read_out(wqe, at);
    return Sent::kYes;
  }
  if (!fetched) read_out(wqe, whole);
  memcpy(at, whole, first);
  if (first == wqe.length) return Sent::kYes;
  header.kind = Kind::kDatagramRest;
  header.size = static_cast<uint16_t>(sizeof header + wqe.length - first);
  // The rest has to follow at once: it takes the room that is kept for answers, as one belongs to what is begun.
  at = channel.begin(header.size, Channel::Use::kAnswer);
  if (!at) return Sent::kLost;
  memcpy(at, &header, sizeof header);
  memcpy(at + sizeof header, whole + first, wqe.length - first);
  return Sent::kYes;
}

void DatagramQueuePair::tick(uint64_t now_ns) {
  if (waits_since_ns_ != 0 && now_ns - waits_since_ns_ > kForRoom) run();
}

void DatagramQueuePair::finish(SendWqe& wqe, ibv_wc_status status, uint32_t vendor_error) {
  if (wqe.address) wqe.address->release();
  if (!copies_.empty()) {
    copied_bytes_ -= copies_.front().size();
    copies_.pop_front();
  }
  complete_send(wqe, status, vendor_error);
}

/// A local error stops the send queue only (SQE). InfiniBand specification, 10.3.1.
void DatagramQueuePair::fail_sends(ibv_wc_status status) {
  first_status_ = status;
  set_state(IBV_QPS_SQE);
  flush();
}

void DatagramQueuePair::stop(ibv_wc_status first, uint32_t vendor_error) {
  first_status_ = first;
  first_vendor_error_ = vendor_error;
  drop_late();
  flush();
}

void DatagramQueuePair::flush() {
  for (uint32_t posted = send_queue.posted(); send_queue.retired() != posted;) {
    ibv_wc_status status = std::exchange(first_status_, IBV_WC_WR_FLUSH_ERR);
    finish(send_queue.at(send_queue.retired()), status, std::exchange(first_vendor_error_, 0));
  }
  waits_since_ns_ = 0;
  QueuePair::detach();
  if (state() == IBV_QPS_ERR) flush_receives();
}

void DatagramQueuePair::reset() {
  for (uint32_t i = send_queue.retired(); i != send_queue.posted(); ++i) {
    if (AddressHandle* address = send_queue.at(i).address) address->release();
  }
  send_queue.clear();
  copies_.clear();
  copied_bytes_ = 0;
  drop_late();
  first_status_ = IBV_WC_WR_FLUSH_ERR;
  first_vendor_error_ = 0;
  waits_since_ns_ = 0;
  QueuePair::reset();
}

void DatagramQueuePair::detach() {
  QueuePair::detach();
  drop_late();
}

// --- receiving ------------------------------------------------------------------------------------------------------

void DatagramQueuePair::receive(Channel& from, const wire::Packet& packet) {
  if (packet.header.kind == Kind::kDatagram) return arrive(packet);
  if (packet.header.kind == Kind::kQuiesce) return Lane::answer_quiesce(from, packet);
  if (wire::is_request(packet.header.kind)) refuse_not_connected(from, packet);
}

void DatagramQueuePair::arrive(const wire::Packet& packet) {
  if (!can_receive()) return;
  if (packet.datagram.qkey != path.qkey) {
    qkey_violations_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (late_.empty() && !receives().empty()) return deliver(packet);
  // Nothing is posted: the datagram is lost, unless the program is still busy with what came at the same time.
  if (!late_.empty() || config.recv_cq->pending() >= kBehind) keep(packet);
}

void DatagramQueuePair::keep(const wire::Packet& packet) {
  size_t size = sizeof(Late) + packet.payload.size();
  if (late_bytes_ + size > kLateBytes) return;
  late_bytes_ += size;
  late_.push_back({packet.header, packet.datagram, {packet.payload.begin(), packet.payload.end()}});
  config.lane->late(*this);
}

void DatagramQueuePair::catch_up() {
  while (!late_.empty() && can_receive()) {
    if (receives().empty()) {
      if (config.recv_cq->pending() != 0) return config.lane->late(*this);
      break;  // The program has seen everything, and posted nothing.
    }
    Late next = std::move(late_.front());
    late_.pop_front();
    late_bytes_ -= sizeof(Late) + next.payload.size();
    wire::Packet packet{};
    packet.header = next.header;
    packet.datagram = next.datagram;
    packet.payload = next.payload;
    packet.length = next.datagram.length;
    deliver(packet);
  }
  drop_late();
}

void DatagramQueuePair::drop_late() {
  late_.clear();
  late_bytes_ = 0;
  ListNode<DatagramQueuePair, OnLate>::unlink();
}

void DatagramQueuePair::deliver(const wire::Packet& packet) {
  ReceiveWqe receive;
  bool limit_reached = false;
  if (!receives().pop(receive, limit_reached)) return;
  if (limit_reached) config.shared_receives->listener->limit_reached();
  wire::Grh grh = wire::make_grh(packet.datagram, packet.has(wire::kImmediate));
  ibv_wc_status status = scatter(receive, {grh, packet.payload});
  complete_receive(receive, packet, status);
  if (status != IBV_WC_SUCCESS) fail(IBV_WC_WR_FLUSH_ERR);
}

void DatagramQueuePair::complete_receive(const ReceiveWqe& receive, const wire::Packet& packet, ibv_wc_status status) {
  if (mute) return;
  Cqe cqe;
  cqe.wr_id = receive.wr_id;
  cqe.status = status;
  cqe.opcode = IBV_WC_RECV;
  cqe.byte_len = packet.length + static_cast<uint32_t>(sizeof(wire::Grh));
  cqe.imm = packet.header.aux;
  cqe.qp_num = qpn;
  cqe.src_qp = packet.header.src_qpn;
  cqe.wc_flags = IBV_WC_GRH | (packet.has(wire::kImmediate) ? IBV_WC_WITH_IMM : 0);
  cqe.sl = wire::network_type(packet.datagram);
  complete(*config.recv_cq, cqe, packet.has(wire::kSolicited));
}

}  // namespace vb
