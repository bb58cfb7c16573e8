// SPDX-License-Identifier: BSD-2-Clause
// Locks for short critical sections. Both give the core away when the holder does not come back soon, because a
// machine with few cores may have preempted it.
#pragma once

#include <sched.h>

#include <atomic>
#include <mutex>

namespace vb {

inline void relax(unsigned& spins) {
  if (++spins % 64 == 0) {
    sched_yield();
  } else {
    __builtin_ia32_pause();
  }
}

/// How many of these locks the thread holds. A signal handler that interrupted the holder finds it above 0: it must not
/// wait for a lock then, because it may wait for itself. The count is up before the lock is, and down after it.
inline constinit thread_local unsigned locks_held = 0;

/// What a handler of this thread must see in this order.
inline void count_lock(int change) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  locks_held += static_cast<unsigned>(change);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

class SpinLock {
 public:
  void lock() {
    unsigned spins = 0;
    while (!try_lock()) relax(spins);
  }
  bool try_lock() {
    if (held_.load(std::memory_order_relaxed)) return false;
    count_lock(1);
    if (!held_.exchange(true, std::memory_order_acquire)) return true;
    count_lock(-1);
    return false;
  }
  void unlock() {
    held_.store(false, std::memory_order_release);
    count_lock(-1);
  }
  /// Somebody has it, or had a moment ago.
  bool held() const { return held_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> held_{false};
};

/// A mutex that counts among locks_held.
class CountedMutex {
 public:
  void lock() {
    count_lock(1);
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    count_lock(-1);
  }

 private:
  std::mutex mutex_;
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
  bool held() const { return lock_.held(); }
  /// After try_lock() in vain: who waits for the lock may need our core to take it.
  void give_way() {
    if (waiting_.load(std::memory_order_relaxed) != 0) sched_yield();
  }

 private:
  SpinLock lock_;
  std::atomic<int> waiting_{0};
};

}  // namespace vb
