// SPDX-License-Identifier: BSD-2-Clause
// Completion counters: what a queue pair's completions add up to, for programs that do not need each of them.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace vb {

/// What is counted. The numbers are the bits of ibv_qp_attach_comp_cntr_op.
enum class Counted : uint8_t { kSend, kRecv, kRead, kRemoteRead, kWrite, kRemoteWrite, kNothing };

inline constexpr size_t kCountedOperations = static_cast<size_t>(Counted::kNothing);

/// Both wrap to 0. Thread safe.
struct CompletionCounter {
  std::atomic<uint64_t> completed{0};
  std::atomic<uint64_t> failed{0};  ///< operations, also where `bytes` is set
  bool bytes = false;               ///< `completed` counts bytes, not operations

  void count(bool success, uint64_t length) {
    if (success) {
      completed.fetch_add(bytes ? length : 1, std::memory_order_release);
    } else {
      failed.fetch_add(1, std::memory_order_release);
    }
  }
};

/// The counters of one queue pair, by operation; nullptr: not counted. Written before the queue pair carries traffic.
struct AttachedCounters {
  std::array<CompletionCounter*, kCountedOperations> of{};

  void count(Counted operation, bool success, uint64_t length) const {
    if (operation == Counted::kNothing) return;
    CompletionCounter* counter = of[static_cast<size_t>(operation)];
    if (counter) counter->count(success, length);
  }
};

/// What a completion counts as. Atomics and local operations have no counter.
inline Counted counted(ibv_wc_opcode opcode) {
  switch (opcode) {
    case IBV_WC_RECV:
    case IBV_WC_TM_RECV:
    case IBV_WC_TM_NO_TAG:
    case IBV_WC_RECV_RDMA_WITH_IMM: return Counted::kRecv;
    case IBV_WC_SEND:
    case IBV_WC_TSO: return Counted::kSend;
    case IBV_WC_RDMA_READ: return Counted::kRead;
    case IBV_WC_RDMA_WRITE: return Counted::kWrite;
    default: return Counted::kNothing;
  }
}

}  // namespace vb
