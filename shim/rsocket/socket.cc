// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/socket.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "rsocket/settings.h"

namespace vb::rsocket {

Result<void> Socket::open() {
  set_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!set_) return Error{errno};
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return wake_ ? watch(wake_.get()) : Error{errno};
}

Result<void> Socket::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? Result<void>() : Error{errno};
}

uint64_t Socket::now() { return clock_ns(); }
uint64_t Socket::spin_end() { return clock_ns() + uint64_t{settings().polling_microseconds} * 1000; }

bool Socket::take_in() {
  if (!progress()) return false;
  uint64_t one = 1;
  if (sleepers_ != 0) (void)!write(wake_.get(), &one, sizeof one);  // full is readable, too
  return true;
}

/// The last sleeper that leaves puts the alarm out: until then every other one finds it.
void Socket::leave() {
  if (--sleepers_ != 0) return;
  uint64_t count;
  (void)!read(wake_.get(), &count, sizeof count);
}

Result<void> Socket::sleep(std::unique_lock<std::mutex>& guard) {
  ++sleepers_;
  guard.unlock();
  pollfd news{fd(), POLLIN, 0};
  int status = ::poll(&news, 1, -1);
  int error = errno;
  guard.lock();
  leave();
  return status >= 0 ? Result<void>() : Error{error};
}

short Socket::ready() {
  std::lock_guard guard(lock_);
  take_in();
  return events();
}

short Socket::begin_wait() {
  std::lock_guard guard(lock_);
  do {
    arm();
  } while (take_in());
  ++sleepers_;
  return events();
}

void Socket::end_wait() {
  std::lock_guard guard(lock_);
  leave();
}

socklen_t address_length(const sockaddr* address) {
  return address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

void copy_address(const sockaddr* address, Source out) {
  if (!out.address || !out.length) return;
  socklen_t length = address_length(address);
  memcpy(out.address, address, std::min(length, *out.length));
  *out.length = length;
}

Result<void> copy_option(int setting, void* value, socklen_t* length) {
  if (!value || !length || *length < sizeof setting) return Error{EINVAL};
  memcpy(value, &setting, sizeof setting);
  *length = sizeof setting;
  return {};
}

}  // namespace vb::rsocket
