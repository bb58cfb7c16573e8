// SPDX-License-Identifier: BSD-2-Clause
#include "base/mapping_watch.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/fork.h"
#include "base/log.h"

namespace vb {

namespace {

std::atomic<MappingWatch*> current{nullptr};
std::atomic<uint32_t> forks{0};
std::atomic<uint32_t> numbers{0};  ///< a child goes on counting

/// Both sides' pages are shared until one writes: which of them keeps those that are pinned is not for us to guess.
void before_fork() { forks.fetch_add(1); }
void in_child() { current.store(nullptr); }

uintptr_t page_size() {
  static const auto size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  return size;
}

/// Whether every page of the range is in a private mapping without a file.
bool private_and_anonymous(uintptr_t next, uintptr_t end) {
  std::unique_ptr<FILE, int (*)(FILE*)> maps(fopen("/proc/self/maps", "re"), fclose);
  char line[512];
  while (maps && next < end && fgets(line, sizeof line, maps.get())) {
    unsigned long long from, to;
    unsigned long inode;
    char access[5];
    if (sscanf(line, "%llx-%llx %4s %*s %*s %lu", &from, &to, access, &inode) != 4 || to <= next) continue;
    if (from > next || access[3] != 'p' || inode != 0) return false;
    next = to;
  }
  return next >= end;
}

}  // namespace

MappingWatch& MappingWatch::instance() {
  MappingWatch* found = current.load();
  if (found) return *found;
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(before_fork, nullptr, nullptr);
    on_fork(in_child);
  });
  auto fresh = std::unique_ptr<MappingWatch>(new MappingWatch);
  std::unique_lock opening(fresh->mutex_);
  if (!current.compare_exchange_strong(found, fresh.get())) {
    opening.unlock();
    return *found;
  }
  MappingWatch& watch = *fresh.release();  // never deleted: its thread may be in it at exit
  if (!watch.open()) log(LogLevel::info, "no userfaultfd: memory that may vanish is registered for each transfer anew");
  return watch;
}

/// Only the calls of the program are of interest, and none of its page faults: user mode only, which needs no
/// privilege.
bool MappingWatch::open() {
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd < 0) return false;
  close_in_child(fd);
  uffdio_api api{};
  api.api = UFFD_API;
  api.features =
      UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_PAGEFAULT_FLAG_WP;
  sigset_t all, before;
  sigfillset(&all);
  pthread_t thread;
  bool started = false;
  fd_ = fd;
  if (ioctl(fd, UFFDIO_API, &api) == 0) {
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&thread, nullptr, main, this) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  if (started) {
    pthread_detach(thread);
    return true;
  }
  fd_ = -1;
  keep_in_child(fd);
  close(fd);
  return false;
}

// --- what the kernel tells ---------------------------------------------------------------------------------------

void* MappingWatch::main(void* self) {
  static_cast<MappingWatch*>(self)->run();
  return nullptr;
}

void MappingWatch::run() {
  for (pollfd ready{fd_, POLLIN, 0};;) {
    if (poll(&ready, 1, -1) < 0) continue;
    std::lock_guard guard(mutex_);  // before the program goes on
    if (!(ready.revents & POLLIN)) return give_up((ready.revents & POLLNVAL) != 0);
    if (!read_events()) return give_up(errno == EBADF);
  }
}

/// Nobody would read the events any more, and who caused one would wait for ever: the kernel must not make any.
/// `closed`: the program has done it, and the number is another descriptor's now, if any's.
void MappingWatch::give_up(bool closed) {
  changed(0, UINTPTR_MAX);
  const int fd = fd_.exchange(-1);
  keep_in_child(fd);
  if (!closed) close(fd);
}

/// False: no more will come.
bool MappingWatch::read_events() {
  uffd_msg message;
  while (read(fd_, &message, sizeof message) == sizeof message) {
    if (message.event == UFFD_EVENT_REMAP) {
      changed(message.arg.remap.from, message.arg.remap.from + message.arg.remap.len);
    } else if (message.event == UFFD_EVENT_UNMAP || message.event == UFFD_EVENT_REMOVE) {
      changed(message.arg.remove.start, message.arg.remove.end);
    }
  }
  return errno == EAGAIN;
}

void MappingWatch::changed(uintptr_t begin, uintptr_t end) {
  for (Range& range : ranges_) {
    if (range.begin < end && begin < range.end) range.intact = false;
  }
}

// --- what is watched ---------------------------------------------------------------------------------------------

int MappingWatch::watch(const void* at, size_t size) {
  if (size == 0) return -1;
  const uintptr_t start = reinterpret_cast<uintptr_t>(at), begin = start & ~(page_size() - 1),
                  end = (start + size + page_size() - 1) & ~(page_size() - 1);
  std::lock_guard guard(changing_);
  const int number = take(begin, end);
  if (number < 0) return -1;
  // What the mapping is, is asked when its changes are told already.
  if (enroll(begin, end) && private_and_anonymous(begin, end)) return number;
  drop(number);
  return -1;
}

/// A place in the table. -1: there is none, or nobody tells.
int MappingWatch::take(uintptr_t begin, uintptr_t end) {
  std::lock_guard guard(mutex_);
  if (fd_ < 0) return -1;
  for (size_t i = 0; i < kMost; ++i) {
    if (ranges_[i].end != 0) continue;
    const uint32_t serial = numbers.fetch_add(1) % (uint32_t{INT32_MAX} / kMost);
    const int number = static_cast<int>(serial * kMost + i);
    ranges_[i] = {begin, end, true, forks.load(), number};
    return number;
  }
  return -1;
}

/// For write protection, of which no use is made: nothing stops, but that such a mapping changes is told.
bool MappingWatch::enroll(uintptr_t begin, uintptr_t end) {
  uffdio_register wanted{};
  wanted.range = {begin, end - begin};
  wanted.mode = UFFDIO_REGISTER_MODE_WP;
  return ioctl(fd_, UFFDIO_REGISTER, &wanted) == 0;
}

void MappingWatch::withdraw(uintptr_t begin, uintptr_t end) {
  uffdio_range range{begin, end - begin};
  ioctl(fd_, UFFDIO_UNREGISTER, &range);  // in vain where the mapping has changed
}

bool MappingWatch::intact(int number) {
  std::lock_guard guard(mutex_);
  const Range& range = range_of(number);
  return range.number == number && range.intact && range.forks == forks.load();
}

void MappingWatch::forget(int number) {
  std::lock_guard guard(changing_);
  drop(number);
}

void MappingWatch::drop(int number) {
  uintptr_t begin, end;
  {
    std::lock_guard guard(mutex_);
    Range& range = range_of(number);
    if (range.number != number) return;
    begin = range.begin, end = range.end;
    range = {};
    for (const Range& other : ranges_) {
      if (other.begin < end && begin < other.end) return;  // the kernel tells of it for that one
    }
  }
  withdraw(begin, end);
}

}  // namespace vb
