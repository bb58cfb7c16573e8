// SPDX-License-Identifier: BSD-2-Clause
// Monotonic time in nanoseconds. Not for the hot path: callers read it on ticks and timers only.
#pragma once

#include <time.h>

#include <cstdint>

namespace vb {

inline constexpr uint64_t kMillisecond = 1'000'000;
inline constexpr uint64_t kSecond = 1'000'000'000;

inline uint64_t clock_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace vb
