// SPDX-License-Identifier: BSD-2-Clause
#include "transport/completion_queue.h"

#include <bit>
#include <mutex>

#include "base/clock.h"

namespace vb {

Result<void> CompletionQueue::open(uint32_t depth, bool stamped, Listener* listener, RingSource* source) {
  source_ = source;
  stamped_ = stamped;
  listener_ = listener;
  return resize(depth);
}

Result<void> CompletionQueue::resize(uint32_t depth) {
  uint32_t slots = std::bit_ceil(depth);
  Ring<Cqe> ring = make_ring<Cqe>(slots, source_);
  if (!ring) return Error{ENOMEM};
  std::lock_guard guard(lock_);
  if (tail_ - head_ > depth) return Error{EINVAL};
  for (uint32_t i = head_; i != tail_; ++i) ring[i & (slots - 1)] = ring_[i & mask_];
  ring_.swap(ring);  // the old one goes when the lock is free again
  mask_ = slots - 1;
  depth_ = depth;
  return {};
}

void CompletionQueue::push(const Cqe& cqe, bool solicited) {
  bool overflow = false;
  bool event = false;
  lock_.lock();
  if (tail_ - head_ >= depth_) {
    overflow = !overflowed_;
    overflowed_ = true;
  } else {
    Cqe& slot = ring_[tail_ & mask_];
    slot = cqe;
    if (stamped_) {
      slot.timestamp_ns = clock_ns();
      slot.wallclock_ns = clock_ns(CLOCK_REALTIME);
    }
    __atomic_store_n(&tail_, tail_ + 1, __ATOMIC_RELEASE);
    if (armed_ != kNot) {
      event = armed_ == kAny || solicited || cqe.status != IBV_WC_SUCCESS;
      if (event) armed_ = kNot;
    }
  }
  lock_.unlock();
  if (event) listener_->completion_event();
  if (overflow) listener_->overflow();
}

uint32_t CompletionQueue::pending() {
  std::lock_guard guard(lock_);
  return tail_ - head_;
}

bool CompletionQueue::arm(bool solicited_only) {
  std::lock_guard guard(lock_);
  bool fresh = armed_ == kNot;
  if (armed_ != kAny) armed_ = solicited_only ? kSolicited : kAny;
  return fresh;
}

}  // namespace vb
