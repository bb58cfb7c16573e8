// SPDX-License-Identifier: BSD-2-Clause
// A completion queue: many producers (whoever makes progress), any number of pollers.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include "base/result.h"
#include "base/ring_memory.h"
#include "base/spinlock.h"

namespace vb {

struct Cqe {
  uint64_t wr_id = 0;
  ibv_wc_status status = IBV_WC_SUCCESS;
  ibv_wc_opcode opcode = IBV_WC_SEND;
  uint32_t vendor_err = 0;
  uint32_t byte_len = 0;
  uint32_t imm = 0;  ///< as ibv_wc.imm_data: network byte order, or the invalidated rkey
  uint32_t qp_num = 0;
  uint32_t src_qp = 0;
  uint32_t wc_flags = 0;
  uint32_t flow_tag = 0;  ///< of the steering rule that chose the queue pair
  uint16_t cvlan = 0;     ///< the tag that was taken out of the frame
  uint8_t sl = 0;
  uint64_t timestamp_ns = 0;  ///< CLOCK_MONOTONIC at completion, when the queue keeps time
  uint64_t wallclock_ns = 0;  ///< CLOCK_REALTIME likewise
};

class CompletionQueue {
 public:
  /// Told with the queue's lock released, in the context of whoever makes progress: must not block.
  class Listener {
   public:
    virtual void completion_event() = 0;
    virtual void overflow() = 0;

   protected:
    ~Listener() = default;
  };

  /// Room for `depth` completions. `stamped`: keep the time of each. `source`: of the ring's memory; nullptr: the heap.
  Result<void> open(uint32_t depth, bool stamped, Listener* listener, RingSource* source = nullptr);
  /// EINVAL when more than `depth` completions wait.
  Result<void> resize(uint32_t depth);

  /// `solicited`: also wakes a consumer that waits for solicited completions only. An error always does.
  void push(const Cqe& cqe, bool solicited);

  /// Hands up to `limit` completions to visit(cqe, position), in order; returns how many.
  template <class Visit>
  int consume(int limit, Visit visit) {
    if (tail_relaxed() == head_) return 0;  // A racing push is found by the next poll.
    int count = 0;
    lock_.lock();
    for (; count < limit && head_ != tail_; ++count, ++head_) visit(ring_[head_ & mask_], count);
    lock_.unlock();
    return count;
  }

  /// Completions that nobody has polled yet.
  uint32_t pending();

  /// One event for the next completion (the next solicited one). ibv_req_notify_cq(3). True: it was not armed before.
  bool arm(bool solicited_only);
  bool armed() const { return armed_ != kNot; }

 private:
  enum Armed : uint8_t { kNot, kSolicited, kAny };

  uint32_t tail_relaxed() const { return __atomic_load_n(&tail_, __ATOMIC_RELAXED); }

  SpinLock lock_;
  Armed armed_ = kNot;
  bool stamped_ = false;
  bool overflowed_ = false;
  uint32_t depth_ = 0;
  uint32_t mask_ = 0;
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
  RingSource* source_ = nullptr;
  Ring<Cqe> ring_;
  Listener* listener_ = nullptr;
};

}  // namespace vb
