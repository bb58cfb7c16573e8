// SPDX-License-Identifier: BSD-2-Clause
#include "base/sealed_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdio>

namespace vb {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

/// On huge pages an access faults when the system has none left.
bool on_ordinary_pages(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 && info.f_type == TMPFS_MAGIC;
}

bool fits(int fd, size_t size) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
         info.st_size == static_cast<off_t>(size) && on_ordinary_pages(fd);
}

}  // namespace

Result<Fd> make_sealed_file(const char* name, size_t size) {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size) return Error{EFBIG};
  Fd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ftruncate(fd.get(), static_cast<off_t>(size)) != 0 || fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0)
    return Error{errno};
  return fd;
}

/// Looked at before it is opened: to open a device may do something, and to close a file gives up our locks on it.
Fd open_sealed_file(pid_t process, int fd, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", process, fd);
  Fd found(open(path, O_PATH | O_CLOEXEC));
  if (!found || !fits(found.get(), size)) return {};
  snprintf(path, sizeof path, "/proc/self/fd/%d", found.get());
  Fd file(open(path, O_RDWR | O_CLOEXEC));
  const int seals = file ? fcntl(file.get(), F_GET_SEALS) : -1;
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || !fits(file.get(), size)) return {};
  return file;
}

}  // namespace vb
