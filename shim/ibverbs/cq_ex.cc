// SPDX-License-Identifier: BSD-2-Clause
// The accessors of extended completion queues: they show the completion that the last start_poll or next_poll reached.
#include "door.h"

namespace vb::door {
namespace {

const Cqe& current(ibv_cq_ex* cq) { return Cq::from(cq).current; }

int accessor_start_poll(ibv_cq_ex* cq, ibv_poll_cq_attr* attr) {
  return attr->comp_mask ? EINVAL : start_poll(Cq::from(cq));
}
int accessor_next_poll(ibv_cq_ex* cq) { return next_poll(Cq::from(cq)); }
void accessor_end_poll(ibv_cq_ex* cq) { end_poll(Cq::from(cq)); }

ibv_wc_opcode read_opcode(ibv_cq_ex* cq) { return current(cq).opcode; }
uint32_t read_vendor_err(ibv_cq_ex* cq) { return current(cq).vendor_err; }
uint32_t read_byte_len(ibv_cq_ex* cq) { return current(cq).byte_len; }
__be32 read_imm_data(ibv_cq_ex* cq) { return current(cq).imm; }
uint32_t read_qp_num(ibv_cq_ex* cq) { return current(cq).qp_num; }
uint32_t read_src_qp(ibv_cq_ex* cq) { return current(cq).src_qp; }
unsigned read_wc_flags(ibv_cq_ex* cq) { return current(cq).wc_flags; }
uint32_t read_flow_tag(ibv_cq_ex* cq) { return current(cq).flow_tag; }
uint16_t read_cvlan(ibv_cq_ex* cq) { return current(cq).cvlan; }
uint64_t read_completion_ts(ibv_cq_ex* cq) { return current(cq).timestamp_ns; }
uint64_t read_completion_wallclock_ns(ibv_cq_ex* cq) { return current(cq).wallclock_ns; }

uint8_t read_sl(ibv_cq_ex* cq) { return current(cq).sl; }

// An Ethernet link has no LIDs.
uint32_t read_slid(ibv_cq_ex*) { return 0; }
uint8_t read_dlid_path_bits(ibv_cq_ex*) { return 0; }

void read_tm_info(ibv_cq_ex* cq, ibv_wc_tm_info* info) {
  info->tag = current(cq).tm_tag;
  info->priv = current(cq).tm_priv;
}

void start_unsupported(ibv_cq_ex& table) {
#define VB_CQ_SLOT(name, status, note) set_unsupported<"ibv_cq_ex." #name>(table.name);
#include "abi/slots.def"
}

}  // namespace

void fill_accessors(Cq& cq) {
  ibv_cq_ex& table = cq.abi;
  start_unsupported(table);
  table.start_poll = accessor_start_poll;
  table.next_poll = accessor_next_poll;
  table.end_poll = accessor_end_poll;
  table.read_opcode = read_opcode;
  table.read_vendor_err = read_vendor_err;
  table.read_byte_len = read_byte_len;
  table.read_imm_data = read_imm_data;
  table.read_qp_num = read_qp_num;
  table.read_src_qp = read_src_qp;
  table.read_wc_flags = read_wc_flags;
  table.read_flow_tag = read_flow_tag;
  table.read_cvlan = read_cvlan;
  table.read_completion_ts = read_completion_ts;
  table.read_completion_wallclock_ns = read_completion_wallclock_ns;
  table.read_slid = read_slid;
  table.read_sl = read_sl;
  table.read_dlid_path_bits = read_dlid_path_bits;
  table.read_tm_info = read_tm_info;
}

}  // namespace vb::door
