// SPDX-License-Identifier: BSD-2-Clause
// Whether a process has ended, with all its threads, or has become another program.
#pragma once

#include <sys/types.h>

namespace vb::fabric {

/// Also when its parent has not waited for it yet. False when that cannot be told.
bool has_ended(pid_t process);

/// Whether it runs and maps nothing of a file, because it has begun to execute another program. False when that cannot
/// be told.
bool runs_without(pid_t process, int file);

/// Whether it runs and has the file mapped. A process that is ending has not.
bool maps(pid_t process, int file);

}  // namespace vb::fabric
