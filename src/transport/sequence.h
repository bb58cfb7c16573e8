// SPDX-License-Identifier: BSD-2-Clause
// Message sequence numbers: 32 bits that wrap.
#pragma once

#include <cstdint>

namespace vb {

inline bool before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

/// Requests of one queue pair that may be without an answer. What a responder holds is bounded by it.
inline constexpr uint32_t kWindow = 256;

}  // namespace vb
