// SPDX-License-Identifier: BSD-2-Clause
// The shared memory region of a libfabric shm endpoint, mapped a second time, to look into it from outside: its spin
// lock lies in memory that both sides map, so a process that is killed inside leaves it locked, and everybody who
// enters afterwards spins for ever; and who polls by entering takes the lock's cache line away from who sends.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/list.h"

namespace vb::fabric {

class SharedRegion {
 public:
  SharedRegion() = default;
  /// Of the endpoint with that name. Stays unknown when the region's layout is not one that we know.
  explicit SharedRegion(const std::string& endpoint);

  /// Whether the lock can be had now, within some microseconds. True when the layout is not known.
  bool passable() const;
  /// Frees the lock if it stays locked for long. Only when a process that may hold it is dead.
  void rescue() const;
  /// Whether no peer has left anything for this endpoint. Takes nothing away from a peer that is about to. False when
  /// the layout is not known.
  bool quiet() const { return view_ && view_->commands->empty() && view_->responses->empty(); }

 private:
  friend void free_locks_of_the_dead();

  /// The head of a circular queue inside the region. Peers write it.
  struct Queue {
    uint64_t size;
    uint64_t mask;
    uint64_t read;
    uint64_t written;
    bool empty() const {
      return __atomic_load_n(&written, __ATOMIC_ACQUIRE) == __atomic_load_n(&read, __ATOMIC_RELAXED);
    }
  };

  /// The mapping. All of this process are on one list.
  struct View : ListNode<View> {
    View(unsigned char* region, size_t length);
    ~View();
    bool known() const;
    const Queue* queue(size_t offset_at) const;
    pthread_spinlock_t* lock() const;
    pid_t owner() const;
    void rescue() const;

    unsigned char* base;
    size_t size;
    const Queue* commands;
    const Queue* responses;
  };
  static List<View>& views();

  std::unique_ptr<View> view_;
};

/// For a thread that waits in vain for one which may spin inside a region: frees the locks of regions whose processes
/// are dead, and then that of our own, which those may have held. Any thread. Takes 200 ms for each that is locked.
void free_locks_of_the_dead();

}  // namespace vb::fabric
