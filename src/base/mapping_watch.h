// SPDX-License-Identifier: BSD-2-Clause
// Says whether memory is still what it was: the kernel itself tells of munmap, mremap, madvise that drops pages, and of
// mappings put in their place (userfaultfd(2), its events; no page fault is ever handed to us). For who has pinned
// pages and wants to know whether they are still the program's.
//
// A call that changes a watched mapping returns to the program only when its event has been read here, with the lock
// held that intact() takes: what intact() says is true of everything that had returned before it was called.
#pragma once

#include <array>
#include <atomic>
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
  /// there are too many. Else a number for the calls below, which no other watch of the process or of its children
  /// has soon. Thread safe, as are all.
  int watch(const void* at, size_t size);
  /// Nothing has happened to it, and the process has not forked. False is for ever, and for numbers that are not ours.
  bool intact(int number);
  /// Does nothing for a number that is not ours: one of the parent's.
  void forget(int number);

 private:
  struct Range {
    uintptr_t begin = 0, end = 0;  ///< end 0: free
    bool intact = false;
    uint32_t forks = 0;
    int number = -1;
  };

  MappingWatch() = default;
  static void* main(void* self);
  void run();
  bool read_events();
  void give_up(bool closed);
  void changed(uintptr_t begin, uintptr_t end);
  bool open();
  Range& range_of(int number) { return ranges_[static_cast<size_t>(number) % kMost]; }
  int take(uintptr_t begin, uintptr_t end);
  void drop(int number);
  bool enroll(uintptr_t begin, uintptr_t end);
  void withdraw(uintptr_t begin, uintptr_t end);

  /// Held by watch() and forget() from beginning to end: what the kernel watches is what ranges_ says.
  std::mutex changing_;
  /// Nothing is allocated under it once something is watched: to free may change a watched mapping, which would wait
  /// for us. After `changing_`.
  std::mutex mutex_;
  std::atomic<int> fd_{-1};  ///< written with the mutex held
  std::array<Range, kMost> ranges_{};
};

}  // namespace vb
