// SPDX-License-Identifier: BSD-2-Clause
// What cross-channel work is made of (experimental verbs): requests that wait for another queue's completions, and
// queues whose requests go only when another queue pair says so. Both count in the same way.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include "base/spinlock.h"

namespace vb {

/// Gives each request the number that it names: so many beyond where the last one of a group has led. Any thread.
class Turns {
 public:
  /// The number for `count` more. `last`: the next count from the most that was asked for since the last `last`.
  uint32_t take(uint32_t count, bool last) {
    std::lock_guard guard(lock_);
    return advance(count, last);
  }
  /// The same for what is there already: up to `end`. 0: all of it. False: there are not so many.
  bool take(uint32_t count, bool last, uint32_t end, uint32_t& turn) {
    std::lock_guard guard(lock_);
    const uint32_t there = end - base_;
    if (count > there) return false;
    turn = advance(count ? count : there, last);
    return true;
  }
  void restart(uint32_t base) {
    std::lock_guard guard(lock_);
    base_ = base;
    most_ = 0;
  }

 private:
  uint32_t advance(uint32_t count, bool last) {
    const uint32_t turn = base_ + count;
    most_ = std::max(most_, count);
    if (last) base_ += std::exchange(most_, 0);
    return turn;
  }

  SpinLock lock_;
  uint32_t base_ = 0;
  uint32_t most_ = 0;
};

/// Of a queue: how many of its requests may go. Open for all, unless it is managed.
struct Gate {
  Turns turns;
  bool managed = false;
  std::atomic<uint32_t> until{0};  ///< the index of the first request that may not go

  bool shuts(uint32_t index) const {
    return managed && static_cast<int32_t>(until.load(std::memory_order_acquire) - index) <= 0;
  }
  /// Lane's lock held.
  void open(uint32_t turn) {
    if (static_cast<int32_t>(turn - until.load(std::memory_order_relaxed)) > 0) until.store(turn);
  }
  /// Nothing goes from `index` on.
  void restart(uint32_t index) {
    until.store(index);
    turns.restart(index);
  }
};

}  // namespace vb
