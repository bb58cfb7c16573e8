// SPDX-License-Identifier: BSD-2-Clause
// Locks for short critical sections. Both give the core away when the holder does not come back soon, because a
// machine with few cores may have preempted it.
#pragma once

#include <sched.h>

#include <atomic>

namespace vb {

inline void relax(unsigned& spins) {
  if (++spins % 64 == 0) {
    sched_yield();
  } else {
    __builtin_ia32_pause();
  }
}

class SpinLock {
 public:
  void lock() {
    unsigned spins = 0;
    while (!try_lock()) relax(spins);
  }
  bool try_lock() { return !held_.load(std::memory_order_relaxed) && !held_.exchange(true, std::memory_order_acquire); }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

/// A spin lock whose try_lock gives way to whoever waits in lock(), so that a polling thread cannot starve the others.
class PoliteLock {
 public:
  void lock() {
    unsigned spins = 0;
    waiting_.fetch_add(1, std::memory_order_relaxed);
    while (!lock_.try_lock()) relax(spins);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }
  bool try_lock() { return waiting_.load(std::memory_order_relaxed) == 0 && lock_.try_lock(); }
  void unlock() { lock_.unlock(); }

 private:
  SpinLock lock_;
  std::atomic<int> waiting_{0};
};

}  // namespace vb
