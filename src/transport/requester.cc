// SPDX-License-Identifier: BSD-2-Clause
#include "transport/requester.h"

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/dc_initiator.h"
#include "transport/lane.h"
#include "transport/opcodes.h"
#include "transport/router.h"
#include "transport/timing.h"
#include "transport/window.h"
#include "transport/xrc_domain.h"
#include "transport/xrc_relay.h"

namespace vb {

using wire::Kind;

void Requester::run() {
  SendQueue& queue = qp_.send_queue;
  if (qp_.state() == IBV_QPS_ERR || qp_.state() == IBV_QPS_SQE) return flush();
  bool sending = qp_.state() == IBV_QPS_RTS || qp_.state() == IBV_QPS_SQD;
  if (!sending || waiting_ || halted_ || paused_) return;
  Channel* channel = qp_.channel();
  bool reachable = channel && channel->alive();
  for (uint32_t last = end(); next_ != last;) {
    SendWqe& wqe = queue.at(next_);
    if (qp_.config.type == kDcInitiator) [[unlikely]] {
      switch (static_cast<DcInitiator&>(qp_).aim(wqe)) {
        case DcInitiator::Aim::kRight: break;
        case DcInitiator::Aim::kLater: return retire();
        case DcInitiator::Aim::kTurned: return run();  // what could be sent at once has been
        case DcInitiator::Aim::kNowhere: halted_ = true; return retire();
      }
    }
    if (!wqe.is_local() && !reachable) {
      qp_.config.lane->watch(qp_);
      break;
    }
    if (!may_start(wqe)) break;
    Sent sent = wqe.is_local() ? execute_local(wqe) : transmit(wqe);
    if (sent == Sent::kLater) {
      if (reachable) channel->wait(qp_);
      break;
    }
    if (sent == Sent::kGated) break;
    if (sent == Sent::kBad) {
      halted_ = true;
      break;
    }
    if (started_ == next_) ++started_;
    ++next_;
    if (wqe.is_local()) continue;
    ++next_msn_;
    if (wqe.reads_back()) ++reads_;
  }
  retire();
}

/// Where sending ends now. SQD sends again what a NAK has asked for, but begins nothing new.
uint32_t Requester::end() const { return qp_.state() == IBV_QPS_SQD ? started_ : qp_.send_queue.released(); }

bool Requester::may_start(const SendWqe& wqe) const {
  if (next_msn_ - acked_ >= kWindow) return false;
  if ((wqe.flags & IBV_SEND_FENCE) != 0 && reads_ != 0) return false;
  return !wqe.reads_back() || reads_ < qp_.path.max_rd_atomic || qp_.path.max_rd_atomic == 0;
}

/// Binds, invalidations and fills have no message: their msn is that of the next request.
Requester::Sent Requester::execute_local(SendWqe& wqe) {
  wqe.msn = next_msn_;
  if (wqe.done) return Sent::kYes;  // before a NAK made us go back
  if (wqe.is_crossing()) return execute_crossing(wqe);
  WindowOutcome outcome;
  if (wqe.opcode == IBV_WR_BIND_MW) {
    wqe.status = IBV_WC_MW_BIND_ERR;
    outcome =
        bind_window(qp_, {wqe.rkey, wqe.imm, wqe.remote_address, wqe.compare_add, static_cast<unsigned>(wqe.swap)});
  } else if (wqe.opcode >= kNopOpcode) {
    wqe.status = IBV_WC_MW_BIND_ERR;
    outcome = execute_fill(wqe) ? WindowOutcome::kDone : WindowOutcome::kRefused;
  } else {
    wqe.status = IBV_WC_LOC_QP_OP_ERR;
    outcome = invalidate_window(qp_, wqe.imm);
  }
  if (outcome == WindowOutcome::kBusy) return Sent::kLater;
  wqe.done = outcome == WindowOutcome::kDone;
  return wqe.done ? Sent::kYes : Sent::kBad;
}

/// What a key stands for. Operations through it look that up at each access, so none is waited for.
bool Requester::execute_fill(SendWqe& wqe) {
  if (wqe.opcode == kNopOpcode) return true;
  const std::unique_ptr<IndirectFill> fill = std::move(qp_.send_queue.fill(wqe));
  return fill_indirect(qp_, *fill);
}

Requester::Sent Requester::transmit(SendWqe& wqe) {
  wqe.msn = next_msn_;
  wqe.done = false;
  wqe.indirect = false;
  wqe.status = IBV_WC_LOC_PROT_ERR;
  switch (wqe.opcode) {
    case IBV_WR_SEND:
    case IBV_WR_SEND_WITH_IMM:
    case IBV_WR_SEND_WITH_INV:
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM: return send_data(wqe);
    case IBV_WR_RDMA_READ: return send_read(wqe);
    case IBV_WR_ATOMIC_WRITE: return send_atomic_write(wqe);
    case kFlushOpcode: return send_flush(wqe);
    case kMaskedCompareSwapOpcode:
    case kMaskedFetchAddOpcode: return send_masked_atomic(wqe);
    default: return send_atomic(wqe);
  }
}

Requester::Sent Requester::send_data(SendWqe& wqe) {
  Kind kind = opcodes::is_write(wqe.opcode) ? Kind::kWrite : Kind::kSend;
  if (wqe.length > path::kMaxMessage) {
    wqe.status = IBV_WC_LOC_LEN_ERR;
    return Sent::kBad;
  }
  if (!wqe.is_inline() && !qp_.resolve_sges(wqe, kLocalRead)) return Sent::kBad;
  if (wqe.is_inline() || wqe.length <= eager_limit()) return put_inline(wqe, kind);
  return put_indirect(wqe, kind, fabric::kRemoteRead);
}

Requester::Sent Requester::send_read(SendWqe& wqe) {
  if (qp_.path.max_rd_atomic == 0) {
    wqe.status = IBV_WC_LOC_QP_OP_ERR;
    return Sent::kBad;
  }
  if (!qp_.resolve_sges(wqe, kLocalWrite)) return Sent::kBad;
  if (wqe.length > eager_limit()) return put_indirect(wqe, Kind::kRead, fabric::kRemoteWrite);
  unsigned char* at = begin(wqe, Kind::kRead, 0, sizeof(wire::RdmaHeader));
  if (!at) return Sent::kLater;
  wire::RdmaHeader rdma{wqe.remote_address, wqe.rkey, wqe.length};
  memcpy(at, &rdma, sizeof rdma);
  return Sent::kYes;
}

Requester::Sent Requester::send_atomic(SendWqe& wqe) {
  if (qp_.path.max_rd_atomic == 0 || wqe.length != 8) {
    wqe.status = qp_.path.max_rd_atomic == 0 ? IBV_WC_LOC_QP_OP_ERR : IBV_WC_LOC_LEN_ERR;
    return Sent::kBad;
  }
  if (!qp_.resolve_sges(wqe, kLocalWrite)) return Sent::kBad;
  Kind kind = wqe.opcode == IBV_WR_ATOMIC_CMP_AND_SWP ? Kind::kCompareSwap : Kind::kFetchAdd;
  unsigned char* at = begin(wqe, kind, 0, sizeof(wire::AtomicHeader));
  if (!at) return Sent::kLater;
  wire::AtomicHeader atomic{wqe.remote_address, wqe.rkey, 0, wqe.compare_add, wqe.swap};
  memcpy(at, &atomic, sizeof atomic);
  return Sent::kYes;
}

Requester::Sent Requester::send_atomic_write(SendWqe& wqe) {
  uint64_t value = wqe.swap;
  if (wqe.length != sizeof value) {
    wqe.status = IBV_WC_LOC_LEN_ERR;
    return Sent::kBad;
  }
  if (!wqe.is_inline()) {
    if (!qp_.resolve_sges(wqe, kLocalRead)) return Sent::kBad;
    if (!qp_.gather(wqe, reinterpret_cast<unsigned char*>(&value))) return Sent::kBad;
  }
  unsigned char* at = begin(wqe, Kind::kAtomicWrite, 0, sizeof(wire::RdmaHeader) + sizeof value);
  if (!at) return Sent::kLater;
  wire::RdmaHeader rdma{wqe.remote_address, wqe.rkey, sizeof value};
  memcpy(at, &rdma, sizeof rdma);
  memcpy(at + sizeof rdma, &value, sizeof value);
  return Sent::kYes;
}

Requester::Sent Requester::send_flush(SendWqe& wqe) {
  if (qp_.path.max_rd_atomic == 0) {
    wqe.status = IBV_WC_LOC_QP_OP_ERR;
    return Sent::kBad;
  }
  unsigned char* at = begin(wqe, Kind::kFlush, 0, sizeof(wire::AtomicHeader));
  if (!at) return Sent::kLater;
  wire::AtomicHeader flush{wqe.remote_address, wqe.rkey, static_cast<uint32_t>(wqe.swap), wqe.compare_add, 0};
  memcpy(at, &flush, sizeof flush);
  return Sent::kYes;
}

unsigned char* Requester::begin(const SendWqe& wqe, Kind kind, uint8_t flags, size_t body) {
  size_t extension = extension_size();
  size_t head = sizeof(wire::PacketHeader) + extension;
  size_t size = head + body;
  unsigned char* at = qp_.channel()->begin(size, Channel::Use::kRequest);
  if (!at) return nullptr;
  flags |= opcodes::wire_flags(wqe.opcode) | ((wqe.flags & IBV_SEND_SOLICITED) ? wire::kSolicited : 0) |
           wire::kAckValid | wire::round_flags(round_);
  wire::PacketHeader header{kind,    flags,   static_cast<uint16_t>(size),     qp_.path.dest_qpn,
                            qp_.qpn, wqe.msn, qp_.responder.acknowledgement(), wqe.imm};
  memcpy(at, &header, sizeof header);
  if (extension) [[unlikely]] {
    if (qp_.config.type == kDcInitiator) {
      static_cast<DcInitiator&>(qp_).put_header(at);
    } else {
      put_xrc(wqe, at);
    }
  }
  qp_.ListNode<ConnectedQueuePair, OnOwing>::unlink();
  qp_.config.lane->watch(qp_);
  return at + head;
}

void Requester::put_xrc(const SendWqe& wqe, unsigned char* at) {
  at[offsetof(wire::PacketHeader, kind)] |= wire::kXrc;
  const XrcDomain* domain = qp_.config.domain;  // a relay's initiators have one
  wire::XrcHeader xrc{wqe.srqn, qp_.config.on_behalf_of, domain ? domain->inode() : 0};
  memcpy(at + sizeof(wire::PacketHeader), &xrc, sizeof xrc);
}

/// What stands between a request's header and its body.
size_t Requester::extension_size() const {
  if (qp_.config.type == IBV_QPT_XRC_SEND) return sizeof(wire::XrcHeader);
  return qp_.config.type == kDcInitiator ? sizeof(wire::DcHeader) : 0;
}

/// The largest payload that travels in a request or an answer.
size_t Requester::eager_limit() const { return qp_.channel()->eager_limit() - extension_size(); }

Requester::Sent Requester::put_inline(SendWqe& wqe, Kind kind) {
  size_t extra = kind == Kind::kWrite ? sizeof(wire::RdmaHeader) : 0;
  unsigned char* at = begin(wqe, kind, 0, extra + wqe.length);
  if (!at) return Sent::kLater;
  if (kind == Kind::kWrite) {
    wire::RdmaHeader rdma{wqe.remote_address, wqe.rkey, wqe.length};
    memcpy(at, &rdma, sizeof rdma);
    at += sizeof rdma;
  }
  if (qp_.gather(wqe, at)) [[likely]]
    return Sent::kYes;
  qp_.channel()->take_back();
  qp_.config.lane->owe(qp_);  // it may have carried an acknowledgement
  return Sent::kBad;
}

SendWqe* Requester::outstanding(uint32_t msn) {
  SendQueue& queue = qp_.send_queue;
  uint32_t head = queue.retired();
  if (head == next_) return nullptr;
  uint32_t offset = msn - queue.at(head).msn;
  if (offset >= next_ - head) return nullptr;
  for (uint32_t i = head + offset; i != next_; ++i) {
    SendWqe& wqe = queue.at(i);
    if (wqe.msn == msn && !wqe.is_local()) return &wqe;
  }
  return nullptr;
}

void Requester::acknowledged(uint32_t msn) {
  if (!before(acked_, msn) || before(next_msn_, msn)) return;
  acked_ = msn;
  retire();
  if (next_ != end()) run();
}

void Requester::answered(uint32_t msn) {
  SendWqe* wqe = outstanding(msn);
  wqe->done = true;
  --reads_;
  conceal(*wqe);
  if (!before(msn, acked_)) acked_ = msn + 1;
  retire();
  if (next_ != end()) run();
}

bool Requester::scatter(SendWqe& wqe, const unsigned char* data, size_t size) {
  if (!qp_.resolve_sges(wqe, kLocalWrite)) return false;
  for (uint32_t i = 0; i < wqe.sge_count && size > 0; ++i) {
    const ibv_sge& sge = wqe.sges()[i];
    if (sge.length == 0) continue;
    size_t part = std::min<size_t>(sge.length, size);
    unsigned char* to = wqe.exposed()[i]->host(sge.addr);
    if (!wqe.exposed()[i]->may_fault) {
      memcpy(to, data, part);
    } else if (!store(qp_.config.lane->memory, *wqe.exposed()[i], to, data, part)) {
      return false;
    }
    data += part;
    size -= part;
  }
  return true;
}

void Requester::read_response(const wire::Packet& packet) {
  SendWqe* wqe = outstanding(packet.header.msn);
  if (qp_.state() == IBV_QPS_ERR || !wqe || wqe->done) return;
  if (wqe->opcode != IBV_WR_RDMA_READ && wqe->opcode != kFlushOpcode) return;
  if (!wqe->indirect) {
    if (packet.length != wqe->length || packet.has(wire::kIndirect)) return qp_.fail(IBV_WC_BAD_RESP_ERR);
    if (!scatter(*wqe, packet.payload.data(), packet.payload.size())) return qp_.fail(IBV_WC_LOC_PROT_ERR);
  } else if (wqe->staged && !unstage(*wqe)) {
    return qp_.fail(IBV_WC_LOC_PROT_ERR);
  }
  answered(packet.header.msn);
}

void Requester::atomic_response(const wire::Packet& packet) {
  SendWqe* wqe = outstanding(packet.header.msn);
  if (qp_.state() == IBV_QPS_ERR || !wqe || wqe->done) return;
  if (!opcodes::is_atomic(wqe->opcode) && !wqe->is_masked_atomic()) return;
  uint64_t original = packet.atomic.compare_add;
  if (!scatter(*wqe, reinterpret_cast<const unsigned char*>(&original), wqe->length)) {
    return qp_.fail(IBV_WC_LOC_PROT_ERR);
  }
  answered(packet.header.msn);
}

void Requester::retire() {
  SendQueue& queue = qp_.send_queue;
  bool any = false;
  while (queue.retired() != next_) {
    SendWqe& wqe = queue.at(queue.retired());
    if (!wqe.done && (wqe.reads_back() || !before(wqe.msn, acked_))) break;
    conceal(wqe);
    complete(wqe, IBV_WC_SUCCESS, 0);
    any = true;
  }
  if (any) restart_budgets();
  if (queue.retired() != next_) return;
  if (halted_) return fail_oldest(static_cast<ibv_wc_status>(queue.at(next_).status));
  if (next_ == end()) qp_.ListNode<QueuePair, OnOutstanding>::unlink();
  if (qp_.state() == IBV_QPS_SQD) qp_.config.lane->drained(qp_);
}

/// A local error. UC: only the send queue stops (SQE), what arrives is still taken.
void Requester::fail_oldest(ibv_wc_status status) {
  if (qp_.reliable()) return qp_.fail(status);
  fail(status, 0);
  qp_.set_state(IBV_QPS_SQE);
  flush();
}

/// UC: what cannot be delivered is lost without a word.
void Requester::lose() {
  SendQueue& queue = qp_.send_queue;
  for (uint32_t last = end(); queue.retired() != last;) {
    SendWqe& wqe = queue.at(queue.retired());
    if (queue.retired() == next_) ++next_;
    conceal(wqe);
    complete(wqe, IBV_WC_SUCCESS, 0);
  }
  started_ = next_;
  acked_ = next_msn_;
  halted_ = false;
  qp_.ListNode<QueuePair, OnOutstanding>::unlink();
}

bool Requester::drained() const { return qp_.send_queue.retired() == started_; }

bool Requester::idle() const { return qp_.send_queue.retired() == qp_.send_queue.posted(); }

/// Ends the oldest WR. Its slot is free before the completion shows: who polls it may post at once.
void Requester::complete(SendWqe& wqe, ibv_wc_status status, uint32_t vendor_error) {
  if (qp_.config.type == kDcInitiator) [[unlikely]]
    qp_.send_queue.extension(wqe).address->release();
  if (wqe.opcode == kWaitOpcode && !wqe.done) [[unlikely]]
    --wqe.awaited->waits;
  if (wqe.origin == SendWqe::Origin::kProgram) [[likely]]
    return qp_.complete_send(wqe, status, vendor_error);
  SendWqe::Origin origin = wqe.origin;
  qp_.send_queue.retire();
  if (origin == SendWqe::Origin::kRelay) return qp_.relay->finished(status);
  qp_.rendezvous->finished(origin, status);
}

void Requester::restart_budgets() {
  rnr_left_ = qp_.path.rnr_retry;
  retries_left_ = qp_.path.retry_count;
}

void Requester::rewind(uint32_t msn) {
  SendQueue& queue = qp_.send_queue;
  uint32_t first = next_;
  while (first != queue.retired() && !before(queue.at(first - 1).msn, msn)) --first;
  for (uint32_t i = first; i != next_; ++i) {
    SendWqe& wqe = queue.at(i);
    conceal(wqe);
    if (wqe.reads_back() && !wqe.done) --reads_;
  }
  next_ = first;
  next_msn_ = msn;
  halted_ = false;  // what is bad is found again when its turn comes
  ++round_;
}

void Requester::refused(const wire::Packet& packet) {
  uint32_t msn = packet.header.msn;
  auto code = static_cast<wire::NakCode>(packet.header.aux & 0xff);
  if (qp_.state() == IBV_QPS_ERR || waiting_ || !outstanding(msn)) return;
  if (wire::round_of(packet.header) != (round_ & wire::kRoundMask)) return;  // about a sending that was repeated since
  if (!qp_.reliable()) return acknowledged(msn + 1);                         // UC: lost, as on a wire
  if (code != wire::NakCode::kNotConnected) acknowledged(msn);
  if (!outstanding(msn)) return;
  switch (code) {
    case wire::NakCode::kReceiverNotReady: return refused_not_ready(packet);
    case wire::NakCode::kNotConnected: return refused_not_connected(packet);
    case wire::NakCode::kInvalidRequest: return qp_.fail(IBV_WC_REM_INV_REQ_ERR);
    case wire::NakCode::kRemoteAccess: return qp_.fail(IBV_WC_REM_ACCESS_ERR);
    case wire::NakCode::kRemoteOperation: return qp_.fail(IBV_WC_REM_OP_ERR);
  }
}

void Requester::refused_not_ready(const wire::Packet& packet) {
  if (rnr_left_ == 0 && qp_.relay) return give_back(packet.header.msn);
  if (rnr_left_ == 0) return qp_.fail(IBV_WC_RNR_RETRY_EXC_ERR);
  if (rnr_left_ != path::kInfiniteRnrRetry) --rnr_left_;
  rewind(packet.header.msn);
  retry_counts_ = false;
  start_timer(path::rnr_timer_ns(packet.header.aux >> 8));
}

/// A relay's one request: it comes again when the first requester has waited.
void Requester::give_back(uint32_t msn) {
  rewind(msn);
  SendWqe& wqe = qp_.send_queue.at(next_++);
  qp_.ListNode<QueuePair, OnOutstanding>::unlink();
  complete(wqe, IBV_WC_RNR_RETRY_EXC_ERR, 0);
}

void Requester::refused_not_connected(const wire::Packet& packet) {
  if (qp_.relay) return qp_.fail(IBV_WC_RETRY_EXC_ERR);  // there is no such SRQ: that does not change
  rewind(packet.header.msn);
  retry_counts_ = true;
  start_timer(path::timeout_ns(qp_.path.timeout));
}

void Requester::start_timer(uint64_t delay_ns) {
  waiting_ = true;
  qp_.config.lane->start_timer(qp_, clock_ns() + delay_ns);
}

void Requester::resume() {
  if (!waiting_) return;
  waiting_ = false;
  stalled_since_ = 0;
  if (qp_.state() == IBV_QPS_ERR) return;
  if (retry_counts_ && qp_.path.timeout != 0) {
    if (retries_left_ == 0) return qp_.fail(IBV_WC_RETRY_EXC_ERR);
    --retries_left_;
  }
  run();
}

uint64_t Requester::budget_ns() const { return path::timeout_ns(qp_.path.timeout) * (qp_.path.retry_count + 1u); }

void Requester::tick(uint64_t now_ns) {
  uint32_t mark = qp_.send_queue.retired();
  if (mark != tick_mark_ || waiting_ || stalled_since_ == 0) {
    tick_mark_ = mark;
    stalled_since_ = now_ns;
    return;
  }
  if (!quiescing_ && qp_.state() != IBV_QPS_RTS && qp_.state() != IBV_QPS_SQD) return;
  Channel* channel = qp_.channel();
  bool gone = channel ? !channel->alive() : !(qp_.route && qp_.route->reached);
  if (channel && !gone && now_ns - stalled_since_ > budget_ns() / 2) channel->probe();
  // The budget measures the path: a peer whose process lives, however slow, is not given up.
  if (now_ns - stalled_since_ < budget_ns()) return;
  if (qp_.path.timeout == 0 && qp_.reliable() && !(channel && gone)) return;  // infinite, while there is hope
  if (!gone && !(channel && channel->path_dead())) return;
  if (quiescing_) return quiesced();  // nobody is left who could say it
  if (!qp_.reliable()) return lose();
  log(LogLevel::debug, "QP %06x: no answer for %llu ms, and the path is dead", qp_.qpn,
      static_cast<unsigned long long>((now_ns - stalled_since_) / kMillisecond));
  forsake();
}

void Requester::fail(ibv_wc_status first, uint32_t vendor_error) {
  first_status_ = first;
  first_vendor_error_ = vendor_error;
  halted_ = false;
  waiting_ = false;
}

void Requester::flush() {
  SendQueue& queue = qp_.send_queue;
  if (exposed_ != 0) {
    Channel* channel = qp_.channel();
    if (!channel || !channel->alive()) return peer_gone();
    if (!quiescing_ && !ask_to_quiesce(*channel)) channel->wait(qp_);
    return;
  }
  for (uint32_t posted = queue.posted(); queue.retired() != posted;) {
    ibv_wc_status status = std::exchange(first_status_, IBV_WC_WR_FLUSH_ERR);
    complete(queue.at(queue.retired()), status, status == IBV_WC_WR_FLUSH_ERR ? 0 : first_vendor_error_);
  }
  next_ = started_ = queue.retired();
  reads_ = 0;
  qp_.ListNode<QueuePair, OnOutstanding>::unlink();
}

bool Requester::ask_to_quiesce(Channel& channel) {
  unsigned char* at = channel.begin(sizeof(wire::PacketHeader), Channel::Use::kAnswer);
  if (!at) return false;
  wire::PacketHeader header{Kind::kQuiesce, 0, sizeof header, qp_.path.dest_qpn, qp_.qpn, next_msn_, 0, 0};
  memcpy(at, &header, sizeof header);
  return quiescing_ = true;
}

/// The path is dead: the peer is asked to let go of memory, if it ever hears of it, but nothing waits for that.
void Requester::forsake() {
  Channel* channel = qp_.channel();
  if (exposed_ != 0 && channel && channel->alive()) static_cast<void>(ask_to_quiesce(*channel));
  for (uint32_t i = qp_.send_queue.retired(); i != next_; ++i) conceal(qp_.send_queue.at(i));
  qp_.fail(IBV_WC_RETRY_EXC_ERR);
}

void Requester::quiesced() {
  if (!quiescing_) return;
  quiescing_ = false;
  peer_gone();
}

void Requester::peer_gone() {
  SendQueue& queue = qp_.send_queue;
  for (uint32_t i = queue.retired(); i != next_; ++i) conceal(queue.at(i));
  if (qp_.state() == IBV_QPS_ERR) flush();
}

void Requester::reset() {
  qp_.send_queue.clear();
  next_ = started_ = qp_.send_queue.retired();
  next_msn_ = acked_ = 0;
  reads_ = 0;
  waiting_ = halted_ = quiescing_ = false;
  first_status_ = IBV_WC_WR_FLUSH_ERR;
  stalled_since_ = 0;
}

}  // namespace vb
