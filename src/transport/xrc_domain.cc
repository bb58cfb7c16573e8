// SPDX-License-Identifier: BSD-2-Clause
#include "transport/xrc_domain.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <string>

#include "base/never_destroyed.h"
#include "base/spinlock.h"

namespace vb {

namespace {

constexpr off_t kFirstByte = off_t{1} << 61;
constexpr off_t kBytesPerDevice = off_t{1} << 13;
constexpr off_t kExistence = off_t{1} << 12;  ///< behind the slots

struct flock range(uint32_t device, off_t at, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = kFirstByte + device * kBytesPerDevice + at;
  lock.l_len = 1;
  return lock;
}

/// Locks belong to the open file description: one of our own is not that of the program's fd, nor of its children.
Fd reopen(int fd) {
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  Fd own(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return own ? std::move(own) : Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

bool share(int fd, uint32_t device, off_t at) {
  struct flock lock = range(device, at, F_RDLCK);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool somebody_shares(int fd, uint32_t device, off_t at) {
  struct flock lock = range(device, at, F_WRLCK);
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace

struct XrcDomain::Registry {
  SpinLock lock;
  std::map<Key, std::weak_ptr<XrcDomain>> domains;
};

XrcDomain::Registry& XrcDomain::registry() {
  static NeverDestroyed<Registry> registry;
  return *registry;
}

Result<std::shared_ptr<XrcDomain>> XrcDomain::open(const Request& request) {
  if (request.fd == -1) {
    if (!request.create) return Error{EINVAL};
    return std::shared_ptr<XrcDomain>(new XrcDomain({request.device, 0, 0}, Fd()));
  }
  struct stat info;
  if (fstat(request.fd, &info) != 0) return Error{EBADF};
  Key key{request.device, info.st_dev, info.st_ino};
  std::lock_guard guard(registry().lock);
  std::weak_ptr<XrcDomain>& known = registry().domains[key];
  if (std::shared_ptr<XrcDomain> domain = known.lock()) {
    if (request.exclusive) return Error{EINVAL};
    return domain;
  }
  std::shared_ptr<XrcDomain> domain(new XrcDomain(key, reopen(request.fd)));
  if (!domain->fd_) return Error{errno};
  bool exists = domain->exists_elsewhere();
  if (!exists && !request.create) return Error{EAGAIN};
  if (!share(domain->fd_.get(), key.device, kExistence)) return Error{errno};
  if (exists && request.exclusive) return Error{EINVAL};
  known = domain;
  return domain;
}

XrcDomain::~XrcDomain() {
  if (!fd_) return;
  // Not left to close(): where the file could not be opened anew the program may hold the description as well.
  struct flock lock = range(key_.device, 0, F_UNLCK);
  lock.l_len = kBytesPerDevice;
  fcntl(fd_.get(), F_OFD_SETLK, &lock);
}

bool XrcDomain::exists_elsewhere() const { return somebody_shares(fd_.get(), key_.device, kExistence); }

void XrcDomain::join(uint32_t slot) const {
  if (fd_) share(fd_.get(), key_.device, slot);
}

bool XrcDomain::has_member(uint32_t slot) const { return fd_ && somebody_shares(fd_.get(), key_.device, slot); }

}  // namespace vb
