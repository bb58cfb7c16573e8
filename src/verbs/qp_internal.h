// SPDX-License-Identifier: BSD-2-Clause
// What the files about queue pairs share.
#pragma once

#include <mutex>

#include "transport/lane.h"
#include "verbs/qp.h"

namespace vb {

/// Stops the queue pair without a word to the program, and waits until nothing touches its memory. `guard`: the lane's
/// lock, which others may have meanwhile.
void silence(QueuePair& transport, std::unique_lock<Lane>& guard);

}  // namespace vb
