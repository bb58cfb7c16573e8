// SPDX-License-Identifier: BSD-2-Clause
// A point in time after which a test stops waiting and fails. Generous: it is reached only by a hang.
#pragma once

#include <chrono>
#include <cstdlib>

namespace vt {

// VERBATIM_TEST_PATIENCE, in seconds, or else 20: less where a device is known to leave much undone.
inline std::chrono::seconds patience() {
  const char* wish = std::getenv("VERBATIM_TEST_PATIENCE");
  const int seconds = wish ? std::atoi(wish) : 0;
  return std::chrono::seconds(seconds > 0 ? seconds : 20);
}

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(std::chrono::milliseconds limit = patience()) : end_(Clock::now() + limit) {}
  bool expired() const { return Clock::now() >= end_; }
  int poll_timeout() const {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return left > 0 ? static_cast<int>(left) : 0;
  }

 private:
  Clock::time_point end_;
};

}  // namespace vt
