// SPDX-License-Identifier: BSD-2-Clause
// The specification's timers, in nanoseconds, and its limits on a message.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace vb::path {

inline constexpr uint32_t kMaxMessage = 1u << 31;  ///< bytes; InfiniBand specification C9-56
inline constexpr uint8_t kInfiniteRnrRetry = 7;

/// Local ACK timeout: 4.096 us * 2^code. Code 0 is infinite for the budget; retries then come at a fixed pace.
inline uint64_t timeout_ns(uint8_t code) {
  if (code == 0) return 100 * kMillisecond;
  return std::max<uint64_t>(uint64_t{4096} << std::min<uint8_t>(code, 31), kMillisecond);
}

/// RNR NAK timer field: InfiniBand specification, table 45.
inline uint64_t rnr_timer_ns(uint32_t code) {
  static constexpr uint32_t kMicroseconds[32] = {655360, 10,    20,    30,     40,     60,     80,     120,
                                                 160,    240,   320,   480,    640,    960,    1280,   1920,
                                                 2560,   3840,  5120,  7680,   10240,  15360,  20480,  30720,
                                                 40960,  61440, 81920, 122880, 163840, 245760, 327680, 491520};
  return uint64_t{kMicroseconds[code & 31]} * 1000;
}

}  // namespace vb::path
