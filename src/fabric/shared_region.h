// SPDX-License-Identifier: BSD-2-Clause
// The shared memory region of a libfabric shm endpoint, mapped a second time, to look into it from outside: its spin
// lock lies in memory that both sides map, so a process that is killed inside leaves it locked, and everybody who
// enters afterwards spins for ever; and who polls by entering takes the lock's cache line away from who sends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "fabric/undertaker.h"

namespace vb::fabric {

class SharedRegion {
 public:
  SharedRegion() = default;
  /// Of the endpoint with that name. Stays unknown when the region's layout is not one that we know.
  explicit SharedRegion(const std::string& endpoint);

  /// Whether the lock can be had now, within some microseconds. True when the layout is not known.
  bool passable() const;
  /// Frees the lock if it stays locked for long (by the undertaker: does not wait for that). Only when a process that
  /// may hold it is dead.
  void rescue() const;
  /// Whether no peer has left anything for this endpoint. Takes nothing away from a peer that is about to. False when
  /// the layout is not known.
  bool quiet() const { return view_ && view_->commands->empty() && view_->responses->empty(); }
  /// Whether a peer has. False when the layout is not known.
  bool has_word() const { return view_ && !quiet(); }

 private:
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

  struct View {
    View(unsigned char* region, size_t length);
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View();
    bool known() const;
    const Queue* queue(size_t offset_at) const;
    pid_t owner() const;

    unsigned char* base;
    size_t size;
    const Queue* commands;
    const Queue* responses;
    std::optional<SharedLock> lock;  ///< when the layout is known
  };

  std::unique_ptr<View> view_;
};

}  // namespace vb::fabric
