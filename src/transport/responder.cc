// SPDX-License-Identifier: BSD-2-Clause
#include "transport/responder.h"

#include <algorithm>

#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/opcodes.h"
#include "transport/window.h"

namespace vb {

using wire::Kind;
using wire::NakCode;
using wire::Packet;

namespace {

bool reads_back(Kind kind) {
  return kind == Kind::kRead || kind == Kind::kCompareSwap || kind == Kind::kFetchAdd || kind == Kind::kFlush ||
         kind == Kind::kMaskedCompareSwap || kind == Kind::kMaskedFetchAdd;
}

bool packet_is_flush(const Packet& packet) { return packet.header.kind == Kind::kFlush; }

}  // namespace

void Responder::request(const Packet& packet) {
  if (!expected(packet)) {
    // Executed already: whoever sends it again has not heard of that.
    if (qp_.reliable() && before(packet.header.msn, done_)) qp_.config.lane->owe(qp_);
    return;
  }
  ++arrived_;
  if (!pipeline_.empty()) {
    hold(packet);
    return advance();
  }
  switch (execute(packet, nullptr)) {
    case Outcome::kDone:
    case Outcome::kDropped: return retire(packet);
    case Outcome::kLater: hold(packet); return qp_.channel()->wait(qp_);
    case Outcome::kRunning: return advance();
    case Outcome::kRefused: return;
  }
}

bool Responder::expected(const Packet& packet) {
  uint32_t msn = packet.header.msn;
  if (!qp_.reliable() && before(arrived_, msn)) {  // UC: what was lost stays lost
    if (pipeline_.empty()) done_ = msn;
    arrived_ = msn;
  }
  // After a NAK what follows the refused request is dropped until it comes again.
  return msn == arrived_ && arrived_ - done_ < kWindow;
}

Responder::Operation& Responder::hold(const Packet& packet) {
  OwnedOperation operation = qp_.config.lane->operations.take();
  operation->responder = this;
  operation->bytes.assign(packet.source.begin(), packet.source.end());
  std::span<const unsigned char> copy(operation->bytes);
  wire::next_packet(copy, operation->packet);
  pipeline_.push_back(std::move(operation));
  return *pipeline_.back();
}

Responder::Outcome Responder::execute(const Packet& packet, Operation* operation) {
  srq_ = qp_.config.shared_receives;
  if (packet.is_xrc || qp_.is_xrc_target()) [[unlikely]] {
    Outcome found = find_srq(packet);
    if (found != Outcome::kDone) return found;
    if (!srq_) return relay(packet, operation);
  }
  switch (packet.header.kind) {
    case Kind::kSend: return execute_send(packet, operation);
    case Kind::kWrite: return execute_write(packet, operation);
    case Kind::kRead: return execute_read(packet, operation);
    case Kind::kAtomicWrite: return execute_atomic_write(packet);
    case Kind::kFlush: return execute_flush(packet, operation);
    case Kind::kMaskedCompareSwap:
    case Kind::kMaskedFetchAdd: return execute_masked_atomic(packet);
    default: return execute_atomic(packet);
  }
}

// --- whose receives and memory -----------------------------------------------------------------------------------

ReceiveQueue& Responder::receives() const { return srq_ ? *srq_ : qp_.receive_queue; }

const void* Responder::local_pd() const { return srq_ ? srq_->pd : qp_.config.pd; }

/// An XRC target has no PD of its own: the SRQ's counts.
const void* Responder::remote_pd() const { return qp_.is_xrc_target() ? srq_->pd : qp_.config.pd; }

CompletionQueue& Responder::receive_cq() const { return srq_ && srq_->cq ? *srq_->cq : *qp_.config.recv_cq; }

// --- SEND --------------------------------------------------------------------------------------------------------

Responder::Outcome Responder::take_receive(const Packet& packet, Operation* operation) {
  if (operation && operation->has_receive) {
    receive_ = operation->receive;
    return Outcome::kDone;
  }
  bool limit_reached = false;
  // UC drops a message that does not fit, and the receive stays for the next.
  uint64_t needed = qp_.reliable() || packet.header.kind != Kind::kSend ? 0 : packet.length;
  if (!receives().pop(receive_, limit_reached, needed)) return refuse_not_ready(packet);
  if (limit_reached) srq_->listener->limit_reached();
  if (operation) {
    operation->receive = receive_;
    operation->has_receive = true;
    operation->srq = srq_;
  }
  return Outcome::kDone;
}

/// Finds where `length` bytes go in the receive WR at hand. False: an SGE is bad.
bool Responder::resolve_receive(uint64_t length) {
  segments_.clear();
  MemoryTable& memory = qp_.config.lane->memory;
  for (uint32_t i = 0; i < receive_.sge_count && length > 0; ++i) {
    const ibv_sge& sge = receive_.sge[i];
    if (sge.length == 0) continue;
    MemoryRegion* region = memory.local(sge.lkey, local_pd(), sge.addr, sge.length, kLocalWrite);
    if (!region) return false;
    uint64_t part = std::min<uint64_t>(sge.length, length);
    segments_.push_back({region->host(sge.addr), part, region});
    length -= part;
  }
  return true;
}

Responder::Outcome Responder::execute_send(const Packet& packet, Operation* operation) {
  if (srq_ && srq_->tags) [[unlikely]]
    return execute_tagged(packet, operation);
  Outcome taken = take_receive(packet, operation);
  if (taken != Outcome::kDone) return taken;
  if (room(receive_) < packet.length) return refuse(packet, {NakCode::kInvalidRequest, -1, IBV_WC_LOC_LEN_ERR});
  if (!resolve_receive(packet.length)) return refuse(packet, {NakCode::kRemoteOperation, -1, IBV_WC_LOC_PROT_ERR});
  Outcome checked = check_invalidation(packet);
  if (checked != Outcome::kDone) return checked;
  if (packet.has(wire::kIndirect)) return pull(packet, operation);
  if (!copy_in(packet.payload)) return refuse_fault(packet, packet.consumes_receive());
  deliver(packet, receive_);
  return Outcome::kDone;
}

/// What a SEND wants to invalidate must be a window of this queue pair's (a class J fault otherwise).
Responder::Outcome Responder::check_invalidation(const Packet& packet) {
  if (!packet.has(wire::kInvalidate) || may_invalidate(qp_, packet.header.aux)) return Outcome::kDone;
  return refuse(packet, {NakCode::kRemoteOperation, IBV_EVENT_QP_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR});
}

/// False: some of the memory is not there.
bool Responder::copy_in(std::span<const unsigned char> payload) {
  for (const Segment& segment : segments_) {
    if (!segment.region->may_fault) {
      memcpy(segment.address, payload.data(), segment.length);
    } else if (!store(qp_.config.lane->memory, *segment.region, segment.address, payload.data(), segment.length)) {
      return false;
    }
    payload = payload.subspan(segment.length);
  }
  return true;
}

/// The same the other way.
bool Responder::copy_out(unsigned char* at) const {
  for (const Segment& segment : segments_) {
    if (!segment.region->may_fault) {
      memcpy(at, segment.address, segment.length);
    } else if (!fetch(qp_.config.lane->memory, *segment.region, at, segment.address, segment.length)) {
      return false;
    }
    at += segment.length;
  }
  return true;
}

/// The keys are right, but the memory is not there: this side's fault.
Responder::Outcome Responder::refuse_fault(const Packet& packet, bool has_receive) {
  if (has_receive) return refuse(packet, {NakCode::kRemoteOperation, -1, IBV_WC_LOC_PROT_ERR});
  return refuse(packet, {NakCode::kRemoteOperation, IBV_EVENT_QP_ACCESS_ERR});
}

// --- WRITE, READ -------------------------------------------------------------------------------------------------

Responder::Outcome Responder::resolve_target(const Packet& packet, uint64_t address, uint32_t rkey, uint64_t length,
                                             unsigned access) {
  segments_.clear();
  Refusal refusal{NakCode::kRemoteAccess, IBV_EVENT_QP_ACCESS_ERR};
  // What the queue pair does not do at all is an invalid request; what it may not do there is an access error.
  if ((qp_.path.access & access) != access) return refuse(packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});
  if (length == 0) return Outcome::kDone;
  MemoryKey* key = qp_.config.lane->memory.remote(rkey, remote_pd(), &qp_, address, length, access);
  if (!key) return refuse(packet, refusal);
  MemoryWindow* window = key == key->region ? nullptr : static_cast<MemoryWindow*>(key);
  segments_.push_back({key->host(address), length, key->region, window});
  return Outcome::kDone;
}

Responder::Outcome Responder::execute_write(const Packet& packet, Operation* operation) {
  Outcome found = resolve_target(packet, packet.rdma.address, packet.rdma.rkey, packet.length, kRemoteWrite);
  if (found != Outcome::kDone) return found;
  if (packet.consumes_receive()) {
    Outcome taken = take_receive(packet, operation);
    if (taken != Outcome::kDone) return taken;
  }
  if (packet.has(wire::kIndirect)) return pull(packet, operation);
  if (!copy_in(packet.payload)) return refuse_fault(packet, packet.consumes_receive());
  qp_.count_remote(false, true, packet.length);
  if (packet.consumes_receive()) deliver(packet, receive_);
  return Outcome::kDone;
}

Responder::Outcome Responder::execute_read(const Packet& packet, Operation* operation) {
  Refusal invalid{NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR};
  if (qp_.path.max_dest_rd_atomic == 0) return refuse(packet, invalid);
  Outcome found = resolve_target(packet, packet.rdma.address, packet.rdma.rkey, packet.length, kRemoteRead);
  if (found != Outcome::kDone) return found;
  if (packet.has(wire::kIndirect)) return push(packet, operation);
  if (packet.length > qp_.channel()->eager_limit()) return refuse(packet, invalid);
  unsigned char* body = answer(packet.header.msn, Kind::kReadResponse, packet.length);
  if (!body) return Outcome::kLater;
  if (!copy_out(body)) {
    qp_.channel()->take_back();
    return refuse_fault(packet, false);
  }
  qp_.count_remote(true, true, packet.length);
  return Outcome::kDone;
}

unsigned char* Responder::answer(uint32_t msn, Kind kind, size_t size) {
  size_t total = sizeof(wire::PacketHeader) + size;
  unsigned char* at = qp_.channel()->begin(total, Channel::Use::kAnswer);
  if (!at) return nullptr;
  wire::PacketHeader header{kind, 0, static_cast<uint16_t>(total), qp_.path.dest_qpn, qp_.qpn, msn, 0, 0};
  memcpy(at, &header, sizeof header);
  return at + sizeof header;
}

// --- the pipeline ------------------------------------------------------------------------------------------------

/// Behind what is under way, only what cannot be seen out of order may begin.
bool Responder::may_begin_early(size_t position) const {
  if (!qp_.can_receive() || !qp_.channel()->endpoint().traits().reads_in_order) return false;
  const Operation& operation = *pipeline_[position];
  const Operation& previous = *pipeline_[position - 1];
  // What is gathered is not where it goes yet.
  return operation.packet.has(wire::kIndirect) && previous.state == Operation::kMoving && previous.left == 0 &&
         !previous.gathered &&
         (previous.packet.header.kind == Kind::kRead) == (operation.packet.header.kind == Kind::kRead);
}

void Responder::advance() {
  if (advancing_) return;
  advancing_ = true;
  do {
    while (!pipeline_.empty() && finish(*pipeline_.front())) {
    }
    begin_more();
  } while (has_failed_at_once());
  advancing_ = false;
  settle();
}

/// The oldest operation, without a transfer under way whose end would bring us here again.
bool Responder::has_failed_at_once() const {
  if (pipeline_.empty()) return false;
  const Operation& oldest = *pipeline_.front();
  return oldest.state == Operation::kMoving && oldest.error != 0 && oldest.flying == 0;
}

/// Hands to the fabric what it takes of the operations under way, and of those that may begin before their turn.
void Responder::begin_more() {
  for (size_t i = 0; i < pipeline_.size() && running_ < kMoves; ++i) {
    Operation& operation = *pipeline_[i];
    if (operation.state == Operation::kMoving) {
      launch(operation);
      continue;
    }
    if (i == 0 || !may_begin_early(i)) break;
    early_ = true;
    Outcome outcome = execute(operation.packet, &operation);
    early_ = false;
    if (outcome != Outcome::kRunning) break;
  }
}

/// Brings the oldest operation to its end if it can be. True: it is gone, look at the next.
bool Responder::finish(Operation& operation) {
  if (operation.state == Operation::kMoving) return finish_move(operation);
  if (operation.state == Operation::kRelayed) return finish_relay(operation);
  if (!qp_.can_receive()) return false;
  executing_ = &operation;
  Outcome outcome = execute(operation.packet, &operation);
  executing_ = nullptr;
  if (outcome == Outcome::kLater) qp_.channel()->wait(qp_);
  if (outcome == Outcome::kRunning) return finish(operation);  // what fails at once has no transfer to report it
  if (outcome != Outcome::kDone && outcome != Outcome::kDropped) return false;
  return pop_done();
}

bool Responder::finish_move(Operation& operation) {
  if (operation.flying != 0) return false;
  bool reachable = qp_.channel() && qp_.channel()->alive();
  if (!qp_.can_receive() || operation.error || (operation.left != 0 && !reachable)) return end_move(operation);
  if (operation.left != 0) return false;
  if (operation.gathered && operation.pull && operation.packet.has(wire::kIndirect)) {
    end_gathering(operation);
    return true;  // now it is executed
  }
  const Packet& packet = operation.packet;
  if ((packet.header.kind == Kind::kRead || packet_is_flush(packet)) &&
      !answer(packet.header.msn, Kind::kReadResponse, 0)) {
    qp_.channel()->wait(qp_);
    return false;
  }
  release_regions(operation);
  srq_ = operation.srq;
  if (packet.header.kind == Kind::kRead || packet.header.kind == Kind::kWrite) {
    qp_.count_remote(packet.header.kind == Kind::kRead, true, packet.length);
  }
  if (packet.consumes_receive()) deliver(packet, operation.receive);
  return pop_done();
}

bool Responder::pop_done() {
  OwnedOperation operation = std::move(pipeline_.front());
  pipeline_.pop_front();
  retire(operation->packet);
  return true;
}

/// The transfers are over, but in vain: the queue pair is in ERR, or the fabric could not reach the peer's memory
/// because the peer is gone or has taken it away.
bool Responder::end_move(Operation& operation) {
  OwnedOperation keep = std::move(pipeline_.front());
  pipeline_.pop_front();
  release_regions(operation);
  srq_ = operation.srq;
  receive_ = operation.receive;
  if (!qp_.can_receive()) {
    if (operation.has_receive) receive_error(operation.packet, IBV_WC_WR_FLUSH_ERR);
    return true;
  }
  if (operation.error == EFAULT || packet_is_flush(operation.packet)) {
    if (refuse_fault(operation.packet, operation.has_receive) == Outcome::kDropped) retire(operation.packet);
    return true;
  }
  // A peer that cannot be reached for its data would not answer our requests either.
  if (qp_.channel()) qp_.channel()->suspect();
  ibv_wc_status sends = qp_.reliable() ? IBV_WC_RETRY_EXC_ERR : IBV_WC_WR_FLUSH_ERR;
  Refusal refusal{NakCode::kRemoteOperation, IBV_EVENT_QP_FATAL, IBV_WC_SUCCESS, sends};
  if (operation.has_receive) refusal = {NakCode::kRemoteOperation, -1, IBV_WC_WR_FLUSH_ERR, sends};
  if (refuse(operation.packet, refusal) == Outcome::kDropped) retire(operation.packet);
  return true;
}

void Responder::drop_waiting() {
  auto first =
      std::find_if(pipeline_.begin(), pipeline_.end(), [](auto& each) { return each->state == Operation::kWaiting; });
  for (auto each = first; each != pipeline_.end(); ++each) {
    if (!(*each)->has_receive) continue;
    srq_ = qp_.is_xrc_target() ? qp_.config.lane->find_srq((*each)->packet.xrc.srqn) : qp_.config.shared_receives;
    if (qp_.is_xrc_target() && !srq_) continue;  // gone, and its receives with it
    receive_ = (*each)->receive;
    receive_error((*each)->packet, IBV_WC_WR_FLUSH_ERR);
  }
  pipeline_.erase(first, pipeline_.end());
}

void Responder::quiesce(const Packet& packet) {
  drop_waiting();
  quiesce_owed_ = true;
  quiesce_msn_ = packet.header.msn;
  advance();
}

/// What is owed when nothing else is under way.
void Responder::settle() {
  Channel* channel = qp_.channel();
  if (channel && !channel->alive()) channel = nullptr;
  if (!channel) nak_owed_ = quiesce_owed_ = false;  // nobody is left to be told
  if (nak_owed_) {
    unsigned char* at = channel->begin(sizeof nak_, Channel::Use::kAnswer);
    if (!at) return channel->wait(qp_);
    memcpy(at, &nak_, sizeof nak_);
    nak_owed_ = false;
  }
  if (running_ != 0) return;
  if (quiesce_owed_) {
    if (!answer(quiesce_msn_, Kind::kQuiesced, 0)) return channel->wait(qp_);
    quiesce_owed_ = false;
  }
  if (!flush_owed_) return;
  flush_owed_ = false;
  qp_.flush();
}

void Responder::stop() {
  if (untold_ != 0) owe_acknowledgement();
  drop_waiting();
  flush_owed_ = true;
  advance();
}

void Responder::reset() {
  pipeline_.clear();
  arrived_ = done_ = untold_ = 0;
  flush_owed_ = quiesce_owed_ = nak_owed_ = false;
}

// --- answers -----------------------------------------------------------------------------------------------------

void Responder::retire(const Packet& packet) {
  done_ = packet.header.msn + 1;
  // Not before: what is sent now acknowledges the message that announced the data.
  if (qp_.rendezvous && qp_.rendezvous->waiting()) [[unlikely]]
    qp_.run();
  // The answer to a read says as much as an acknowledgement.
  if (reads_back(packet.header.kind)) return;
  // A requester with many payloads under way hears of several at once, early enough to send more before they end.
  if (running_ >= kManyMoves && ++untold_ < kManyMoves) return;
  owe_acknowledgement();
}

void Responder::owe_acknowledgement() {
  untold_ = 0;
  qp_.config.lane->owe(qp_);
}

void Responder::send_acknowledgement() {
  Channel* channel = qp_.channel();
  if (!channel || !channel->alive()) return;
  unsigned char* at = channel->begin(sizeof(wire::PacketHeader), Channel::Use::kAnswer);
  if (!at) return qp_.config.lane->owe(qp_);
  wire::PacketHeader header{Kind::kAck, wire::kAckValid, sizeof header, qp_.path.dest_qpn, qp_.qpn, 0, done_, 0};
  memcpy(at, &header, sizeof header);
}

void Responder::deliver(const Packet& packet, const ReceiveWqe& receive) {
  if (packet.has(wire::kInvalidate)) (void)invalidate_window(qp_, packet.header.aux);
  Cqe cqe;
  cqe.wr_id = receive.wr_id;
  cqe.opcode = packet.header.kind == Kind::kWrite ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV;
  cqe.byte_len = packet.length;
  deliver(packet, cqe);
}

/// Completes a receive: `cqe` has what depends on its kind.
void Responder::deliver(const Packet& packet, Cqe cqe) {
  if (qp_.mute) return;
  cqe.imm = packet.header.aux;
  cqe.wc_flags = cqe.wc_flags | (packet.has(wire::kImmediate) ? IBV_WC_WITH_IMM : 0) |
                 (packet.has(wire::kInvalidate) ? IBV_WC_WITH_INV : 0);
  cqe.qp_num = qp_.reported_qpn();
  cqe.src_qp = qp_.path.dest_qpn;
  qp_.complete(receive_cq(), cqe, packet.has(wire::kSolicited));
}

void Responder::receive_error(const Packet& packet, ibv_wc_status status) {
  if (qp_.mute) return;
  Cqe cqe;
  cqe.wr_id = receive_.wr_id;
  cqe.status = status;
  cqe.opcode = packet.header.kind == Kind::kWrite ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV;
  cqe.qp_num = qp_.reported_qpn();
  cqe.src_qp = qp_.path.dest_qpn;
  qp_.complete(receive_cq(), cqe, true);
}

/// RC: a NAK, and the queue pair goes to ERR (class C of the specification's responder errors). UC: dropped.
Responder::Outcome Responder::refuse(const Packet& packet, const Refusal& refusal) {
  if (early_) return Outcome::kLater;
  if (refusal.receive != IBV_WC_SUCCESS) receive_error(packet, refusal.receive);
  if (!qp_.reliable() && refusal.receive == IBV_WC_SUCCESS) return Outcome::kDropped;
  if (packet.header.kind == Kind::kRead || packet.header.kind == Kind::kWrite) {
    qp_.count_remote(packet.header.kind == Kind::kRead, false, 0);
  }
  owe_nak(packet, refusal.code, 0);  // To a UC requester it only says that the message is dealt with.
  if (refusal.event >= 0) qp_.config.listener->async_event(static_cast<ibv_event_type>(refusal.event));
  if (executing_) executing_->has_receive = false;  // It is complete, not to be flushed again.
  qp_.fail(refusal.sends);
  return Outcome::kRefused;
}

Responder::Outcome Responder::refuse_not_ready(const Packet& packet) {
  if (early_) return Outcome::kLater;
  if (!qp_.reliable()) return Outcome::kDropped;
  owe_nak(packet, NakCode::kReceiverNotReady, qp_.path.min_rnr_timer);
  arrived_ = packet.header.msn;
  drop_waiting();
  return Outcome::kRefused;
}

namespace {
wire::PacketHeader nak_header(const Packet& packet, uint32_t own_qpn, NakCode code, uint32_t detail) {
  return {Kind::kNak,
          wire::round_flags(wire::round_of(packet.header)),
          sizeof(wire::PacketHeader),
          packet.header.src_qpn,
          own_qpn,
          packet.header.msn,
          0,
          static_cast<uint32_t>(code) | detail << 8};
}
}  // namespace

void Responder::owe_nak(const Packet& packet, NakCode code, uint32_t detail) {
  nak_ = nak_header(packet, qp_.qpn, code, detail);
  nak_owed_ = true;
  if (!advancing_ && running_ == 0) settle();
}

void refuse_not_connected(Channel& channel, const Packet& packet) {
  channel.answer(nak_header(packet, packet.header.dst_qpn, NakCode::kNotConnected, 0));
}

void refuse_access(Channel& channel, const Packet& packet) {
  channel.answer(nak_header(packet, packet.header.dst_qpn, NakCode::kRemoteAccess, 0));
}

}  // namespace vb
