// SPDX-License-Identifier: BSD-2-Clause
// The epoll sets that the helper sleeps on.
#pragma once

#include <sys/epoll.h>

#include "base/fd.h"
#include "base/result.h"
#include "transport/pollable.h"

namespace vb {

class Poller {
 public:
  Result<void> open();

  void add(int fd, uint32_t events, Pollable& target);
  void modify(int fd, uint32_t events, Pollable& target);
  void remove(int fd);
  /// A fabric's wait fd: wakes wait(kEverything) only, and only for what comes after the last wake.
  void add_fabric(int fd);

  enum class On { kControl, kEverything };
  /// Sleeps, `timeout_ms` at most (-1: for ever). Returns how many events stand in events().
  int wait(On what, int timeout_ms);
  const epoll_event* events() const { return events_; }
  /// Wakes wait(), from any thread.
  void nudge();
  /// After wait(): takes the nudge back.
  void clear_nudge();

 private:
  static constexpr int kEvents = 64;
  Fd control_;
  Fd everything_;
  Fd nudge_;
  epoll_event events_[kEvents];
};

}  // namespace vb
