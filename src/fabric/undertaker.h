// SPDX-License-Identifier: BSD-2-Clause
// Spin locks that lie in memory of several processes: a process that is killed while it holds one leaves it locked, and
// who waits for it then spins for ever, inside libfabric, with whatever locks he has in his hands. Nobody who may be
// such a waiter can help. So each process that has a peer over shared memory has a thread of its own, the undertaker,
// which sleeps until the kernel tells it that a peer's process has died, and then frees what the dead one held.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/list.h"

namespace vb::fabric {

class Undertaker;

/// A lock as the undertaker sees it. It is looked after until this is destroyed. Thread safe.
class SharedLock : ListNode<SharedLock> {
 public:
  /// `owner`: the process whose region the lock guards. Unless that is this one, its death is watched for: then this
  /// lock and those of our own regions are suspected.
  SharedLock(pthread_spinlock_t& lock, pid_t owner);
  ~SharedLock();

  /// Whether it could be had now. A look takes nothing away from others.
  bool is_free() const { return __atomic_load_n(&lock_, __ATOMIC_RELAXED) == kFree; }
  void prefetch() const { __asm__ volatile("prefetchw %0" : : "m"(lock_)); }
  /// A process that may hold it has died: the undertaker frees it if it stays locked. Does not wait for that.
  void suspect();

 private:
  friend class Undertaker;
  friend class List<SharedLock>;
  static constexpr int kFree = 1;  ///< what an unlocked glibc spin lock holds on x86
  enum class Owner { kSelf, kLives, kDead };

  bool under_inquest() const { return looks_left_ > 0; }
  void begin_inquest(int looks);
  void look();
  bool released_or_freed();

  pthread_spinlock_t& lock_;
  const pid_t process_;
  Owner owner_;
  Fd death_;            ///< readable when the owner dies. None: its death is not told
  int seen_ = 0;        ///< what the lock held when it was looked at last
  int looks_left_ = 0;  ///< at each of which it must be found locked, and not released in between, to be freed
  Undertaker& undertaker_;
};

}  // namespace vb::fabric
