// SPDX-License-Identifier: BSD-2-Clause
#include "transport/rendezvous.h"

#include <algorithm>
#include <mutex>

#include "transport/connected_queue_pair.h"
#include "transport/lane.h"

namespace vb {

void Rendezvous::start(const ReceiveWqe& receive, const TagHeader& header) { waiting_.push_back({receive, header}); }

void Rendezvous::post() {
  if (waiting_.empty() || qp_.state() != IBV_QPS_RTS) return;
  SendQueue& queue = qp_.send_queue;
  // The program may hold the lock from ibv_wr_start to ibv_wr_complete: nobody waits for it here.
  std::unique_lock guard(queue.lock(), std::try_to_lock);
  if (!guard) return qp_.config.lane->watch(qp_);  // the tick looks again, if the program's own kick does not
  while (!waiting_.empty() && queue.extra_left() >= 2) {
    posted_.push_back(waiting_.front());
    waiting_.pop_front();
    fill_read(*queue.reserve_extra(SendWqe::Origin::kRendezvousRead), posted_.back());
    fill_finish(*queue.reserve_extra(SendWqe::Origin::kRendezvousFin), posted_.back());
  }
  queue.publish();
}

void Rendezvous::fill_read(SendWqe& wqe, const Transfer& transfer) {
  wqe.wr_id = transfer.receive.wr_id;
  wqe.opcode = IBV_WR_RDMA_READ;
  wqe.flags = 0;
  wqe.imm = 0;
  wqe.remote_address = transfer.header.remote_address;
  wqe.rkey = transfer.header.rkey;
  wqe.length = transfer.header.length;
  wqe.sge_count = 0;
  uint32_t left = wqe.length;
  for (uint32_t i = 0; i < transfer.receive.sge_count && left > 0; ++i) {
    ibv_sge sge = transfer.receive.sge[i];
    sge.length = std::min(sge.length, left);
    left -= sge.length;
    wqe.sges()[wqe.sge_count++] = sge;
  }
}

void Rendezvous::fill_finish(SendWqe& wqe, const Transfer& transfer) {
  ibv_tmh header = finish_header(transfer.header);
  wqe.wr_id = transfer.receive.wr_id;
  wqe.opcode = IBV_WR_SEND;
  wqe.flags = IBV_SEND_INLINE | IBV_SEND_FENCE;  // behind the data
  wqe.imm = 0;
  wqe.sge_count = 0;
  wqe.length = sizeof header;
  memcpy(wqe.inline_data(), &header, sizeof header);
}

void Rendezvous::finished(SendWqe::Origin origin, ibv_wc_status status) {
  if (origin == SendWqe::Origin::kRendezvousFin) return post();  // there is room for the next
  if (posted_.empty()) return;
  Transfer transfer = posted_.front();
  posted_.pop_front();
  complete(transfer, status);
}

void Rendezvous::complete(const Transfer& transfer, ibv_wc_status status) {
  if (qp_.mute) return;
  Cqe cqe;
  cqe.wr_id = transfer.receive.wr_id;
  cqe.status = status == IBV_WC_SUCCESS ? IBV_WC_SUCCESS : IBV_WC_TM_RNDV_INCOMPLETE;
  cqe.opcode = IBV_WC_TM_RECV;
  cqe.wc_flags = status == IBV_WC_SUCCESS ? IBV_WC_TM_DATA_VALID : 0;
  cqe.byte_len = transfer.header.length;
  cqe.qp_num = qp_.qpn;
  cqe.src_qp = qp_.path.dest_qpn;
  qp_.complete(*qp_.config.shared_receives->cq, cqe, true);
}

void Rendezvous::abandon() {
  while (!waiting_.empty()) {
    Transfer transfer = waiting_.front();
    waiting_.pop_front();
    complete(transfer, IBV_WC_WR_FLUSH_ERR);
  }
}

}  // namespace vb
