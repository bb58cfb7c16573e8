// SPDX-License-Identifier: BSD-2-Clause
// Cross-channel work: requests that wait for completions of another queue, or let requests of another queue pair go.
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/requester.h"

namespace vb {

Requester::Sent Requester::execute_crossing(SendWqe& wqe) {
  wqe.status = IBV_WC_LOC_QP_OP_ERR;
  if (wqe.opcode == kWaitOpcode) {
    if (!wqe.awaited->reached(wqe.imm)) {
      qp_.config.lane->gate(qp_);
      return Sent::kGated;
    }
    --wqe.awaited->waits;
    wqe.done = true;
    return Sent::kYes;
  }
  QueuePair* target = qp_.config.lane->find(wqe.rkey);
  if (!target) return Sent::kBad;
  if (wqe.opcode == kReceiveEnableOpcode) {
    target->receive_queue.gate.open(wqe.imm);
  } else {
    target->send_queue.gate.open(wqe.imm);
    qp_.config.lane->revisit(*target);
  }
  wqe.done = true;
  return Sent::kYes;
}

/// Whether the next request need not wait, or not for completions.
bool Requester::may_pass() {
  if (next_ == end()) return true;
  const SendWqe& wqe = qp_.send_queue.at(next_);
  return wqe.opcode != kWaitOpcode || wqe.done || wqe.awaited->reached(wqe.imm);
}

}  // namespace vb
