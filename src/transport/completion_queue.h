// SPDX-License-Identifier: BSD-2-Clause
// A completion queue: many producers (whoever makes progress), any number of pollers.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include "base/list.h"
#include "base/result.h"
#include "base/ring_memory.h"
#include "base/spinlock.h"
#include "transport/gate.h"

namespace vb {

/// One cache line.
struct Cqe {
  uint64_t wr_id = 0;
  ibv_wc_status status : 8 = IBV_WC_SUCCESS;
  ibv_wc_opcode opcode : 16 = IBV_WC_SEND;
  uint32_t wc_flags : 8 = 0;
  uint16_t vendor_err = 0;
  uint16_t cvlan = 0;  ///< the tag that was taken out of the frame
  uint32_t byte_len = 0;
  uint32_t imm = 0;  ///< as ibv_wc.imm_data: network byte order, or the invalidated rkey
  uint32_t qp_num : 24 = 0;
  uint32_t sl : 8 = 0;
  uint32_t src_qp = 0;
  uint32_t flow_tag = 0;      ///< of the steering rule that chose the queue pair
  uint32_t tm_priv = 0;       ///< tag matching: ibv_tmh.app_ctx, host byte order
  uint64_t tm_tag = 0;        ///< tag matching: the tag, host byte order
  uint64_t timestamp_ns = 0;  ///< CLOCK_MONOTONIC at completion, when the queue keeps time
  uint64_t wallclock_ns = 0;  ///< CLOCK_REALTIME likewise
};

static_assert(sizeof(Cqe) == 64);

struct OnModerated;

class CompletionQueue : public ListNode<CompletionQueue, OnModerated> {
 public:
  /// Told with the queue's lock released, under the lane's lock: must not block.
  class Listener {
   public:
    virtual void completion_event() = 0;
    /// The first completion of those that wait for the moderation period has come.
    virtual void completion_delayed() = 0;
    virtual void overflow() = 0;

   protected:
    ~Listener() = default;
  };

  struct Options {
    uint32_t depth = 1;           ///< completions that may wait
    bool stamped = false;         ///< keep the time of each
    bool ignore_overrun = false;  ///< when full, the oldest completion makes room instead of ending the queue
  };

  /// `source`: of the ring's memory; nullptr: the heap.
  Result<void> open(const Options& options, Listener* listener, RingSource* source = nullptr);
  /// EINVAL when more than `depth` completions wait.
  Result<void> resize(uint32_t depth);

  /// `solicited`: also wakes a consumer that waits for solicited completions only. An error always does. False: the
  /// queue was full and is in error for ever, or has been so: who completes here is in error too. Lane's lock held.
  bool push(const Cqe& cqe, bool solicited);

  // Cross-channel work. Requests that wait for completions of this queue:
  Turns turns;
  std::atomic<uint32_t> waits{0};  ///< how many there are
  /// There have been that many completions. Lane's lock held.
  bool reached(uint32_t turn) const { return static_cast<int32_t>(pushed_ - turn) >= 0; }

  /// Takes out the completions of a queue pair that starts afresh (RESET).
  void forget(uint32_t qp_num);

  /// Hands up to `limit` completions to visit(cqe, position), in order; returns how many.
  template <class Visit>
  int consume(int limit, Visit visit) {
    if (relaxed(tail_) == relaxed(head_)) return 0;  // A racing push is found by the next poll.
    int count = 0;
    lock_.lock();
    uint32_t head = head_;
    for (; count < limit && head != tail_; ++count, ++head) visit(ring_[head & mask_], count);
    set_head(head);
    lock_.unlock();
    return count;
  }

  /// The same as long as take(cqe) is true: what it does not take stays.
  template <class Take>
  int consume_while(int limit, Take take) {
    int count = 0;
    lock_.lock();
    uint32_t head = head_;
    while (count < limit && head != tail_ && take(ring_[head & mask_])) ++count, ++head;
    set_head(head);
    lock_.unlock();
    return count;
  }

  /// Changes Options::ignore_overrun.
  void set_ignore_overrun(bool ignore);

  /// Completions that nobody has polled yet.
  uint32_t pending();

  /// One event for the next completion (the next solicited one). ibv_req_notify_cq(3). True: it was not armed before.
  bool arm(bool solicited_only);
  bool armed() const { return armed_ != kNot; }

  /// An event waits until `count` completions have come that would cause one, or until `period_ns` after the first of
  /// them. A period of 0: no event waits. ibv_modify_cq(3).
  void moderate(uint32_t count, uint64_t period_ns);
  uint64_t event_deadline() const { return event_deadline_; }
  /// The moderation period is over: the event that waits is due. Lane's lock held.
  void period_over();

 private:
  enum Armed : uint8_t { kNot, kSolicited, kAny };

  enum class Event : uint8_t { kNone, kNow, kLater };

  // Both ends are looked at without the lock, and written with it.
  static uint32_t relaxed(const uint32_t& end) { return __atomic_load_n(&end, __ATOMIC_RELAXED); }
  void set_head(uint32_t head) { __atomic_store_n(&head_, head, __ATOMIC_RELAXED); }
  bool make_room();
  Event event_of(const Cqe& cqe, bool solicited);

  SpinLock lock_;
  Armed armed_ = kNot;
  bool stamped_ = false;
  bool ignore_overrun_ = false;
  bool in_error_ = false;
  uint32_t depth_ = 0;
  uint32_t mask_ = 0;
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
  uint32_t pushed_ = 0;          ///< all that there have been
  uint32_t event_count_ = 0;     ///< moderation; 0: no count
  uint32_t events_waiting_ = 0;  ///< completions since the last event that would have caused one
  uint64_t period_ns_ = 0;
  uint64_t event_deadline_ = 0;
  RingSource* source_ = nullptr;
  Ring<Cqe> ring_;
  Listener* listener_ = nullptr;
};

}  // namespace vb
