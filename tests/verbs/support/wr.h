// SPDX-License-Identifier: BSD-2-Clause
// Work requests as values: they can be kept in a vector, sent to the peer process, and posted as one chain.
#pragma once

#include <infiniband/verbs.h>

#include <vector>

namespace vt {

using Sges = std::vector<ibv_sge>;

struct SendWr {
  ibv_send_wr wr{};
  Sges sges;
};

struct RecvWr {
  uint64_t wr_id = 0;
  Sges sges;
};

struct PostResult {
  int rc = 0;    // what the post call returned
  int bad = -1;  // index of *bad_wr in the chain, -1 when it was not set
};

inline RecvWr recv_wr(uint64_t id, Sges sges = {}) { return {.wr_id = id, .sges = std::move(sges)}; }

constexpr unsigned kSignaled = IBV_SEND_SIGNALED;

inline SendWr make_wr(ibv_wr_opcode opcode, uint64_t id, Sges sges, unsigned flags) {
  SendWr request{.wr = {}, .sges = std::move(sges)};
  request.wr.wr_id = id;
  request.wr.opcode = opcode;
  request.wr.send_flags = flags;
  return request;
}

inline SendWr send_wr(uint64_t id, Sges sges, unsigned flags = kSignaled) {
  return make_wr(IBV_WR_SEND, id, std::move(sges), flags);
}

inline SendWr send_imm_wr(uint64_t id, Sges sges, uint32_t imm, unsigned flags = kSignaled) {
  SendWr request = make_wr(IBV_WR_SEND_WITH_IMM, id, std::move(sges), flags);
  request.wr.imm_data = imm;
  return request;
}

inline SendWr rdma_wr(ibv_wr_opcode opcode, uint64_t id, Sges sges, uint64_t remote, uint32_t rkey, unsigned flags) {
  SendWr request = make_wr(opcode, id, std::move(sges), flags);
  request.wr.wr.rdma.remote_addr = remote;
  request.wr.wr.rdma.rkey = rkey;
  return request;
}

inline SendWr write_wr(uint64_t id, Sges sges, uint64_t remote, uint32_t rkey, unsigned flags = kSignaled) {
  return rdma_wr(IBV_WR_RDMA_WRITE, id, std::move(sges), remote, rkey, flags);
}

inline SendWr write_imm_wr(uint64_t id, Sges sges, uint64_t remote, uint32_t rkey, uint32_t imm,
                           unsigned flags = kSignaled) {
  SendWr request = rdma_wr(IBV_WR_RDMA_WRITE_WITH_IMM, id, std::move(sges), remote, rkey, flags);
  request.wr.imm_data = imm;
  return request;
}

inline SendWr read_wr(uint64_t id, Sges sges, uint64_t remote, uint32_t rkey, unsigned flags = kSignaled) {
  return rdma_wr(IBV_WR_RDMA_READ, id, std::move(sges), remote, rkey, flags);
}

inline SendWr atomic_wr(ibv_wr_opcode opcode, uint64_t id, Sges sges, uint64_t remote, uint32_t rkey,
                        uint64_t compare_add, uint64_t swap, unsigned flags = kSignaled) {
  SendWr request = make_wr(opcode, id, std::move(sges), flags);
  request.wr.wr.atomic = {.remote_addr = remote, .compare_add = compare_add, .swap = swap, .rkey = rkey};
  return request;
}

inline SendWr cas_wr(uint64_t id, Sges sges, uint64_t remote, uint32_t rkey, uint64_t compare, uint64_t swap) {
  return atomic_wr(IBV_WR_ATOMIC_CMP_AND_SWP, id, std::move(sges), remote, rkey, compare, swap);
}

inline SendWr fetch_add_wr(uint64_t id, Sges sges, uint64_t remote, uint32_t rkey, uint64_t add) {
  return atomic_wr(IBV_WR_ATOMIC_FETCH_AND_ADD, id, std::move(sges), remote, rkey, add, 0);
}

// The request of an XRC initiator.
inline SendWr to_srq(SendWr request, uint32_t number) {
  request.wr.qp_type.xrc.remote_srqn = number;
  return request;
}

}  // namespace vt
