// SPDX-License-Identifier: BSD-2-Clause
// The payloads that the fabric moves for the responder: transfers with the requester's memory, and what they hold.
#include <algorithm>

#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"

namespace vb {

using wire::Packet;

Responder::Pool::Pool() { spare_.reserve(kMost); }
Responder::Pool::~Pool() = default;

Responder::OwnedOperation Responder::Pool::take() {
  OwnedOperation operation;
  if (spare_.empty()) {
    operation.reset(new Operation);
  } else {
    operation.reset(spare_.back().release());
    spare_.pop_back();
  }
  operation->pool = this;
  return operation;
}

/// What comes next finds it as if it were new.
void Responder::Recycle::operator()(Operation* operation) const {
  auto& spare = operation->pool->spare_;
  std::unique_ptr<Operation> owned(operation);
  if (spare.size() == Pool::kMost) return;
  auto bytes = std::move(owned->bytes);
  auto segments = std::move(owned->segments);
  std::destroy_at(operation);
  new (operation) Operation;
  operation->bytes = std::move(bytes);
  operation->segments = std::move(segments);
  operation->segments.clear();
  spare.push_back(std::move(owned));
}

/// Whether some of where the data goes or comes from is pieces of other regions.
bool Responder::in_pieces() const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [](const Segment& each) { return each.region->layout != nullptr; });
}

/// Brings the payload straight to where it goes, or, where that is in pieces, here first: it is executed once more
/// then.
Responder::Outcome Responder::pull(const Packet& packet, Operation* operation) {
  if (!in_pieces()) return start_move(packet, operation, true);
  if (!operation) {
    operation = &hold(packet);
    operation->receive = receive_;
    operation->has_receive = packet.consumes_receive();
  }
  return gather(operation->packet, operation);
}

/// Takes the payload of a READ from where it is, or from a copy.
Responder::Outcome Responder::push(const Packet& packet, Operation* operation) {
  if (!in_pieces()) return start_move(packet, operation, false);
  auto copy = std::make_unique<Gathered>(packet.length);
  if (!copy->bytes) return refuse(packet, {wire::NakCode::kRemoteOperation, IBV_EVENT_QP_FATAL});
  const Segment& from = segments_[0];
  if (!fetch(qp_.config.lane->memory, *from.region, copy->bytes.get(), from.address, packet.length)) {
    return refuse_fault(packet, false);
  }
  segments_.clear();
  segments_.push_back({copy->bytes.get(), packet.length, copy->region});
  if (!operation) operation = &hold(packet);
  operation->gathered = std::move(copy);
  return start_move(operation->packet, operation, false);
}

Responder::Outcome Responder::start_move(const Packet& packet, Operation* operation, bool pull) {
  Operation& started = start_operation(packet, operation);
  started.pull = pull;
  started.left = packet.length;
  launch(started);
  return Outcome::kRunning;
}

/// From here on the operation holds what it works on.
Responder::Operation& Responder::start_operation(const Packet& packet, Operation* operation) {
  if (!operation) {
    operation = &hold(packet);
    operation->receive = receive_;
    operation->has_receive = packet.consumes_receive();
  }
  operation->srq = srq_;
  if (srq_) ++srq_->users;
  operation->segments = segments_;
  operation->state = Operation::kMoving;
  for (Segment& segment : operation->segments) {
    retain(*segment.region);
    ++segment.region->remote_users;
    if (segment.window) ++segment.window->users;
  }
  ++running_;
  return *operation;
}

/// Hands transfers to the fabric while it takes them.
void Responder::launch(Operation& operation) {
  if (!qp_.can_receive() || !qp_.channel()->alive()) return;  // it ends when the last transfer does
  while (operation.left > 0 && operation.free_transfers != 0 && operation.error == 0) {
    int status = launch_one(operation);
    if (status == EAGAIN) {
      qp_.channel()->wait(qp_);
      return;
    }
    if (status != 0) operation.error = status;
  }
}

int Responder::launch_one(Operation& operation) {
  Channel& channel = *qp_.channel();
  fabric::Endpoint& endpoint = channel.endpoint();
  Segment& segment = operation.segments[operation.segment];
  wire::Piece piece = operation.packet.piece(operation.piece);
  uint64_t size = std::min({segment.length - operation.segment_offset, piece.length - operation.piece_offset,
                            uint64_t{endpoint.traits().max_transfer}});
  fabric::Registration local;
  unsigned char* at = segment.address + operation.segment_offset;
  if (!present(*segment.region, at, size, operation.pull)) return EFAULT;
  if (endpoint.traits().registers_local) {
    if (!segment.local)
      segment.local = expose(*segment.region, endpoint, fabric::kLocal, segment.address, segment.length);
    if (!segment.local) return ENOMEM;
    local = *segment.local;
  }
  local.may_fault = segment.region->may_fault;
  unsigned slot = static_cast<unsigned>(__builtin_ctz(operation.free_transfers));
  fabric::Transfer& transfer = operation.transfers[slot];
  transfer.owner = &operation;
  uint64_t remote = piece.address + operation.piece_offset;
  int status = operation.pull ? endpoint.read(channel.peer(), at, size, local, remote, piece.key, transfer)
                              : endpoint.write(channel.peer(), at, size, local, remote, piece.key, transfer);
  if (status != 0) return status;
  operation.free_transfers &= ~(1u << slot);
  ++operation.flying;
  qp_.config.lane->transfer_begun();
  operation.left -= size;
  operation.segment_offset += size;
  operation.piece_offset += size;
  if (operation.segment_offset == segment.length) ++operation.segment, operation.segment_offset = 0;
  if (operation.piece_offset == piece.length) ++operation.piece, operation.piece_offset = 0;
  channel.moved();
  return 0;
}

void Responder::transfer_finished(fabric::Transfer& transfer, int error) {
  auto& operation = *static_cast<Operation*>(transfer.owner);
  operation.free_transfers |= 1u << (&transfer - operation.transfers.data());
  --operation.flying;
  if (error && operation.error == 0) operation.error = error;
  if (operation.responder) return operation.responder->advance();
  if (operation.flying == 0) free_abandoned(operation);
}

void Responder::release_regions(Operation& operation) {
  for (Segment& segment : operation.segments) {
    if (segment.local && qp_.channel()) {
      conceal(*segment.region, qp_.channel()->endpoint(), fabric::kLocal, segment.address, segment.length);
    }
    --segment.region->remote_users;
    if (segment.window) --segment.window->users;
    release(*segment.region);
  }
  operation.segments.clear();
  if (operation.srq) --operation.srq->users;
  --running_;
}

bool Responder::uses(const void* object) const {
  return std::any_of(pipeline_.begin(), pipeline_.end(), [&](auto& operation) {
    if (operation->state != Operation::kMoving) return false;
    auto in_it = [&](const Segment& segment) { return segment.region == object || segment.window == object; };
    return operation->srq == object || std::any_of(operation->segments.begin(), operation->segments.end(), in_it);
  });
}

void Responder::abandon() {
  std::deque<OwnedOperation> pipeline;
  pipeline.swap(pipeline_);
  for (auto& operation : pipeline) {
    if (operation->state == Operation::kRelayed) {  // It ends with its relay, which is cut off by itself.
      pipeline_.push_back(std::move(operation));
      continue;
    }
    srq_ = operation->srq;
    receive_ = operation->receive;
    if (operation->has_receive) receive_error(operation->packet, IBV_WC_WR_FLUSH_ERR);
    if (operation->state != Operation::kMoving) continue;
    --running_;
    if (operation->srq) --std::exchange(operation->srq, nullptr)->users;
    for (Segment& segment : operation->segments) {
      --segment.region->remote_users;
      if (segment.window) --std::exchange(segment.window, nullptr)->users;
    }
    operation->responder = nullptr;
    if (operation->flying == 0) {
      free_abandoned(*operation.release());
    } else {
      static_cast<void>(operation.release());  // until its last transfer ends, if ever
    }
  }
  settle();
}

void Responder::free_abandoned(Operation& operation) {
  for (Segment& segment : operation.segments) release(*segment.region);
  Recycle{}(&operation);
}

}  // namespace vb
