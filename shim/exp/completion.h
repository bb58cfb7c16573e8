// SPDX-License-Identifier: BSD-2-Clause
// A completion in the form of the era: pure tables.
#pragma once

#include <infiniband/verbs_exp.h>

#include "transport/completion_queue.h"

namespace vb::exp {

inline ibv_exp_wc_opcode opcode_of(uint32_t opcode) {
  constexpr uint32_t kTagsThen = IBV_EXP_WC_TM_ADD, kTagsNow = IBV_WC_TM_ADD;
  if (opcode == IBV_WC_TSO) return IBV_EXP_WC_TSO;
  if (opcode >= IBV_WC_TM_ADD && opcode <= IBV_WC_TM_NO_TAG) {
    return static_cast<ibv_exp_wc_opcode>(opcode - kTagsNow + kTagsThen);
  }
  return static_cast<ibv_exp_wc_opcode>(opcode);  // the others have their values still
}

inline uint64_t flags_of(uint32_t flags) {
  uint64_t all = flags & (IBV_WC_GRH | IBV_WC_WITH_IMM | IBV_WC_WITH_INV);
  if (flags & IBV_WC_IP_CSUM_OK) all |= IBV_EXP_WC_RX_IP_CSUM_OK | IBV_EXP_WC_RX_TCP_UDP_CSUM_OK;
  if (flags & IBV_WC_TM_SYNC_REQ) all |= IBV_EXP_WC_TM_SYNC_REQ;
  if (flags & IBV_WC_TM_MATCH) all |= IBV_EXP_WC_TM_MATCH;
  if (flags & IBV_WC_TM_DATA_VALID) all |= IBV_EXP_WC_TM_DATA_VALID;
  return all | IBV_EXP_WC_WITH_SL;
}

/// `fields`: of the queue, ibv_create_cq_wc_flags: which time a completion tells, if any.
inline ibv_exp_wc completion(const Cqe& cqe, uint64_t fields) {
  ibv_exp_wc wc{};
  wc.wr_id = cqe.wr_id;
  wc.status = cqe.status;
  wc.exp_opcode = opcode_of(cqe.opcode);
  wc.vendor_err = cqe.vendor_err;
  wc.byte_len = cqe.byte_len;
  wc.imm_data = cqe.imm;
  wc.qp_num = cqe.qp_num;
  wc.src_qp = cqe.src_qp;
  wc.sl = cqe.sl;
  wc.exp_wc_flags = flags_of(cqe.wc_flags);
  const bool wall = (fields & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK) != 0;
  if (wall || (fields & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP)) {
    wc.timestamp = wall ? cqe.wallclock_ns : cqe.timestamp_ns;
    wc.exp_wc_flags |= IBV_EXP_WC_WITH_TIMESTAMP;
  }
  wc.tm_info.tag = cqe.tm_tag;
  wc.tm_info.priv = cqe.tm_priv;
  return wc;
}

}  // namespace vb::exp
