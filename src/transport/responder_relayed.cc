// SPDX-License-Identifier: BSD-2-Clause
// The responder's part of XRC: a request finds its SRQ. One for an SRQ of another process waits until that one has
// answered (xrc_relay.h), and is answered in the same way.
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/opcodes.h"
#include "transport/responder.h"
#include "transport/xrc_relay.h"

namespace vb {

using wire::Kind;
using wire::NakCode;
using wire::Packet;

namespace {

unsigned flush_needs(uint32_t how) {
  unsigned access = 0;
  if (how & wire::kFlushVisible) access |= kFlushGlobal;
  if (how & wire::kFlushToStorage) access |= kFlushPersistent;
  return access;
}

/// What the target itself must grant.
unsigned needs(const Packet& packet) {
  switch (packet.header.kind) {
    case Kind::kWrite:
    case Kind::kAtomicWrite: return kRemoteWrite;
    case Kind::kRead: return kRemoteRead;
    case Kind::kCompareSwap:
    case Kind::kFetchAdd: return kRemoteAtomic;
    case Kind::kFlush: return flush_needs(packet.atomic.reserved);
    default: return 0;
  }
}

bool is_answered_with_data(Kind kind) {
  return kind == Kind::kRead || kind == Kind::kCompareSwap || kind == Kind::kFetchAdd;
}

/// How much memory the request needs here: for its payload, or for what is read.
size_t room_for(const Packet& packet) {
  if (packet.header.kind == Kind::kRead) return packet.length;
  return is_answered_with_data(packet.header.kind) ? sizeof(uint64_t) : packet.payload.size();
}

}  // namespace

/// XRC: the SRQ that the request names, or none if another process has it. InfiniBand specification, annex A14.
Responder::Outcome Responder::find_srq(const Packet& packet) {
  bool fits = packet.is_xrc && qp_.is_xrc_target();
  srq_ = fits ? qp_.config.lane->find_srq(packet.xrc.srqn) : nullptr;
  if (srq_ && srq_->domain == qp_.config.domain) return Outcome::kDone;
  srq_ = nullptr;
  if (fits && qp_.relay && qp_.relay->reaches(packet.xrc.srqn)) return Outcome::kDone;
  return refuse(packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});
}

Responder::Outcome Responder::relay(const Packet& packet, Operation* operation) {
  if (early_) return Outcome::kLater;
  Kind kind = packet.header.kind;
  bool answers = is_answered_with_data(kind) || kind == Kind::kFlush;
  if ((qp_.path.access & needs(packet)) != needs(packet) || (answers && qp_.path.max_dest_rd_atomic == 0)) {
    return refuse(packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});
  }
  if (packet.has(wire::kIndirect) && kind != Kind::kRead) return gather(packet, operation);
  if (!operation) operation = &hold(packet);
  const Packet& held = operation->packet;
  if (!operation->gathered) {
    size_t size = room_for(held);
    operation->gathered = std::make_unique<Gathered>(size);
    if (!operation->gathered->bytes) return refuse(held, {NakCode::kRemoteOperation, IBV_EVENT_QP_FATAL});
    if (!is_answered_with_data(kind) && size) memcpy(operation->gathered->bytes.get(), held.payload.data(), size);
  }
  operation->state = Operation::kRelayed;
  ++running_;
  qp_.relay->start(held, *operation->gathered->region);
  return Outcome::kRunning;
}

/// True: the operation is gone, or goes on as another. False: it waits.
bool Responder::finish_relay(Operation& operation) {
  const std::optional<ibv_wc_status>& result = qp_.relay->result();
  if (!result) return false;
  bool reachable = qp_.can_receive() && qp_.channel() && qp_.channel()->alive();
  if (reachable && *result == IBV_WC_SUCCESS && !answer_relayed(operation)) {
    qp_.channel()->wait(qp_);
    return false;
  }
  ibv_wc_status status = *result;
  qp_.relay->take();
  --running_;
  if (!reachable) {
    pipeline_.pop_front();
    return true;
  }
  if (status != IBV_WC_SUCCESS) {
    refuse_relayed(operation, status);
    return false;
  }
  if (operation.packet.header.kind != Kind::kRead || !operation.packet.has(wire::kIndirect)) return pop_done();
  segments_.clear();
  segments_.push_back({operation.gathered->bytes.get(), operation.packet.length, operation.gathered->region});
  srq_ = nullptr;
  start_move(operation.packet, &operation, false);
  return finish_move(operation);
}

/// False: no room now. A large READ is answered when its data has been moved.
bool Responder::answer_relayed(Operation& operation) {
  const Packet& packet = operation.packet;
  if (packet.header.kind == Kind::kFlush) return answer(packet.header.msn, Kind::kReadResponse, 0);
  if (!is_answered_with_data(packet.header.kind) || packet.has(wire::kIndirect)) return true;
  size_t size = room_for(packet);
  Kind kind = packet.header.kind == Kind::kRead ? Kind::kReadResponse : Kind::kAtomicResponse;
  unsigned char* body = answer(packet.header.msn, kind, size);
  if (body && size) memcpy(body, operation.gathered->bytes.get(), size);
  return body != nullptr;
}

/// What the other process said is what the requester is told. Drops the operation.
void Responder::refuse_relayed(Operation& operation, ibv_wc_status status) {
  operation.state = Operation::kWaiting;
  operation.gathered.reset();
  executing_ = &operation;
  switch (status) {
    case IBV_WC_RNR_RETRY_EXC_ERR: refuse_not_ready(operation.packet); break;
    case IBV_WC_REM_ACCESS_ERR: refuse(operation.packet, {NakCode::kRemoteAccess, IBV_EVENT_QP_ACCESS_ERR}); break;
    case IBV_WC_REM_OP_ERR: refuse(operation.packet, {NakCode::kRemoteOperation}); break;
    default: refuse(operation.packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});  // or nobody is there
  }
  executing_ = nullptr;
}

}  // namespace vb
