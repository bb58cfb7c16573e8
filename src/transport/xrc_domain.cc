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
#include "base/random.h"
#include "base/spinlock.h"

namespace vb {

namespace {

constexpr off_t kFirstByte = off_t{1} << 61;
constexpr off_t kBytesPerDevice = off_t{1} << 13;
constexpr uint32_t kSlots = 1 << 12;
constexpr off_t kExistence = off_t{1} << 12;  ///< behind the slots
constexpr off_t kFirstVoucher = off_t{1} << 60;
constexpr int kSideShift = 59, kSlotShift = 47;            ///< of a voucher's byte, as counted from the first
constexpr uint64_t kVouchers = uint64_t{1} << kSlotShift;  ///< for each use

off_t member_byte(uint32_t device, off_t at) { return kFirstByte + device * kBytesPerDevice + at; }
off_t voucher_byte(uint64_t number, XrcDomain::Use use) {
  const auto side = static_cast<off_t>(use.side), slot = static_cast<off_t>(use.slot % kSlots);
  return kFirstVoucher + (side << kSideShift) + (slot << kSlotShift) + static_cast<off_t>(number % kVouchers);
}

struct flock range(off_t at, off_t length, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = length;
  return lock;
}

/// Locks belong to the open file description: one of our own is not that of the program's fd, nor of its children.
Fd reopen(int fd) {
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  Fd own(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return own ? std::move(own) : Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

bool share(int fd, off_t at) {
  struct flock lock = range(at, 1, F_RDLCK);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool somebody_shares(int fd, off_t at) {
  struct flock lock = range(at, 1, F_WRLCK);
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
  if (!share(domain->fd_.get(), member_byte(key.device, kExistence))) return Error{errno};
  if (exists && request.exclusive) return Error{EINVAL};
  known = domain;
  return domain;
}

XrcDomain::~XrcDomain() {
  if (!fd_) return;
  // Not left to close(): where the file could not be opened anew the program may hold the description as well.
  unlock(member_byte(key_.device, 0), kBytesPerDevice);
}

void XrcDomain::unlock(off_t at, off_t length) const {
  struct flock lock = range(at, length, F_UNLCK);
  fcntl(fd_.get(), F_OFD_SETLK, &lock);
}

bool XrcDomain::exists_elsewhere() const { return somebody_shares(fd_.get(), member_byte(key_.device, kExistence)); }

void XrcDomain::join(uint32_t slot) const {
  if (fd_) share(fd_.get(), member_byte(key_.device, slot));
}

bool XrcDomain::has_member(uint32_t slot) const {
  return fd_ && somebody_shares(fd_.get(), member_byte(key_.device, slot));
}

XrcDomain::Voucher::Voucher(std::shared_ptr<const XrcDomain> domain, Use use)
    : domain_(std::move(domain)), use_(use), number_(random_value<uint64_t>()) {
  if (domain_->fd_) share(domain_->fd_.get(), voucher_byte(number_, use_));
}

XrcDomain::Voucher::~Voucher() {
  if (domain_ && domain_->fd_) domain_->unlock(voucher_byte(number_, use_), 1);
}

bool XrcDomain::vouched_elsewhere(uint64_t number, Use use) const {
  return fd_ && somebody_shares(fd_.get(), voucher_byte(number, use));
}

}  // namespace vb
