// SPDX-License-Identifier: BSD-2-Clause
#include "transport/dc_initiator.h"

#include "base/random.h"
#include "transport/channel.h"
#include "transport/lane.h"
#include "transport/router.h"

namespace vb {

DcInitiator::DcInitiator(Router& router) : router_(router), connection_(random_value<uint32_t>()) {}

DcInitiator::Aim DcInitiator::aim(SendWqe& wqe) {
  const SendExtension& to = send_queue.extension(wqe);
  Route* way = router_.route_to(*to.address, to.target);
  wqe.status = IBV_WC_RETRY_EXC_ERR;
  if (!way) return Aim::kNowhere;
  // Whoever has the number now may be another process than the one that has gone.
  const bool lost = channel() && !channel()->alive() && requester.drained();
  if (aimed_ && !lost && way == route && to.target == path.dest_qpn && to.key == key_) return Aim::kRight;
  if (!requester.drained()) return Aim::kLater;
  aimed_ = true;
  path.dest_qpn = to.target;
  key_ = to.key;
  ++connection_;
  first_msn_ = requester.next_msn();
  requester.restart_budgets();
  requester.restart_clock();
  return router_.connect(*this, *way) ? Aim::kTurned : Aim::kNowhere;
}

void DcInitiator::put_header(unsigned char* at) const {
  at[offsetof(wire::PacketHeader, kind)] |= wire::kDc;
  const wire::DcHeader header{key_, connection_, first_msn_};
  memcpy(at + sizeof(wire::PacketHeader), &header, sizeof header);
}

bool DcInitiator::lets_go() {
  if (!requester.drained()) return false;
  aimed_ = false;
  config.lane->watch(*this);  // something may be posted already: tick() takes it up
  return true;
}

void DcInitiator::tick(uint64_t now_ns) {
  if (!aimed_) run();
  ConnectedQueuePair::tick(now_ns);
}

}  // namespace vb
