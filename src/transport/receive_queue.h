// SPDX-License-Identifier: BSD-2-Clause
// A receive queue, of one QP or shared by many (SRQ).
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include "base/result.h"
#include "base/ring_memory.h"
#include "base/spinlock.h"
#include "transport/gate.h"

namespace vb {

inline constexpr uint32_t kMaxReceiveSge = 32;

/// A receive WR, as taken off its queue.
struct ReceiveWqe {
  uint64_t wr_id;
  uint32_t sge_count;
  ibv_sge sge[kMaxReceiveSge];
};

/// The bytes that a receive has room for.
inline uint64_t room(const ReceiveWqe& receive) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < receive.sge_count; ++i) bytes += receive.sge[i].length;
  return bytes;
}

class ReceiveQueue {
 public:
  /// Room for `depth` WRs of at most `max_sge` SGEs (at most kMaxReceiveSge).
  /// `source`: of the rings' memory; nullptr: the heap.
  Result<void> open(uint32_t depth, uint32_t max_sge, RingSource* source = nullptr);
  /// EINVAL when more than `depth` WRs wait.
  Result<void> resize(uint32_t depth);

  /// ENOMEM: full. EINVAL: too many SGEs.
  int post(const ibv_recv_wr& wr);
  /// False: empty, or the next WR may not be used yet (a managed queue), or has no room for `needed` bytes.
  /// `limit_reached`: the count fell below the armed limit (once per arming).
  bool pop(ReceiveWqe& out, bool& limit_reached, uint64_t needed = 0);

  void arm_limit(uint32_t limit);  ///< 0 disarms
  uint32_t limit();
  uint32_t depth() const { return depth_; }
  uint32_t max_sge() const { return max_sge_; }
  bool empty() const { return __atomic_load_n(&tail_, __ATOMIC_ACQUIRE) == __atomic_load_n(&head_, __ATOMIC_ACQUIRE); }
  /// Behind the last receive that was posted.
  uint32_t end() const { return __atomic_load_n(&tail_, __ATOMIC_ACQUIRE); }
  void clear();

  Gate gate;

 private:
  struct Slot {
    uint64_t wr_id;
    uint32_t sge_count;
  };

  SpinLock lock_;
  uint32_t depth_ = 0;
  uint32_t max_sge_ = 0;
  uint32_t mask_ = 0;
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
  uint32_t limit_ = 0;
  RingSource* source_ = nullptr;
  Ring<Slot> slots_;
  Ring<ibv_sge> sges_;  ///< max_sge_ for each slot
};

}  // namespace vb
