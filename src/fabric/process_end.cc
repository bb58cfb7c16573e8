// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/process_end.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/fd.h"

namespace vb::fabric {

bool has_ended(pid_t process) {
  Fd handle(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (!handle) return kill(process, 0) != 0 && errno == ESRCH;  // a kernel or a sandbox may have no such handles
  pollfd end{handle.get(), POLLIN, 0};
  return poll(&end, 1, 0) == 1;
}

namespace {

enum class Mapped { kNothing, kOthers, kIt };

/// What a process maps: the file, or others only. Nothing: it is ending, or may not be looked at.
Mapped mapped(pid_t process, int file) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/maps", process);
  std::unique_ptr<FILE, int (*)(FILE*)> maps(fopen(path, "re"), fclose);
  struct stat wanted;
  if (!maps || fstat(file, &wanted) != 0) return Mapped::kNothing;
  Mapped found = Mapped::kNothing;
  unsigned major, minor;
  unsigned long inode;
  // address, permissions, offset, device, inode, and perhaps a name
  while (fscanf(maps.get(), "%*s %*s %*s %x:%x %lu%*[^\n]", &major, &minor, &inode) == 3) {
    if (inode == wanted.st_ino && makedev(major, minor) == wanted.st_dev) return Mapped::kIt;
    found = Mapped::kOthers;
  }
  return feof(maps.get()) ? found : Mapped::kNothing;
}

}  // namespace

bool runs_without(pid_t process, int file) { return mapped(process, file) == Mapped::kOthers; }

bool maps(pid_t process, int file) { return mapped(process, file) == Mapped::kIt; }

}  // namespace vb::fabric
