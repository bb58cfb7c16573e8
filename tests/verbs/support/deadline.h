// SPDX-License-Identifier: BSD-2-Clause
// A point in time after which a test stops waiting and fails. Generous: it is reached only by a hang.
#pragma once

#include <chrono>

namespace vt {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(std::chrono::milliseconds limit = std::chrono::seconds(20)) : end_(Clock::now() + limit) {}
  bool expired() const { return Clock::now() >= end_; }
  int poll_timeout() const {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return left > 0 ? static_cast<int>(left) : 0;
  }

 private:
  Clock::time_point end_;
};

}  // namespace vt
