// SPDX-License-Identifier: BSD-2-Clause
#include "transport/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fork.h"

namespace vb {

Result<void> Poller::open() {
  control_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  everything_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  nudge_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!control_ || !everything_ || !nudge_) return Error{errno};
  for (const Fd* fd : {&control_, &everything_, &nudge_}) close_in_child(fd->get());
  epoll_event event{EPOLLIN, {nullptr}};
  if (epoll_ctl(control_.get(), EPOLL_CTL_ADD, nudge_.get(), &event) != 0) return Error{errno};
  if (epoll_ctl(everything_.get(), EPOLL_CTL_ADD, control_.get(), &event) != 0) return Error{errno};
  return {};
}

void Poller::add(int fd, uint32_t events, Pollable& target) {
  close_in_child(fd);
  epoll_event event{events, {&target}};
  epoll_ctl(control_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Poller::modify(int fd, uint32_t events, Pollable& target) {
  epoll_event event{events, {&target}};
  epoll_ctl(control_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd) {
  epoll_ctl(control_.get(), EPOLL_CTL_DEL, fd, nullptr);
  keep_in_child(fd);
}

// Edge triggered: some providers' descriptors stay readable for as long as a connection is up.
void Poller::add_fabric(int fd) {
  epoll_event event{EPOLLIN | EPOLLET, {nullptr}};
  epoll_ctl(everything_.get(), EPOLL_CTL_ADD, fd, &event);
}

int Poller::wait(On what, int timeout_ms) {
  if (what == On::kEverything) {
    epoll_event outer[4];
    if (epoll_wait(everything_.get(), outer, 4, timeout_ms) <= 0) return 0;
    timeout_ms = 0;
  }
  int count = epoll_wait(control_.get(), events_, kEvents, timeout_ms);
  return count < 0 ? 0 : count;
}

void Poller::nudge() { eventfd_write(nudge_.get(), 1); }

void Poller::clear_nudge() {
  eventfd_t value;
  eventfd_read(nudge_.get(), &value);
}

}  // namespace vb
