// SPDX-License-Identifier: BSD-2-Clause
#include "transport/xrc_relay.h"

#include <mutex>

#include "transport/lane.h"
#include "transport/opcodes.h"
#include "transport/router.h"
#include "transport/xrc_domain.h"

namespace vb {

using wire::Kind;

/// An initiator in the target's process, connected to the process that has the SRQ. Its peer's number is the SRQ's.
struct XrcRelay::Way final : QueuePair::Listener {
  void async_event(ibv_event_type) override {}  // the target tells, when the request is refused

  ConnectedQueuePair qp;
};

XrcRelay::XrcRelay(ConnectedQueuePair& target, Home home) : target_(target), home_(std::move(home)) {}

XrcRelay::~XrcRelay() = default;

bool XrcRelay::reaches(uint32_t srqn) {
  auto known = ways_.find(srqn);
  if (known != ways_.end() && known->second->qp.state() == IBV_QPS_RTS) return true;
  return target_.config.domain && target_.config.domain->has_member(srqn >> kSlotBits);
}

XrcRelay::Way* XrcRelay::way_to(uint32_t srqn) {
  std::unique_ptr<Way>& way = ways_[srqn];
  if (way && way->qp.state() == IBV_QPS_RTS) return way.get();
  if (way) remove(*way);
  way = std::make_unique<Way>();
  ConnectedQueuePair& qp = way->qp;
  auto qpn = home_.router.allocate_qpn(home_.device, home_.addresses);
  bool opened = qp.send_queue.open(1, 1, 0, nullptr, 2) && qp.receive_queue.open(0, 0, nullptr);
  if (!qpn || !opened) {
    if (qpn) home_.router.free_qpn(*qpn);
    ways_.erase(srqn);
    return nullptr;
  }
  qp.qpn = *qpn;
  qp.config.lane = target_.config.lane;
  qp.config.listener = way.get();
  qp.config.type = IBV_QPT_XRC_SEND;
  qp.config.pd = this;
  qp.config.domain = target_.config.domain;
  qp.config.on_behalf_of = target_.qpn;
  qp.relay = this;
  // The first requester counts RNR retries: this one must not make any.
  qp.path = {.dest_qpn = srqn, .timeout = 17, .retry_count = 7, .rnr_retry = 0, .max_rd_atomic = 1};
  target_.config.domain->join(*qpn >> kSlotBits);
  qp.config.lane->add(qp);
  const SocketAddress& here = home_.addresses.front();
  qp.set_state(IBV_QPS_RTS);
  qp.requester.restart_budgets();
  if (!home_.router.connect(qp, here, here, srqn)) qp.fail(IBV_WC_RETRY_EXC_ERR);
  return way.get();
}

void XrcRelay::remove(Way& way) {
  way.qp.config.lane->remove(way.qp);
  home_.router.free_qpn(way.qp.qpn);
}

namespace {

ibv_wr_opcode opcode_of(const wire::Packet& packet) {
  bool immediate = packet.has(wire::kImmediate);
  switch (packet.header.kind) {
    case Kind::kWrite: return immediate ? IBV_WR_RDMA_WRITE_WITH_IMM : IBV_WR_RDMA_WRITE;
    case Kind::kRead: return IBV_WR_RDMA_READ;
    case Kind::kCompareSwap: return IBV_WR_ATOMIC_CMP_AND_SWP;
    case Kind::kFetchAdd: return IBV_WR_ATOMIC_FETCH_AND_ADD;
    case Kind::kAtomicWrite: return IBV_WR_ATOMIC_WRITE;
    case Kind::kFlush: return static_cast<ibv_wr_opcode>(kFlushOpcode);
    default: break;
  }
  if (packet.has(wire::kInvalidate)) return IBV_WR_SEND_WITH_INV;
  return immediate ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND;
}

/// The request as a WR.
void fill(SendWqe& wqe, const wire::Packet& packet, const MemoryRegion& memory) {
  wqe.wr_id = 0;
  wqe.opcode = static_cast<uint8_t>(opcode_of(packet));
  wqe.flags = packet.has(wire::kSolicited) ? IBV_SEND_SOLICITED : 0;
  wqe.imm = packet.header.aux;
  wqe.srqn = packet.xrc.srqn;
  bool atomic = opcodes::is_atomic(wqe.opcode) || wqe.opcode == kFlushOpcode;
  wqe.remote_address = atomic ? packet.atomic.address : packet.rdma.address;
  wqe.rkey = atomic ? packet.atomic.rkey : packet.rdma.rkey;
  wqe.compare_add = packet.atomic.compare_add;
  wqe.swap = wqe.opcode == kFlushOpcode ? packet.atomic.reserved : packet.atomic.swap;
  wqe.length = static_cast<uint32_t>(memory.length);
  wqe.sge_count = memory.length ? 1 : 0;
  if (memory.length) wqe.sges()[0] = {memory.address, wqe.length, memory.key};
}

}  // namespace

void XrcRelay::start(const wire::Packet& packet, MemoryRegion& memory) {
  Lane& lane = *target_.config.lane;
  memory.pd = this;
  memory.access = kLocalWrite;
  memory_ = &memory;
  Way* way = lane.memory.add(memory) ? way_to(packet.xrc.srqn) : nullptr;
  if (!way) return finished(IBV_WC_RETRY_EXC_ERR);
  SendQueue& queue = way->qp.send_queue;
  {
    std::lock_guard guard(queue.lock());
    fill(*queue.reserve_extra(SendWqe::Origin::kRelay), packet, memory);
    queue.publish();
  }
  way->qp.run();
}

/// Not answered here: this comes from the depths of the initiator's requester.
void XrcRelay::finished(ibv_wc_status status) {
  result_ = status;
  target_.config.lane->revisit(target_);
}

void XrcRelay::take() {
  if (memory_->key) target_.config.lane->memory.remove(*memory_);
  memory_ = nullptr;
  result_.reset();
}

void XrcRelay::stop() {
  for (auto& [srqn, way] : ways_) way->qp.fail(IBV_WC_WR_FLUSH_ERR);
}

bool XrcRelay::quiet() const {
  for (auto& [srqn, way] : ways_) {
    if (!way->qp.quiet()) return false;
  }
  return true;
}

void XrcRelay::cut_off() {
  for (auto& [srqn, way] : ways_) {
    if (!way->qp.quiet()) way->qp.cut_off();
  }
}

void XrcRelay::close() {
  for (auto& [srqn, way] : ways_) remove(*way);
  ways_.clear();
}

}  // namespace vb
