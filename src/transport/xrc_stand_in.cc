// SPDX-License-Identifier: BSD-2-Clause
#include "transport/xrc_stand_in.h"

#include "transport/channel.h"
#include "transport/lane.h"
#include "transport/router.h"
#include "transport/xrc_domain.h"

namespace vb {

namespace {

constexpr unsigned kEverything = kRemoteWrite | kRemoteRead | kRemoteAtomic | kFlushGlobal | kFlushPersistent;

}  // namespace

/// A target of the SRQ's domain whose number is the SRQ's. It grants everything: the real target has been asked.
struct XrcStandIns::StandIn final : QueuePair::Listener {
  ~StandIn() { qp.detach(); }
  void async_event(ibv_event_type) override {}  // the real target tells, by the status that it gets

  bool over() {
    bool lost = qp.state() == IBV_QPS_ERR || (qp.channel() && !qp.channel()->alive());
    return lost && qp.quiet();
  }
  bool idle() { return qp.responder.idle() && qp.quiet(); }

  ConnectedQueuePair qp;
};

XrcStandIns::XrcStandIns(Router& router) : router_(router) {}

XrcStandIns::~XrcStandIns() = default;

bool XrcStandIns::receive(Channel& from, const wire::Packet& packet) {
  StandIn* stand_in = find(packet);
  if (!stand_in) return false;
  ConnectedQueuePair& qp = stand_in->qp;
  bool of_peer = !qp.channel() || qp.channel()->same_peer(from);
  if (wire::is_request(packet.header.kind) && of_peer && stand_in->idle()) {
    qp.responder.expect(packet.header.msn);  // what was answered before has arrived, or there were no further request
    qp.config.on_behalf_of = packet.xrc.target & 0xffffff;
  }
  qp.receive(from, packet);
  return true;
}

XrcStandIns::StandIn* XrcStandIns::find(const wire::Packet& packet) {
  Key key{packet.header.dst_qpn, packet.header.src_qpn};
  auto known = all_.find(key);
  if (known != all_.end() && known->second->over()) known = (all_.erase(known), all_.end());
  if (known != all_.end()) return known->second.get();
  bool relayed = packet.is_xrc && packet.xrc.target != 0 && packet.xrc.srqn == packet.header.dst_qpn;
  return relayed ? make(key, packet) : nullptr;
}

/// The claim to be a member's initiator is checked as that of any peer: the answers go to the process that has the
/// initiator's slot, and only what comes from there is taken.
XrcStandIns::StandIn* XrcStandIns::make(const Key& key, const wire::Packet& packet) {
  Lane& lane = router_.lane();
  SharedReceiveQueue* srq = lane.find_srq(key.first);
  if (!srq || !srq->domain || srq->domain->inode() != packet.xrc.inode) return nullptr;
  if (!srq->domain->has_member(key.second >> kSlotBits)) return nullptr;
  if (all_.size() >= kMost) std::erase_if(all_, [](auto& each) { return each.second->idle(); });
  if (all_.size() >= kMost) return nullptr;
  auto made = std::make_unique<StandIn>();
  ConnectedQueuePair& qp = made->qp;
  if (!qp.send_queue.open(0, 0, 0) || !qp.receive_queue.open(0, 0, nullptr)) return nullptr;
  qp.qpn = key.first;
  qp.config.lane = &lane;
  qp.config.listener = made.get();
  qp.config.type = IBV_QPT_XRC_RECV;
  qp.config.domain = srq->domain;
  qp.path = {.dest_qpn = packet.header.src_qpn, .max_dest_rd_atomic = 1, .access = kEverything};
  qp.set_state(IBV_QPS_RTS);
  if (!router_.connect(qp, srq->home, srq->home, packet.header.src_qpn)) return nullptr;
  return (all_[key] = std::move(made)).get();
}

void XrcStandIns::drop(uint32_t srqn) {
  std::erase_if(all_, [srqn](auto& each) { return each.first.first == srqn; });
}

void XrcStandIns::cut_off(const void* object) {
  for (auto& [key, stand_in] : all_) {
    if (stand_in->qp.uses(object)) stand_in->qp.cut_off();
  }
}

void XrcStandIns::tick() {
  std::erase_if(all_, [](auto& each) { return each.second->over(); });
}

}  // namespace vb
