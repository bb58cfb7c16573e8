// SPDX-License-Identifier: BSD-2-Clause
#include "transport/queue_pair.h"

namespace vb {

void QueuePair::fail(ibv_wc_status first, uint32_t vendor_error) {
  if (state() == IBV_QPS_ERR || state() == IBV_QPS_RESET) return;
  set_state(IBV_QPS_ERR);
  stop(first, vendor_error);
}

void QueuePair::flush_receives() {
  if (config.shared_receives) {
    // The SRQ's WRs are not this queue pair's: it only says that it takes no more of them.
    if (!last_wqe_told_) config.listener->async_event(IBV_EVENT_QP_LAST_WQE_REACHED);
    last_wqe_told_ = true;
    return;
  }
  ReceiveWqe wqe;
  for (bool limit = false; receive_queue.pop(wqe, limit);) {
    if (mute) continue;
    Cqe cqe;
    cqe.wr_id = wqe.wr_id;
    cqe.status = IBV_WC_WR_FLUSH_ERR;
    cqe.opcode = IBV_WC_RECV;
    cqe.qp_num = qpn;
    cqe.src_qp = path.dest_qpn;
    config.recv_cq->push(cqe, true);
  }
}

void QueuePair::reset() {
  receive_queue.clear();
  last_wqe_told_ = false;
}

void QueuePair::detach() {
  ListNode<QueuePair, OnOutstanding>::unlink();
  ListNode<QueuePair, OnStalled>::unlink();
}

}  // namespace vb
