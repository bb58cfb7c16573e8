// SPDX-License-Identifier: BSD-2-Clause
// Work requests of IBVERBS_1.0: translated a few at a time, so that a list of any length needs the same stack.
#include "compat10/door.h"

namespace vb::compat10 {
namespace {

constexpr int kBatch = 16;

void translate(const RecvWr& from, ibv_recv_wr& to) {
  to.wr_id = from.wr_id;
  to.sg_list = from.sg_list;
  to.num_sge = from.num_sge;
}

void translate_target(const Qp& qp, const SendWr& from, ibv_send_wr& to) {
  if (qp.qp_type == IBV_QPT_UD) {
    to.wr.ud.ah = real_or_null(from.wr.ud.ah);
    to.wr.ud.remote_qpn = from.wr.ud.remote_qpn;
    to.wr.ud.remote_qkey = from.wr.ud.remote_qkey;
  } else if (from.opcode == IBV_WR_ATOMIC_CMP_AND_SWP || from.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    to.wr.atomic.remote_addr = from.wr.atomic.remote_addr;
    to.wr.atomic.compare_add = from.wr.atomic.compare_add;
    to.wr.atomic.swap = from.wr.atomic.swap;
    to.wr.atomic.rkey = from.wr.atomic.rkey;
  } else {
    to.wr.rdma.remote_addr = from.wr.rdma.remote_addr;
    to.wr.rdma.rkey = from.wr.rdma.rkey;
  }
}

void translate(const Qp& qp, const SendWr& from, ibv_send_wr& to) {
  to.wr_id = from.wr_id;
  to.sg_list = from.sg_list;
  to.num_sge = from.num_sge;
  to.opcode = from.opcode;
  to.send_flags = static_cast<unsigned>(from.send_flags);
  to.imm_data = from.imm_data;
  translate_target(qp, from, to);
}

/// Posts a list in batches. `translate_one(from, to)`, `post(first, bad)`: the real call, for one batch.
template <class Real, class Old, class Translate, class Post>
int post_in_batches(Old* wr, Old** bad_wr, Translate translate_one, Post post) {
  while (wr) {
    Real batch[kBatch];
    Old* first = wr;
    int count = 0;
    for (; wr && count < kBatch; wr = wr->next, ++count) {
      translate_one(*wr, batch[count]);
      batch[count].next = nullptr;
      if (count) batch[count - 1].next = &batch[count];
    }
    Real* bad = batch;
    if (const int error = post(batch, &bad); error != 0) {
      for (const Real* each = batch; each != bad && first->next; ++each) first = first->next;
      *bad_wr = first;
      return error;
    }
  }
  return 0;
}

}  // namespace

int post_send(Qp* qp, SendWr* wr, SendWr** bad_wr) {
  return post_in_batches<ibv_send_wr>(
      wr, bad_wr, [&](const SendWr& from, ibv_send_wr& to) { translate(*qp, from, to); },
      [&](ibv_send_wr* batch, ibv_send_wr** bad) { return qp->real->context->ops.post_send(qp->real, batch, bad); });
}

int post_recv(Qp* qp, RecvWr* wr, RecvWr** bad_wr) {
  return post_in_batches<ibv_recv_wr>(
      wr, bad_wr, [](const RecvWr& from, ibv_recv_wr& to) { translate(from, to); },
      [&](ibv_recv_wr* batch, ibv_recv_wr** bad) { return qp->real->context->ops.post_recv(qp->real, batch, bad); });
}

int post_srq_recv(Srq* srq, RecvWr* wr, RecvWr** bad_wr) {
  return post_in_batches<ibv_recv_wr>(
      wr, bad_wr, [](const RecvWr& from, ibv_recv_wr& to) { translate(from, to); },
      [&](ibv_recv_wr* batch, ibv_recv_wr** bad) {
        return srq->real->context->ops.post_srq_recv(srq->real, batch, bad);
      });
}

}  // namespace vb::compat10
