// SPDX-License-Identifier: BSD-2-Clause
// Memory that processes of one user share: files without a name, whose size nobody can change, so that no access to a
// mapping of one can fault. Nothing of them is left behind. Others open them through /proc.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "base/fd.h"
#include "base/result.h"

namespace vb {

/// Of `size` bytes, all 0, which take no memory before they are touched. EFBIG: the process may not have files of that
/// size (RLIMIT_FSIZE), and would get a signal.
Result<Fd> make_sealed_file(const char* name, size_t size);

/// What `process` has open as `fd`, if it is such a file of that size and of this process's user; none: anything else.
/// Whoever names it may mean ill: nothing else is opened.
Fd open_sealed_file(pid_t process, int fd, size_t size);

}  // namespace vb
