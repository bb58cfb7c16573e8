// SPDX-License-Identifier: BSD-2-Clause
// Events behind a real file descriptor: it can be polled, epolled, duplicated and made non-blocking. Thread safe.
#pragma once

#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

#include "base/fd.h"
#include "base/result.h"
#include "base/spinlock.h"

namespace vb {

template <class Event>
class EventQueue {
 public:
  Result<void> open() {
    fd_ = Fd(eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC));
    return fd_ ? Result<void>() : Error{errno};
  }
  int fd() const { return fd_.get(); }
  /// Forgets what waits. Whoever comes afterwards gets EBADF; who is blocked stays so, as with any descriptor.
  void close() {
    std::deque<Event> forgotten;
    Fd closing;
    {
      std::lock_guard guard(lock_);
      forgotten.swap(events_);
      closing = std::move(fd_);
    }
    // Who writes to it still must not find the number to be another descriptor's.
    for (unsigned spins = 0; writing_.load(std::memory_order_acquire) != 0;) relax(spins);
  }

  /// No effect on a queue that is closed.
  void push(const Event& event) {
    int fd;
    {
      std::lock_guard guard(lock_);
      if (!fd_) return;
      events_.push_back(event);
      fd = fd_.get();
      writing_.fetch_add(1, std::memory_order_relaxed);
    }
    eventfd_write(fd, 1);  // Not with the lock: who wakes by it wants the lock.
    writing_.fetch_sub(1, std::memory_order_release);
  }

  template <class Predicate>
  size_t count(Predicate predicate) {
    std::lock_guard guard(lock_);
    return static_cast<size_t>(std::count_if(events_.begin(), events_.end(), predicate));
  }

  /// The next event. Blocks unless the fd is non-blocking (EAGAIN); EINTR after a signal. A cancellation point. `taken`
  /// runs with the queue locked, so that nobody sees the event neither queued nor taken.
  template <class Taken>
  Result<Event> take(Taken taken) {
    for (;;) {
      eventfd_t one;
      if (read(fd_.get(), &one, sizeof one) != sizeof one) return Error{errno};
      std::lock_guard guard(lock_);
      if (events_.empty()) continue;  // remove() was faster
      Event event = events_.front();
      events_.pop_front();
      taken(event);
      return event;
    }
  }

  /// Forgets the events of an object that goes.
  template <class Predicate>
  void remove(Predicate predicate) {
    std::lock_guard guard(lock_);
    size_t removed = std::erase_if(events_, predicate);
    for (; removed > 0; --removed) {
      eventfd_t one;
      iovec vector{&one, sizeof one};
      if (preadv2(fd_.get(), &vector, 1, -1, RWF_NOWAIT) < 0) return;  // a taker has the count: it looks again
    }
  }

 private:
  Fd fd_;
  SpinLock lock_;
  std::deque<Event> events_;
  std::atomic<unsigned> writing_{0};  ///< threads between the queue and the descriptor
};

}  // namespace vb
