// SPDX-License-Identifier: BSD-2-Clause
#include "transport/two_ends.h"

#include <cstring>

namespace vb {

namespace {
constexpr uint32_t kDepth = 512;
constexpr uint32_t kSlot = 7;
}  // namespace

Memory::Memory(Lane& lane, size_t size, unsigned access, unsigned char fill)
    : bytes(size, fill), region(new MemoryRegion), lane_(lane) {
  region->address = region->iova = address();
  region->length = size;
  region->access = access;
  auto guard = lane.hold();
  EXPECT_TRUE(lane.memory.add(*region));
  lkey = rkey = region->key;
}

Memory::~Memory() { deregister(); }

void Memory::deregister() {
  if (!region) return;
  auto guard = lane_.hold();
  lane_.memory.remove(*region);
  release(*std::exchange(region, nullptr));
}

ibv_sge Memory::sge(size_t offset, size_t length) const {
  return {address() + offset, static_cast<uint32_t>(length), lkey};
}

End::End(unsigned char number, const EndOptions& options) : owned(new ConnectedQueuePair), qp(*owned) {
  id.fill(number);
  auto fake = std::make_unique<fabric::FakeEndpoint>(std::string("end ") + std::to_string(number), options.traits,
                                                     options.modes);
  endpoint = fake.get();
  auto guard = lane.hold();
  rail = &lane.add_rail(std::move(fake));
  token_ = lane.reserve_token();
  EXPECT_TRUE(send_cq.open({.depth = 4 * kDepth}, this));
  EXPECT_TRUE(recv_cq.open({.depth = 4 * kDepth}, this));
  qp.config.lane = &lane;
  qp.config.listener = this;
  qp.config.type = options.type;
  qp.config.pd = nullptr;  // as Memory has it
  qp.config.send_cq = &send_cq;
  qp.config.recv_cq = &recv_cq;
  EXPECT_TRUE(qp.send_queue.open(kDepth, 4, 64));
  EXPECT_TRUE(qp.receive_queue.open(kDepth, 4));
  qp.qpn = kSlot << kSlotBits | number;
  lane.open_slot(kSlot);
  lane.add(qp);
}

End::~End() {
  replenish();
  auto guard = lane.hold();
  endpoint->hold_transfers = endpoint->hold_frames = endpoint->hold_sent = false;
  endpoint->refuse_sends = endpoint->refuse_transfers = 0;
  qp.mute = true;
  qp.fail(IBV_WC_WR_FLUSH_ERR);
  if (channel) channel->die(false);
  lane.drain();
  lane.remove(qp);
}

void End::connect(End& other) {
  auto guard = lane.hold();
  Channel::Peer peer;
  peer.process = other.id;
  auto address = rail->add_peer(other.endpoint->name());
  ASSERT_TRUE(address);
  peer.address = *address;
  peer.token = other.token_;
  peer.link = &link;
  peer.path = "here there";
  channel = &lane.add_channel(*rail, peer, token_);
  PathAttributes& path = qp.path;
  path.dest_qpn = other.qp.qpn;
  path.timeout = 14;
  path.retry_count = 7;
  path.rnr_retry = 6;
  path.min_rnr_timer = 1;
  path.max_rd_atomic = path.max_dest_rd_atomic = 4;
  path.access = kLocalWrite | kRemoteWrite | kRemoteRead | kRemoteAtomic;
  qp.set_state(IBV_QPS_RTS);
  qp.requester.restart_budgets();
  qp.bind(channel);
}

void End::post(const Wr& wr) {
  qp.send_queue.lock().lock();
  SendWqe* wqe = qp.send_queue.reserve();
  ASSERT_NE(wqe, nullptr);
  wqe->wr_id = wr.wr_id;
  wqe->opcode = static_cast<uint8_t>(wr.opcode);
  wqe->flags = static_cast<uint8_t>(wr.flags);
  wqe->remote_address = wr.remote;
  wqe->rkey = wr.rkey;
  wqe->compare_add = wr.compare_add;
  wqe->swap = wr.swap;
  wqe->imm = 0;
  wqe->sge_count = static_cast<uint16_t>(wr.sges.size());
  wqe->length = 0;
  for (size_t i = 0; i < wr.sges.size(); ++i) {
    wqe->sges()[i] = wr.sges[i];
    wqe->length += wr.sges[i].length;
  }
  qp.send_queue.publish();
  qp.send_queue.lock().unlock();
  lane.kick(qp);
}

void End::post_receive(uint64_t wr_id, const std::vector<ibv_sge>& sges) {
  std::vector<ibv_sge> copy(sges);
  ibv_recv_wr wr{};
  wr.wr_id = wr_id;
  wr.sg_list = copy.data();
  wr.num_sge = static_cast<int>(copy.size());
  ASSERT_EQ(qp.receive_queue.post(wr), 0);
}

std::vector<Completion> End::drain(CompletionQueue& queue) {
  std::vector<Completion> out;
  queue.consume(10'000, [&](const Cqe& each, int) { out.push_back({each.wr_id, each.status}); });
  return out;
}

void End::exhaust() {
  auto guard = lane.hold();
  while (fabric::Frame* frame = rail->frames.take(0)) taken_.push_back(frame);
}

void End::replenish() {
  auto guard = lane.hold();
  for (fabric::Frame* frame : taken_) rail->frames.give(*frame);
  taken_.clear();
}

size_t End::turn() {
  size_t happened = lane.progress();
  auto guard = lane.hold();
  lane.tick(clock_ns());
  return happened;
}

void TwoEnds::settle() {
  constexpr int kQuiet = 4;  // an acknowledgement waits for the next pass
  for (int quiet = 0; quiet < kQuiet;) quiet = a.turn() + b.turn() == 0 ? quiet + 1 : 0;
}

}  // namespace vb
