// SPDX-License-Identifier: BSD-2-Clause
// Whether a process has ended, with all its threads.
#pragma once

#include <sys/types.h>

namespace vb::fabric {

/// Also when its parent has not waited for it yet. False when that cannot be told.
bool has_ended(pid_t process);

}  // namespace vb::fabric
