// SPDX-License-Identifier: BSD-2-Clause
// The ibv_wr_* builders of extended queue pairs. A builder returns nothing: what is wrong with a work request is
// wr_complete's to report, so one that is not supported still begins a request, which the engine refuses there.
#include "door.h"

namespace vb::door {
namespace {

Qp& of(ibv_qp_ex* qp) { return Qp::from(qp); }

void builder_start(ibv_qp_ex* qp) { wr_start(of(qp)); }
int builder_complete(ibv_qp_ex* qp) { return wr_complete(of(qp)); }
void builder_abort(ibv_qp_ex* qp) { wr_abort(of(qp)); }

void builder_send(ibv_qp_ex* qp) { wr_begin(of(qp), IBV_WR_SEND, {}, 0); }
void builder_send_imm(ibv_qp_ex* qp, __be32 imm) { wr_begin(of(qp), IBV_WR_SEND_WITH_IMM, {}, imm); }
void builder_send_inv(ibv_qp_ex* qp, uint32_t rkey) { wr_begin(of(qp), IBV_WR_SEND_WITH_INV, {}, rkey); }

void builder_rdma_read(ibv_qp_ex* qp, uint32_t rkey, uint64_t address) {
  wr_begin(of(qp), IBV_WR_RDMA_READ, {address, rkey}, 0);
}

void builder_rdma_write(ibv_qp_ex* qp, uint32_t rkey, uint64_t address) {
  wr_begin(of(qp), IBV_WR_RDMA_WRITE, {address, rkey}, 0);
}

void builder_rdma_write_imm(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, __be32 imm) {
  wr_begin(of(qp), IBV_WR_RDMA_WRITE_WITH_IMM, {address, rkey}, imm);
}

void builder_atomic_cmp_swp(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, uint64_t compare, uint64_t swap) {
  wr_atomic(of(qp), IBV_WR_ATOMIC_CMP_AND_SWP, {address, rkey}, compare, swap);
}

void builder_atomic_fetch_add(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, uint64_t add) {
  wr_atomic(of(qp), IBV_WR_ATOMIC_FETCH_AND_ADD, {address, rkey}, add, 0);
}

void builder_set_sge(ibv_qp_ex* qp, uint32_t lkey, uint64_t address, uint32_t length) {
  const ibv_sge sge{address, length, lkey};
  wr_sge_list(of(qp), &sge, 1);
}

void builder_set_sge_list(ibv_qp_ex* qp, size_t count, const ibv_sge* list) { wr_sge_list(of(qp), list, count); }

void builder_set_inline_data(ibv_qp_ex* qp, void* address, size_t length) {
  const ibv_data_buf data{address, length};
  wr_inline_list(of(qp), &data, 1);
}

void builder_set_inline_data_list(ibv_qp_ex* qp, size_t count, const ibv_data_buf* list) {
  wr_inline_list(of(qp), list, count);
}

void builder_set_ud_addr(ibv_qp_ex* qp, ibv_ah* ah, uint32_t remote_qpn, uint32_t remote_qkey) {
  wr_ud_address(of(qp), ah, remote_qpn, remote_qkey);
}
void builder_set_xrc_srqn(ibv_qp_ex* qp, uint32_t srqn) { wr_xrc_srqn(of(qp), srqn); }

void builder_bind_mw(ibv_qp_ex* qp, ibv_mw* mw, uint32_t rkey, const ibv_mw_bind_info* info) {
  wr_bind(of(qp), *mw, rkey, *info);
}

void builder_local_inv(ibv_qp_ex* qp, uint32_t rkey) { wr_begin(of(qp), IBV_WR_LOCAL_INV, {}, rkey); }

void builder_send_tso(ibv_qp_ex* qp, void* header, uint16_t size, uint16_t mss) { wr_tso(of(qp), header, size, mss); }

void builder_atomic_write(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, const void* value) {
  wr_atomic_write(of(qp), {address, rkey}, value);
}

void builder_flush(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, size_t length, uint8_t type, uint8_t level) {
  wr_flush(of(qp), {address, rkey}, length, type, level);
}

void start_unsupported(ibv_qp_ex& table) {
#define VB_QP_SLOT(name, status, note) set_unsupported<"ibv_qp_ex." #name>(table.name);
#include "abi/slots.def"
}

void overlay_operations(ibv_qp_ex& table) {
  table.wr_send = builder_send;
  table.wr_send_imm = builder_send_imm;
  table.wr_send_inv = builder_send_inv;
  table.wr_rdma_read = builder_rdma_read;
  table.wr_rdma_write = builder_rdma_write;
  table.wr_rdma_write_imm = builder_rdma_write_imm;
  table.wr_atomic_cmp_swp = builder_atomic_cmp_swp;
  table.wr_atomic_fetch_add = builder_atomic_fetch_add;
  table.wr_atomic_write = builder_atomic_write;
  table.wr_bind_mw = builder_bind_mw;
  table.wr_local_inv = builder_local_inv;
  table.wr_send_tso = builder_send_tso;
}

}  // namespace

void fill_builders(Qp& qp) {
  ibv_qp_ex& table = qp.abi;
  start_unsupported(table);
  overlay_operations(table);
  table.wr_start = builder_start;
  table.wr_complete = builder_complete;
  table.wr_abort = builder_abort;
  table.wr_set_ud_addr = builder_set_ud_addr;
  qp.wr_flush = builder_flush;
  table.wr_set_sge = builder_set_sge;
  table.wr_set_xrc_srqn = builder_set_xrc_srqn;
  table.wr_set_sge_list = builder_set_sge_list;
  table.wr_set_inline_data = builder_set_inline_data;
  table.wr_set_inline_data_list = builder_set_inline_data_list;
}

}  // namespace vb::door
