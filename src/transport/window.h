// SPDX-License-Identifier: BSD-2-Clause
// Memory windows: binding and invalidation. InfiniBand specification, chapter 10.6.7.2. Lane's lock held.
#pragma once

#include <cstdint>

#include "transport/memory.h"

namespace vb {

class QueuePair;

/// What a bind work request asks for, with keys instead of pointers: what they name may be gone when its turn comes.
struct WindowBinding {
  uint32_t rkey;  ///< the window's new key
  uint32_t mr;    ///< key of the region, 0 for none
  uint64_t address;
  uint64_t length;  ///< 0 (type 1) unbinds
  unsigned access;
};

/// kBusy: an operation through the window is under way; try again when it has ended.
enum class WindowOutcome { kDone, kBusy, kRefused };

/// Executes a bind. Refused (IBV_WC_MW_BIND_ERR) when the window or the region is not there or in another PD, the
/// region does not allow it or is zero-based, the range is outside, or a window of type 2 is bound already.
WindowOutcome bind_window(QueuePair& qp, const WindowBinding& binding);
/// Whether `rkey` is a bound window of type 2 that `qp` may invalidate.
bool may_invalidate(const QueuePair& qp, uint32_t rkey);
/// Executes a local or remote invalidation.
WindowOutcome invalidate_window(QueuePair& qp, uint32_t rkey);
/// Takes a window off its region. No effect on one that is not bound.
void unbind(MemoryWindow& window);

}  // namespace vb
