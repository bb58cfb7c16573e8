// SPDX-License-Identifier: BSD-2-Clause
// The responder's part of tag matching: a message finds its receive by its tag, or goes to the SRQ as an unexpected
// one. ibv_post_srq_ops(3); the headers are those of infiniband/tm_types.h.
#include <new>

#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/responder.h"

namespace vb {

using wire::NakCode;
using wire::Packet;

Responder::Gathered::Gathered(size_t size) : bytes(new (std::nothrow) unsigned char[size]), region(new MemoryRegion) {
  region->address = region->iova = reinterpret_cast<uint64_t>(bytes.get());
  region->length = size;
}

Responder::Gathered::~Gathered() { release(*region); }

/// The tag stands in the payload, so the payload must be here before anybody knows where it goes.
Responder::Outcome Responder::gather(const Packet& packet, Operation* operation) {
  auto gathered = std::make_unique<Gathered>(packet.length);
  if (!gathered->bytes) return refuse(packet, {NakCode::kRemoteOperation, IBV_EVENT_QP_FATAL});
  segments_.clear();
  segments_.push_back({gathered->bytes.get(), packet.length, gathered->region});
  if (!operation) operation = &hold(packet);
  operation->gathered = std::move(gathered);
  return start_move(operation->packet, operation, true);
}

/// From now on the operation is one whose payload came with it.
void Responder::end_gathering(Operation& operation) {
  release_regions(operation);
  operation.state = Operation::kWaiting;
  operation.packet.header.flags &= static_cast<uint8_t>(~wire::kIndirect);
  operation.packet.payload = {operation.gathered->bytes.get(), operation.packet.length};
}

Responder::Outcome Responder::execute_tagged(const Packet& packet, Operation* operation) {
  if (packet.has(wire::kIndirect)) return gather(packet, operation);
  TagHeader header = parse_tag_header(packet.payload);
  if (header.opcode != IBV_TMH_EAGER && !header.rendezvous) {
    return deliver_unexpected(packet, operation, IBV_WC_TM_NO_TAG);
  }
  bool matched = srq_->tags->match(header.tag, receive_);
  if (matched) return header.rendezvous ? start_rendezvous(packet, header) : deliver_eager(packet, header);
  Outcome outcome = deliver_unexpected(packet, operation, IBV_WC_TM_RECV);
  if (outcome == Outcome::kDone) srq_->tags->unexpected();
  return outcome;
}

Responder::Outcome Responder::deliver_unexpected(const Packet& packet, Operation* operation, ibv_wc_opcode opcode) {
  Outcome taken = take_receive(packet, operation);
  if (taken != Outcome::kDone) return taken;
  if (room(receive_) < packet.length) return refuse(packet, {NakCode::kInvalidRequest, -1, IBV_WC_LOC_LEN_ERR});
  if (!resolve_receive(packet.length)) return refuse(packet, {NakCode::kRemoteOperation, -1, IBV_WC_LOC_PROT_ERR});
  if (!copy_in(packet.payload)) return refuse_fault(packet, true);
  Cqe cqe;
  cqe.wr_id = receive_.wr_id;
  cqe.opcode = opcode;
  cqe.byte_len = packet.length;
  deliver(packet, cqe);
  return Outcome::kDone;
}

Responder::Outcome Responder::deliver_eager(const Packet& packet, const TagHeader& header) {
  std::span<const unsigned char> payload = packet.payload.subspan(sizeof(ibv_tmh));
  if (room(receive_) < payload.size()) return refuse(packet, {NakCode::kInvalidRequest, -1, IBV_WC_LOC_LEN_ERR});
  if (!resolve_receive(payload.size())) return refuse(packet, {NakCode::kRemoteOperation, -1, IBV_WC_LOC_PROT_ERR});
  if (!copy_in(payload)) return refuse_fault(packet, true);
  Cqe cqe;
  cqe.wr_id = receive_.wr_id;
  cqe.opcode = IBV_WC_TM_RECV;
  cqe.wc_flags = IBV_WC_TM_MATCH | IBV_WC_TM_DATA_VALID;
  cqe.byte_len = static_cast<uint32_t>(payload.size());
  cqe.tm_tag = header.tag;
  cqe.tm_priv = header.app_context;
  deliver(packet, cqe);
  return Outcome::kDone;
}

Responder::Outcome Responder::start_rendezvous(const Packet& packet, const TagHeader& header) {
  if (room(receive_) < header.length) return refuse(packet, {NakCode::kInvalidRequest, -1, IBV_WC_LOC_LEN_ERR});
  Cqe cqe;
  cqe.wr_id = receive_.wr_id;
  cqe.opcode = IBV_WC_TM_RECV;
  cqe.wc_flags = IBV_WC_TM_MATCH;
  cqe.tm_tag = header.tag;
  cqe.tm_priv = header.app_context;
  deliver(packet, cqe);
  qp_.rendezvous->start(receive_, header);
  return Outcome::kDone;
}

}  // namespace vb
