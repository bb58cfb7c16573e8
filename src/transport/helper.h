// SPDX-License-Identifier: BSD-2-Clause
// The helper thread: serves control connections always, and the fabric when no thread of the program polls.
#pragma once

#include <pthread.h>

#include <atomic>

#include "transport/placement.h"
#include "transport/router.h"

namespace vb {

class Helper {
 public:
  Helper(Lane& lane, Router& router, Placement& placement) : lane_(lane), router_(router), placement_(placement) {}

  /// Starts the thread, all signals blocked. EAGAIN: the system allows no more threads.
  Result<void> start();
  /// Wakes it. Any thread.
  void nudge() { router_.poller().nudge(); }
  /// Something is going to move data: the helper loads libfabric before it serves anything else.
  void load_fabric();
  /// A consumer waits for events: the helper serves the fabric at once.
  void take_over();

 private:
  int wait(Poller::On what, int timeout_ms);
  static void* main(void* self);
  void run();
  bool somebody_polls();
  bool polled_since_last_look() const;
  void stand_by();
  bool drain();
  static bool linger(std::unique_lock<Lane>& guard, uint64_t& until);
  void serve();
  enum class Nap { kSlept, kBusy, kStalled };
  Nap sleep_deeply();
  void handle_control(int count);
  void maintain();
  int timeout_ms(uint64_t now_ns) const;

  Lane& lane_;
  Router& router_;
  Placement& placement_;
  pthread_t thread_{};
  uint32_t seen_polls_ = 0;
  uint64_t last_tick_ns_ = 0;
  std::atomic<bool> wanted_{false};
  std::atomic<bool> fabric_wanted_{false};
  bool fabric_loaded_ = false;
};

}  // namespace vb
