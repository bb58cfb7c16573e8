// SPDX-License-Identifier: BSD-2-Clause
// Says whether memory is still what it was: the kernel itself tells of munmap, mremap, madvise that drops pages, and of
// mappings put in their place (userfaultfd(2), its events; no page fault is ever handed to us). For who has pinned
// pages and wants to know whether they are still the program's.
//
// A call that changes a watched mapping returns to the program only when its event has been read here, with the lock
// held that intact() takes: what intact() says is true of everything that had returned before it was called.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace vb {

class MappingWatch {
 public:
  static constexpr size_t kMost = 256;  ///< ranges at a time

  /// The process's. A fork leaves it behind: the child's is a new one.
  static MappingWatch& instance();

  /// Watches the pages of [at, at+size) from now on. -1: it cannot be watched, because the kernel has no userfaultfd
  /// for us, the memory is not private and anonymous (a file may shrink without an event), somebody else watches it, or
  /// there are too many. Else a number for the calls below. Thread safe, as are all.
  int watch(const void* at, size_t size);
  /// Nothing has happened to it, and the process has not forked. False is for ever.
  bool intact(int number);
  void forget(int number);

 private:
  struct Range {
    uintptr_t begin = 0, end = 0;  ///< end 0: free
    bool intact = false;
    uint32_t forks = 0;
  };

  MappingWatch();
  static void* main(void* self);
  void run();
  void read_events();
  void give_up();
  void changed(uintptr_t begin, uintptr_t end);
  bool open();
  bool enroll(uintptr_t begin, uintptr_t end);
  void withdraw(uintptr_t begin, uintptr_t end);

  /// Nothing is allocated under it: to free may change a watched mapping, which would wait for us.
  std::mutex mutex_;
  int fd_ = -1;
  std::array<Range, kMost> ranges_{};
};

}  // namespace vb
