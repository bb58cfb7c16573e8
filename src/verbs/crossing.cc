// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/crossing.h"

#include "verbs/indirect_mr.h"

namespace vb {

namespace {

bool is_connected(const Qp& qp) {
  return qp.init.qp_type == IBV_QPT_RC || qp.init.qp_type == IBV_QPT_UC || qp.init.qp_type == IBV_QPT_XRC_SEND;
}

}  // namespace

Result<void> manage(Qp& qp, bool sends, bool receives) {
  if (!is_connected(qp)) return Error{EOPNOTSUPP};
  if (receives && qp.init.srq) return Error{EINVAL};
  qp.transport.send_queue.gate.managed = sends;
  qp.transport.receive_queue.gate.managed = receives;
  return {};
}

int put_wait(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, Cq& cq, uint32_t count, bool last) {
  if (const int error = put_local(qp, wqe, head, kWaitOpcode)) return error;
  wqe.awaited = &cq.queue;
  wqe.imm = cq.queue.turns.take(count, last);
  ++cq.queue.waits;
  return 0;
}

int put_enable(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, Qp& target, bool receives, uint32_t count, bool last) {
  QueuePair& transport = target.transport;
  Gate& gate = receives ? transport.receive_queue.gate : transport.send_queue.gate;
  if (!gate.managed) return EINVAL;
  const uint32_t end = receives ? transport.receive_queue.end() : transport.send_queue.posted();
  uint32_t turn = 0;
  if (const int error = put_local(qp, wqe, head, receives ? kReceiveEnableOpcode : kSendEnableOpcode)) return error;
  if (!gate.turns.take(count, last, end, turn)) return EINVAL;
  wqe.rkey = transport.qpn;
  wqe.imm = turn;
  return 0;
}

}  // namespace vb
