// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/process_end.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace vb::fabric {

bool has_ended(pid_t process) {
  Fd handle(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (!handle) return errno == ESRCH;
  pollfd end{handle.get(), POLLIN, 0};
  return poll(&end, 1, 0) == 1;
}

}  // namespace vb::fabric
