// SPDX-License-Identifier: BSD-2-Clause
// Writes memory back to the files that it maps, for persistent flushes. msync may take long, and the lane must not
// wait: a thread of its own does it, started at the first need.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/result.h"
#include "fabric/endpoint.h"

namespace vb {

class Persister {
 public:
  /// Takes [at, at+size) over. `transfer` comes back through collect(), with an errno if the system could not write, or
  /// the memory is not there. EAGAIN: no thread to be had. Lane's lock held. `wake` is called by the thread when
  /// something is done.
  Result<void> write_back(void* at, uint64_t size, fabric::Transfer& transfer, void (*wake)());
  bool anything_done() const { return done_count_.load(std::memory_order_relaxed) != 0; }
  /// Reports what is done. Lane's lock held.
  size_t collect(fabric::Sink& sink);

 private:
  struct Job {
    void* at;
    uint64_t size;
    fabric::Transfer* transfer;
    void (*wake)();
    int error;
  };
  static void* main(void* self);
  void run();
  bool start();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Job> waiting_;
  std::deque<Job> done_;
  std::atomic<uint32_t> done_count_{0};
  bool running_ = false;
};

}  // namespace vb
