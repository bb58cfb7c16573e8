// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/poll.h"

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "rsocket/registry.h"

namespace vb::rsocket {

namespace {

constexpr short kAlways = POLLERR | POLLHUP | POLLNVAL;

/// The descriptors of one call: rsockets are asked by us, the others by the kernel.
class Poller {
 public:
  Poller(pollfd* fds, nfds_t count) : fds_(fds), kernel_(fds, fds + count), sockets_(count) {
    for (nfds_t i = 0; i < count; ++i) {
      sockets_[i] = find(fds[i].fd);
      if (sockets_[i]) kernel_[i].fd = -1;
    }
  }

  /// How many have events now. Negative: the kernel's call failed.
  int look() {
    int count = ::poll(kernel_.data(), kernel_.size(), 0);
    if (count < 0) return count;
    for (size_t i = 0; i < sockets_.size(); ++i) {
      count += note(i, sockets_[i] ? sockets_[i]->ready() : kernel_[i].revents, sockets_[i] != nullptr);
    }
    return count;
  }

  /// Sleeps until there may be news. Negative: the kernel's call failed.
  int sleep(int timeout_ms) {
    bool ready = false;
    for (size_t i = 0; i < sockets_.size(); ++i) {
      if (!sockets_[i]) continue;
      ready |= (sockets_[i]->begin_wait() & (fds_[i].events | kAlways)) != 0;
      kernel_[i] = {sockets_[i]->fd(), POLLIN, 0};
    }
    int status = ::poll(kernel_.data(), kernel_.size(), ready ? 0 : timeout_ms);
    int error = errno;
    for (size_t i = 0; i < sockets_.size(); ++i) {
      if (!sockets_[i]) continue;
      sockets_[i]->end_wait();
      kernel_[i] = {-1, 0, 0};
    }
    errno = error;
    return status;
  }

 private:
  int note(size_t i, short events, bool ours) {
    fds_[i].revents = static_cast<short>(events & (fds_[i].events | kAlways));
    return ours ? fds_[i].revents != 0 : 0;  // the kernel has counted its own
  }

  pollfd* fds_;
  std::vector<pollfd> kernel_;
  std::vector<std::shared_ptr<Socket>> sockets_;
};

}  // namespace

Result<int> poll(pollfd* fds, nfds_t count, int timeout_ms) {
  Poller poller(fds, count);
  uint64_t end = clock_ns() + (timeout_ms > 0 ? static_cast<uint64_t>(timeout_ms) * kMillisecond : 0);
  for (;;) {
    int found = poller.look();
    if (found < 0) return Error{errno};
    uint64_t now = clock_ns();
    if (found > 0 || timeout_ms == 0 || (timeout_ms > 0 && now >= end)) return found;
    int left = timeout_ms < 0 ? -1 : static_cast<int>((end - now + kMillisecond - 1) / kMillisecond);
    if (poller.sleep(left) < 0) return Error{errno};
  }
}

namespace {

bool has(const fd_set* set, int fd) { return set && FD_ISSET(fd, set); }

int put(fd_set* set, int fd, bool on) {
  if (!set) return 0;
  if (on) {
    FD_SET(fd, set);
  } else {
    FD_CLR(fd, set);
  }
  return on;
}

int milliseconds(const timeval* timeout) {
  if (!timeout) return -1;
  return static_cast<int>(std::min<long long>(timeout->tv_sec * 1000LL + (timeout->tv_usec + 999) / 1000, 1 << 30));
}

}  // namespace

Result<int> select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, timeval* timeout) {
  if (count < 0 || count > FD_SETSIZE) return Error{EINVAL};
  std::vector<pollfd> fds;
  for (int fd = 0; fd < count; ++fd) {
    int events =
        (has(readable, fd) ? POLLIN : 0) | (has(writable, fd) ? POLLOUT : 0) | (has(exceptional, fd) ? POLLPRI : 0);
    if (events) fds.push_back({fd, static_cast<short>(events), 0});
  }
  auto polled = rsocket::poll(fds.data(), fds.size(), milliseconds(timeout));
  if (!polled) return polled;
  int bits = 0;
  for (const pollfd& each : fds) {
    if (each.revents & POLLNVAL) return Error{EBADF};
    bits += put(readable, each.fd, (each.events & POLLIN) && (each.revents & (POLLIN | POLLHUP | POLLERR)));
    bits += put(writable, each.fd, (each.events & POLLOUT) && (each.revents & (POLLOUT | POLLERR)));
    bits += put(exceptional, each.fd, (each.events & POLLPRI) && (each.revents & POLLPRI));
  }
  return bits;
}

}  // namespace vb::rsocket
