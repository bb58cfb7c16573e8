// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/epoll.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/never_destroyed.h"
#include "rsocket/poll.h"
#include "rsocket/registry.h"

namespace vb::rsocket {

namespace {

// poll(2) and epoll(7) give the conditions the same bits.
constexpr uint32_t kConditions = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP;
static_assert(EPOLLIN == POLLIN && EPOLLPRI == POLLPRI && EPOLLOUT == POLLOUT);
static_assert(EPOLLERR == POLLERR && EPOLLHUP == POLLHUP);

struct Member {
  std::weak_ptr<Socket> socket;
  epoll_event wanted{};
  bool off = false;       ///< EPOLLONESHOT has been served
  bool writable = false;  ///< EPOLLET: reported already

  /// What is worth waking up for.
  uint32_t conditions() const {
    if (off) return 0;
    bool edge = (wanted.events & EPOLLET) && writable;
    return wanted.events & kConditions & ~(edge ? uint32_t{EPOLLOUT} : 0);
  }
  /// What is reported of what holds.
  uint32_t report(uint32_t holds) {
    uint32_t reported = holds & (conditions() | EPOLLERR | EPOLLHUP);
    writable = (holds & EPOLLOUT) != 0;
    if (reported && (wanted.events & EPOLLONESHOT)) off = true;
    return off && !reported ? 0 : reported;
  }
};

/// The descriptor is a kernel's epoll set, which holds what is no rsocket.
struct Set {
  std::mutex lock;
  std::map<int, Member> rsockets;
  Fd poke{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

  /// Whoever waits looks again.
  void changed() {
    uint64_t one = 1;
    (void)!::write(poke.get(), &one, sizeof one);
  }
  void look_again() {
    uint64_t count;
    (void)!::read(poke.get(), &count, sizeof count);
  }
};

/// Nobody needs to hear of sends that would block while there is none.
std::atomic<bool> any_edge{false};

struct Sets {
  std::mutex lock;
  std::map<int, std::shared_ptr<Set>> by_fd;
};

Sets& sets() {
  static NeverDestroyed<Sets> value;
  return *value;
}

/// nullptr: not one of ours.
std::shared_ptr<Set> find_set(int fd) {
  Sets& all = sets();
  std::lock_guard guard(all.lock);
  auto found = all.by_fd.find(fd);
  return found == all.by_fd.end() ? nullptr : found->second;
}

constexpr size_t kFirstRsocket = 2;

/// What poll(2) is asked: the kernel's set, the poke, then each rsocket that is still open.
std::vector<pollfd> questions(int fd, Set& set) {
  std::vector<pollfd> fds{{fd, POLLIN, 0}, {set.poke.get(), POLLIN, 0}};
  std::lock_guard guard(set.lock);
  for (auto each = set.rsockets.begin(); each != set.rsockets.end();) {
    auto socket = each->second.socket.lock();
    if (!socket || find(each->first) != socket) {
      each = set.rsockets.erase(each);
      continue;
    }
    if (!each->second.off) fds.push_back({each->first, static_cast<short>(each->second.conditions()), 0});
    ++each;
  }
  return fds;
}

int gather_rsockets(Set& set, const std::vector<pollfd>& fds, epoll_event* events, int room) {
  std::lock_guard guard(set.lock);
  int count = 0;
  for (size_t i = kFirstRsocket; i < fds.size() && count < room; ++i) {
    auto member = set.rsockets.find(fds[i].fd);
    auto socket = member == set.rsockets.end() ? nullptr : member->second.socket.lock();
    if (!socket) continue;
    uint32_t reported = member->second.report(static_cast<uint32_t>(socket->ready()) & kConditions);
    if (reported) events[count++] = {reported, member->second.wanted.data};
  }
  return count;
}

Result<void> control_rsocket(Set& set, int operation, int fd, const std::shared_ptr<Socket>& socket,
                             const epoll_event* event) {
  std::lock_guard guard(set.lock);
  set.changed();
  auto member = set.rsockets.find(fd);
  bool known = member != set.rsockets.end() && member->second.socket.lock() == socket;
  if (operation == EPOLL_CTL_ADD && known) return Error{EEXIST};
  if (operation != EPOLL_CTL_ADD && !known) return Error{ENOENT};
  if (operation == EPOLL_CTL_DEL) {
    set.rsockets.erase(member);
    return {};
  }
  if (operation != EPOLL_CTL_ADD && operation != EPOLL_CTL_MOD) return Error{EINVAL};
  if (!event) return Error{EFAULT};
  set.rsockets.insert_or_assign(fd, Member{socket, *event});
  if (event->events & EPOLLET) any_edge = true;
  return {};
}

}  // namespace

Result<int> epoll_create(int flags) {
  int fd = ::epoll_create1(flags);
  if (fd < 0) return Error{errno};
  Sets& all = sets();
  std::lock_guard guard(all.lock);
  all.by_fd.insert_or_assign(fd, std::make_shared<Set>());  // one that had this number was closed
  return fd;
}

Result<void> epoll_control(int set_fd, int operation, int fd, epoll_event* event) {
  auto set = find_set(set_fd);
  if (!set) return Error{EINVAL};
  if (auto socket = find(fd)) return control_rsocket(*set, operation, fd, socket, event);
  if (::epoll_ctl(set_fd, operation, fd, event) != 0) return Error{errno};
  return {};
}

void would_block(int fd) {
  if (!any_edge.load(std::memory_order_relaxed)) return;
  Sets& all = sets();
  std::lock_guard guard(all.lock);
  for (auto& [number, set] : all.by_fd) {
    std::lock_guard members(set->lock);
    auto member = set->rsockets.find(fd);
    if (member == set->rsockets.end() || !std::exchange(member->second.writable, false)) continue;
    set->changed();
  }
}

Result<int> epoll_wait(int set_fd, epoll_event* events, int room, int timeout_ms) {
  auto set = find_set(set_fd);
  if (!set || room <= 0) return Error{EINVAL};
  uint64_t end = clock_ns() + (timeout_ms > 0 ? static_cast<uint64_t>(timeout_ms) * kMillisecond : 0);
  for (int left = timeout_ms;;) {
    std::vector<pollfd> fds = questions(set_fd, *set);
    auto polled = rsocket::poll(fds.data(), fds.size(), left);
    if (!polled || (fds[0].revents & POLLNVAL)) return Error{polled ? EBADF : polled.error()};
    if (fds[1].revents) set->look_again();
    int count = gather_rsockets(*set, fds, events, room);
    if (count < room && (fds[0].revents & POLLIN)) {
      int more = ::epoll_wait(set_fd, events + count, room - count, 0);
      if (more < 0 && count == 0) return Error{errno};
      count += more > 0 ? more : 0;
    }
    // Another thread may have served what woke this one.
    uint64_t now = clock_ns();
    if (count > 0 || timeout_ms == 0 || (timeout_ms > 0 && now >= end)) return count;
    left = timeout_ms < 0 ? -1 : static_cast<int>((end - now + kMillisecond - 1) / kMillisecond);
  }
}

}  // namespace vb::rsocket
