// SPDX-License-Identifier: BSD-2-Clause
// Pure tables: what each opcode is on the wire and in a completion.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include "transport/send_queue.h"
#include "wire/packet.h"

namespace vb::opcodes {

inline bool is_write(uint8_t opcode) { return opcode == IBV_WR_RDMA_WRITE || opcode == IBV_WR_RDMA_WRITE_WITH_IMM; }
inline bool is_atomic(uint8_t opcode) {
  return opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
}

inline uint8_t wire_flags(uint8_t opcode) {
  switch (opcode) {
    case IBV_WR_SEND_WITH_IMM:
    case IBV_WR_RDMA_WRITE_WITH_IMM: return wire::kImmediate;
    case IBV_WR_SEND_WITH_INV: return wire::kInvalidate;
    default: return 0;
  }
}

inline ibv_wc_opcode completion(uint8_t opcode) {
  switch (opcode) {
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM: return IBV_WC_RDMA_WRITE;
    case IBV_WR_RDMA_READ: return IBV_WC_RDMA_READ;
    case IBV_WR_ATOMIC_CMP_AND_SWP: return IBV_WC_COMP_SWAP;
    case IBV_WR_ATOMIC_FETCH_AND_ADD: return IBV_WC_FETCH_ADD;
    case IBV_WR_BIND_MW: return IBV_WC_BIND_MW;
    case IBV_WR_LOCAL_INV: return IBV_WC_LOCAL_INV;
    case IBV_WR_ATOMIC_WRITE: return IBV_WC_ATOMIC_WRITE;
    case kMaskedCompareSwapOpcode: return static_cast<ibv_wc_opcode>(kMaskedCompareSwapCompletion);
    case kMaskedFetchAddOpcode: return static_cast<ibv_wc_opcode>(kMaskedFetchAddCompletion);
    case kFlushOpcode: return static_cast<ibv_wc_opcode>(kFlushCompletion);
    case kFillOpcode:
    case kUnfillOpcode: return static_cast<ibv_wc_opcode>(kFillCompletion);
    default: return IBV_WC_SEND;
  }
}

}  // namespace vb::opcodes
