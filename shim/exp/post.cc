// SPDX-License-Identifier: BSD-2-Clause
// Posting sends.
#include "exp/umr.h"
#include "verbs/crossing.h"
#include "verbs/indirect_mr.h"

namespace vb::exp {
namespace {

/// Flags that nothing here does.
constexpr uint64_t kRefused = IBV_EXP_SEND_WITH_CALC;
constexpr uint64_t kPlain = IBV_EXP_SEND_FENCE | IBV_EXP_SEND_SIGNALED | IBV_EXP_SEND_SOLICITED | IBV_EXP_SEND_INLINE;

unsigned flags_of(uint64_t flags) {
  return static_cast<unsigned>(flags & kPlain) | ((flags & IBV_EXP_SEND_IP_CSUM) ? unsigned{IBV_SEND_IP_CSUM} : 0);
}

}  // namespace

ibv_send_wr head_of(const ibv_exp_send_wr& wr) {
  ibv_send_wr now{};
  now.wr_id = wr.wr_id;
  now.sg_list = wr.sg_list;
  now.num_sge = wr.num_sge;
  now.opcode = static_cast<ibv_wr_opcode>(wr.exp_opcode);
  now.send_flags = flags_of(wr.exp_send_flags);
  now.imm_data = wr.ex.imm_data;
  now.qp_type.xrc.remote_srqn = wr.qp_type.xrc.remote_srqn;
  return now;
}

namespace {

int put_bind(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  const ibv_exp_mw_bind_info& info = wr.bind_mw.bind_info;
  auto access = access_of(info.exp_mw_access_flags);
  if (!access) return access.error();
  ibv_send_wr now = head_of(wr);
  now.bind_mw.mw = wr.bind_mw.mw;
  now.bind_mw.rkey = wr.bind_mw.rkey;
  now.bind_mw.bind_info = {info.mr, info.addr, info.length, *access};
  return now.bind_mw.mw ? put_wr(qp, wqe, now) : EINVAL;
}

int put_tso(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  ibv_send_wr now = head_of(wr);
  now.opcode = IBV_WR_TSO;
  now.tso.hdr = wr.tso.hdr;
  now.tso.hdr_sz = wr.tso.hdr_sz;
  now.tso.mss = wr.tso.mss;
  return put_wr(qp, wqe, now);
}

/// Operands stand in the work request: those that do not are wider than what is offered.
int put_masked(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  const auto& given = wr.ext_op.masked_atomics;
  if (!(wr.exp_send_flags & IBV_EXP_SEND_EXT_ATOMIC_INLINE) || given.log_arg_sz > 3) return EINVAL;
  MaskedAtomic atomic{};
  atomic.width = 1u << given.log_arg_sz;
  atomic.remote = {given.remote_addr, given.rkey};
  if (wr.exp_opcode == IBV_EXP_WR_EXT_MASKED_ATOMIC_FETCH_AND_ADD) {
    const ibv_exp_fetch_add& add = given.wr_data.inline_data.op.fetch_add;
    atomic.opcode = kMaskedFetchAddOpcode;
    atomic.compare_add = add.add_val;
    atomic.compare_mask = add.field_boundary;
  } else {
    const ibv_exp_cmp_swap& swap = given.wr_data.inline_data.op.cmp_swap;
    atomic.opcode = kMaskedCompareSwapOpcode;
    atomic.compare_add = swap.compare_val;
    atomic.swap = swap.swap_val;
    atomic.compare_mask = swap.compare_mask;
    atomic.swap_mask = swap.swap_mask;
  }
  return put_masked_atomic(qp, wqe, head_of(wr), atomic);
}

bool is_last(const ibv_exp_send_wr& wr) { return (wr.exp_send_flags & IBV_EXP_SEND_WAIT_EN_LAST) != 0; }

int put_wait(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  const auto& task = wr.task.cqe_wait;
  if (!task.cq || task.cq_count < 0) return EINVAL;
  return vb::put_wait(qp, wqe, head_of(wr), Cq::from(task.cq), static_cast<uint32_t>(task.cq_count), is_last(wr));
}

int put_enable(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  const auto& task = wr.task.wqe_enable;
  if (!task.qp || task.wqe_count < 0) return EINVAL;
  const bool receives = wr.exp_opcode == IBV_EXP_WR_RECV_ENABLE;
  return vb::put_enable(qp, wqe, head_of(wr), Qp::from(task.qp), receives, static_cast<uint32_t>(task.wqe_count),
                        is_last(wr));
}

int put_plain(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  static_assert(sizeof wr.wr == sizeof(ibv_send_wr::wr));
  ibv_send_wr now = head_of(wr);
  std::memcpy(static_cast<void*>(&now.wr), &wr.wr, sizeof now.wr);
  return put_wr(qp, wqe, now);
}

int put_request(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  if (wr.exp_send_flags & kRefused) return refuse<"a calculation on what is sent">().code;
  switch (wr.exp_opcode) {
    case IBV_EXP_WR_BIND_MW: return put_bind(qp, wqe, wr);
    case IBV_EXP_WR_TSO: return put_tso(qp, wqe, wr);
    case IBV_EXP_WR_EXT_MASKED_ATOMIC_CMP_AND_SWP:
    case IBV_EXP_WR_EXT_MASKED_ATOMIC_FETCH_AND_ADD: return put_masked(qp, wqe, wr);
    case IBV_EXP_WR_UMR_FILL:
    case IBV_EXP_WR_UMR_INVALIDATE: return put_umr(qp, wqe, wr);
    case IBV_EXP_WR_NOP: return put_local(qp, wqe, head_of(wr), kNopOpcode);
    case IBV_EXP_WR_CQE_WAIT: return put_wait(qp, wqe, wr);
    case IBV_EXP_WR_SEND_ENABLE:
    case IBV_EXP_WR_RECV_ENABLE: return put_enable(qp, wqe, wr);
    default: break;
  }
  if (wr.exp_opcode <= IBV_EXP_WR_SEND_WITH_INV) return put_plain(qp, wqe, wr);
  return refuse<"an opcode of ibv_exp_post_send">().code;
}

int put(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  const int error = put_request(qp, wqe, wr);
  if (error != 0 || qp.init.qp_type != kDcInitiator) return error;
  return put_destination(qp, wqe, {wr.dc.ah, wr.dc.dct_number, wr.dc.dct_access_key});
}

int post(ibv_qp* qp, ibv_exp_send_wr* wr, ibv_exp_send_wr** bad_wr) { return post_list(Qp::from(qp), wr, bad_wr, put); }

int post_one(const ibv_exp_task& task) {
  if (task.comp_mask || !task.item.qp) return EINVAL;
  ibv_exp_send_wr* bad_send;
  ibv_recv_wr* bad_receive;
  switch (task.task_type) {
    case IBV_EXP_TASK_SEND: return post(task.item.qp, task.item.send_wr, &bad_send);
    case IBV_EXP_TASK_RECV: return post_recv(Qp::from(task.item.qp), task.item.recv_wr, &bad_receive);
    default: return EINVAL;
  }
}

/// Lists of several queue pairs, in their order. The one that is refused is told, not the request in it.
int post_task(ibv_context*, ibv_exp_task* task, ibv_exp_task** bad_task) {
  for (; task; task = task->next) {
    const int error = post_one(*task);
    if (error == 0) continue;
    *bad_task = task;
    return error;
  }
  return 0;
}

}  // namespace

void overlay_posting(verbs_context_exp& table) {
  table.drv_exp_post_send = post;
  table.drv_exp_post_task = table.lib_exp_post_task = post_task;
}

}  // namespace vb::exp
