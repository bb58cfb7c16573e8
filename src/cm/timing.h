// SPDX-License-Identifier: BSD-2-Clause
// The connection manager's patience, in nanoseconds.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace vb::cm {

// A message is sent again after 100 ms, then at intervals that double up to 4 s: the specification's response timeout
// at most, and a lost datagram costs little. After ten sendings, some 24 s, the peer counts as unreachable.
inline constexpr uint64_t kFirstInterval = 100 * kMillisecond;
inline constexpr uint64_t kLastInterval = 4 * kSecond;
inline constexpr int kAttempts = 10;
/// A peer that answers "wait" is asked at this pace, for as long as it answers.
inline constexpr uint64_t kWaitInterval = 2 * kSecond;
/// How often a peer's process is asked whether it lives.
inline constexpr uint64_t kProbeInterval = kSecond;
/// How long a number stays out of use after its connection, so that a late message meets nobody.
inline constexpr uint64_t kTimewait = 2 * kSecond;
/// Events of the sockets that are served before the lane is given back.
inline constexpr int kEventsPerPass = 256;

/// Sendings, over some 3 s, after which a program that is known to have listened counts as listening no more.
inline constexpr int kRefusals = 6;

}  // namespace vb::cm
