// SPDX-License-Identifier: BSD-2-Clause
// The epoll sets that the helper sleeps on.
#pragma once

#include <sys/epoll.h>

#include <memory>
#include <vector>

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
  /// Keeps a target that is removed for as long as an event of it may be under way: wait() returns without the lock.
  void retire(std::shared_ptr<void> target) { retired_.push_back(std::move(target)); }
  /// A fabric's wait fd: wakes wait(kEverything) only, and only for what comes after the last wake.
  void add_fabric(int fd);

  enum class On { kControl, kEverything };
  /// Sleeps, `timeout_ms` at most (-1: for ever). Returns how many events stand in events().
  int wait(On what, int timeout_ms);
  const epoll_event* events() const { return events_; }
  /// Wakes wait(), from any thread.
  void nudge();
  /// What wait() returned is dealt with. Lane's lock held.
  void handled() { retired_.clear(); }
  /// After wait(): takes the nudge back.
  void clear_nudge();

 private:
  static constexpr int kEvents = 64;
  Fd control_;
  Fd everything_;
  Fd nudge_;
  epoll_event events_[kEvents];
  std::vector<std::shared_ptr<void>> retired_;
};

}  // namespace vb
