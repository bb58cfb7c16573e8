// SPDX-License-Identifier: BSD-2-Clause
// The spin lock of a libfabric shared memory region. It lies in memory that both sides map, so a process that is killed
// inside it leaves it locked, and everybody who enters afterwards spins for ever. This class maps the same lock from
// the outside: to look before entering, and to free what a dead process has left.
#pragma once

#include <pthread.h>

#include <string>

namespace vb::fabric {

class RegionLock {
 public:
  RegionLock() = default;
  /// Of the endpoint with that name. Stays unusable when the region's layout is not one that we know.
  explicit RegionLock(const std::string& endpoint);
  ~RegionLock();
  RegionLock(RegionLock&& other) noexcept;
  RegionLock& operator=(RegionLock&& other) noexcept;

  /// Whether the lock can be had now, within some microseconds. True when the layout is not known.
  bool passable() const;
  /// Frees the lock if it stays locked for long. Only when a process that may hold it is dead.
  void rescue() const;

 private:
  pthread_spinlock_t* lock() const;

  void* page_ = nullptr;
};

}  // namespace vb::fabric
