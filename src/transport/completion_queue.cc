// SPDX-License-Identifier: BSD-2-Clause
#include "transport/completion_queue.h"

#include <bit>
#include <mutex>

#include "base/clock.h"

namespace vb {

Result<void> CompletionQueue::open(const Options& options, Listener* listener, RingSource* source) {
  source_ = source;
  stamped_ = options.stamped;
  ignore_overrun_ = options.ignore_overrun;
  listener_ = listener;
  return resize(options.depth);
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

bool CompletionQueue::push(const Cqe& cqe, bool solicited) {
  lock_.lock();
  if (tail_ - head_ >= depth_ || in_error_) [[unlikely]] {
    bool first = !in_error_;
    if (!make_room()) {
      lock_.unlock();
      if (first) listener_->overflow();
      return false;
    }
  }
  Cqe& slot = ring_[tail_ & mask_];
  slot = cqe;
  if (stamped_) {
    slot.timestamp_ns = clock_ns();
    slot.wallclock_ns = clock_ns(CLOCK_REALTIME);
  }
  __atomic_store_n(&tail_, tail_ + 1, __ATOMIC_RELEASE);
  ++pushed_;
  Event event = armed_ == kNot ? Event::kNone : event_of(cqe, solicited);
  lock_.unlock();
  if (event == Event::kNow) listener_->completion_event();
  if (event == Event::kLater) listener_->completion_delayed();
  return true;
}

/// InfiniBand specification, 11.6.3.1: a completion that finds no room ends the queue.
bool CompletionQueue::make_room() {
  if (!ignore_overrun_) {
    in_error_ = true;
    return false;
  }
  set_head(head_ + 1);
  return true;
}

CompletionQueue::Event CompletionQueue::event_of(const Cqe& cqe, bool solicited) {
  bool error = cqe.status != IBV_WC_SUCCESS;
  if (armed_ != kAny && !solicited && !error) return Event::kNone;
  ++events_waiting_;
  bool enough = event_count_ != 0 && events_waiting_ >= event_count_;
  if (period_ns_ == 0 || enough || error) {
    armed_ = kNot;
    events_waiting_ = 0;
    event_deadline_ = 0;
    return Event::kNow;
  }
  if (event_deadline_ != 0) return Event::kNone;
  event_deadline_ = clock_ns() + period_ns_;
  return Event::kLater;
}

void CompletionQueue::moderate(uint32_t count, uint64_t period_ns) {
  std::lock_guard guard(lock_);
  event_count_ = count;
  period_ns_ = period_ns;
}

void CompletionQueue::period_over() {
  lock_.lock();
  bool due = armed_ != kNot && events_waiting_ != 0;
  if (due) armed_ = kNot;
  events_waiting_ = 0;
  event_deadline_ = 0;
  lock_.unlock();
  if (due) listener_->completion_event();
}

void CompletionQueue::set_ignore_overrun(bool ignore) {
  std::lock_guard guard(lock_);
  ignore_overrun_ = ignore;
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

void CompletionQueue::forget(uint32_t qp_num) {
  std::lock_guard guard(lock_);
  uint32_t kept = head_;
  for (uint32_t i = head_; i != tail_; ++i) {
    if (ring_[i & mask_].qp_num != qp_num) ring_[kept++ & mask_] = ring_[i & mask_];
  }
  __atomic_store_n(&tail_, kept, __ATOMIC_RELEASE);
}

}  // namespace vb
