// SPDX-License-Identifier: BSD-2-Clause
// The table of a queue pair: messages that wait in the send queue until they are let go together.
#include "exp/interface.h"
#include "verbs/post.h"

namespace vb::exp {
namespace {

unsigned flags_of(uint32_t flags) {
  unsigned now = 0;
  if (flags & IBV_EXP_QP_BURST_SIGNALED) now |= IBV_SEND_SIGNALED;
  if (flags & IBV_EXP_QP_BURST_SOLICITED) now |= IBV_SEND_SOLICITED;
  if (flags & IBV_EXP_QP_BURST_IP_CSUM) now |= IBV_SEND_IP_CSUM;
  if (flags & IBV_EXP_QP_BURST_FENCE) now |= IBV_SEND_FENCE;
  return now;
}

int put(ibv_qp* qp, ibv_sge* list, uint32_t count, uint32_t flags, unsigned more = 0) {
  if (flags & IBV_EXP_QP_BURST_TUNNEL) return refuse<"checksums inside of tunnels">().code;
  ibv_send_wr wr{};
  wr.sg_list = list;
  wr.num_sge = static_cast<int>(count);
  wr.opcode = IBV_WR_SEND;
  wr.send_flags = flags_of(flags) | more;
  return put_pending(Qp::from(qp), wr);
}

int send_pending(ibv_qp* qp, uint64_t address, uint32_t length, uint32_t lkey, uint32_t flags) {
  ibv_sge sge{address, length, lkey};
  return put(qp, &sge, 1, flags);
}

int send_pending_inline(ibv_qp* qp, void* address, uint32_t length, uint32_t flags) {
  ibv_sge sge{reinterpret_cast<uint64_t>(address), length, 0};
  return put(qp, &sge, 1, flags, IBV_SEND_INLINE);
}

int send_pending_list(ibv_qp* qp, ibv_sge* list, uint32_t count, uint32_t flags) { return put(qp, list, count, flags); }

int send_flush(ibv_qp* qp) {
  vb::send_pending(Qp::from(qp));
  return 0;
}

/// A message of each SGE. What was put before one is refused goes.
int send_burst(ibv_qp* qp, ibv_sge* list, uint32_t count, uint32_t flags) {
  int error = 0;
  for (uint32_t i = 0; i < count && error == 0; ++i) error = put(qp, list + i, 1, flags);
  vb::send_pending(Qp::from(qp));
  return error;
}

int receive_burst(ibv_qp* qp, ibv_sge* list, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    ibv_recv_wr wr{0, nullptr, list + i, 1}, *bad;
    if (const int error = post_recv(Qp::from(qp), &wr, &bad)) return error;
  }
  return 0;
}

int tag_refused() { return refuse<"insertion of VLAN tags">().code; }
int send_tagged(ibv_qp*, uint64_t, uint32_t, uint32_t, uint32_t, uint16_t*) { return tag_refused(); }
int send_tagged_inline(ibv_qp*, void*, uint32_t, uint32_t, uint16_t*) { return tag_refused(); }
int send_tagged_list(ibv_qp*, ibv_sge*, uint32_t, uint32_t, uint16_t*) { return tag_refused(); }

bool sends_without_address(const Qp& qp) {
  return qp.init.qp_type == IBV_QPT_RC || qp.init.qp_type == IBV_QPT_UC || qp.init.qp_type == IBV_QPT_RAW_PACKET;
}

}  // namespace

ibv_exp_qp_burst_family_v1 queue_pair_family{send_pending, send_pending_inline, send_pending_list,
                                             send_flush,   send_burst,          receive_burst,
                                             send_tagged,  send_tagged_inline,  send_tagged_list};

ibv_exp_query_intf_status queue_pair_status(const ibv_exp_query_intf_params& params) {
  const Qp& qp = Qp::from(static_cast<ibv_qp*>(params.obj));
  if (!sends_without_address(qp)) return IBV_EXP_INTF_STAT_INVAL_OBJ;
  const ibv_qp_state state = qp.transport.state();
  if (state != IBV_QPS_INIT && state != IBV_QPS_RTR && state != IBV_QPS_RTS) return IBV_EXP_INTF_STAT_INVAL_OBJ_STATE;
  // That several messages may share a request changes nothing here.
  if (params.family_flags & ~uint32_t{IBV_EXP_QP_BURST_CREATE_ENABLE_MULTI_PACKET_SEND_WR}) {
    return IBV_EXP_INTF_STAT_FAMILY_FLAGS_NOT_SUPPORTED;
  }
  return IBV_EXP_INTF_STAT_OK;
}

}  // namespace vb::exp
