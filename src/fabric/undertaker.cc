// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/undertaker.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "base/fork.h"
#include "base/log.h"

namespace vb::fabric {

namespace {

constexpr int kLookMs = 1;
/// A holder that lives may have lost its core for a while, or be copying much; that matters only to processes that
/// would be inside at the same time.
constexpr int kLooksAmongTheDead = 200;
constexpr int kLooksAmongTheLiving = 1000;
/// Taken from a locked lock, which stays locked by that. Whoever releases it makes it 1, so that nobody, not even who
/// has locked it again at once, can be taken for the holder before. Each thread that begins to wait takes 1.
constexpr int kMark = 1024;

std::atomic<Undertaker*> current{nullptr};

}  // namespace

class Undertaker {
 public:
  static Undertaker& instance();

  void add(SharedLock& lock);
  void remove(SharedLock& lock);
  void suspect(SharedLock& lock);

 private:
  bool start();
  bool start_thread();
  void watch(SharedLock& lock);
  void unwatch(SharedLock& lock);
  static void* main(void* self);
  [[noreturn]] void run();
  void notice_deaths();
  void begin_inquest(SharedLock& lock);
  void look();

  std::mutex mutex_;
  List<SharedLock> locks_;
  Fd events_;  ///< deaths, and wake_
  Fd wake_;
  bool started_ = false;
  bool looking_ = false;  ///< at least one lock is suspected
};

// --- a lock ------------------------------------------------------------------------------------------------------

SharedLock::SharedLock(pthread_spinlock_t& lock, pid_t owner)
    : lock_(lock),
      process_(owner),
      owner_(owner == getpid() ? Owner::kSelf : Owner::kLives),
      undertaker_(Undertaker::instance()) {
  undertaker_.add(*this);
}

SharedLock::~SharedLock() { undertaker_.remove(*this); }

void SharedLock::suspect() { undertaker_.suspect(*this); }

void SharedLock::begin_inquest(int looks) {
  if (is_free() || under_inquest()) return;
  const int before = __atomic_fetch_sub(&lock_, kMark, __ATOMIC_ACQ_REL);
  if (before > 0) {  // it was released just now, and that has locked it
    __atomic_store_n(&lock_, kFree, __ATOMIC_RELEASE);
    return;
  }
  seen_ = static_cast<int>(static_cast<unsigned>(before) - kMark);  // as the lock: whatever a peer wrote into it
  looks_left_ = looks;
}

/// One that is dead cannot have released it. `seen_` follows those who begin to wait.
bool SharedLock::released_or_freed() {
  const int now = __atomic_load_n(&lock_, __ATOMIC_RELAXED);
  if (now > seen_) return true;
  seen_ = now;
  return false;
}

void SharedLock::look() {
  if (released_or_freed()) {
    looks_left_ = 0;
  } else if (--looks_left_ == 0) {
    while (!released_or_freed()) {
      int expected = seen_;
      if (!__atomic_compare_exchange_n(&lock_, &expected, kFree, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
      log(LogLevel::info, "a process was killed inside the shared memory region of process %d: its lock is freed",
          process_);
      return;
    }
  }
}

// --- the list of locks -------------------------------------------------------------------------------------------

/// Never deleted: its thread is in it at exit. A forked child has no such thread, and makes another undertaker.
Undertaker& Undertaker::instance() {
  Undertaker* found = current.load(std::memory_order_acquire);
  if (found) return *found;
  static std::once_flag once;
  std::call_once(once, [] { on_fork([] { current.store(nullptr); }); });
  auto* fresh = new Undertaker;
  if (current.compare_exchange_strong(found, fresh)) return *fresh;
  delete fresh;
  return *found;
}

void Undertaker::add(SharedLock& lock) {
  std::lock_guard guard(mutex_);
  locks_.push_back(lock);
  if (lock.owner_ == SharedLock::Owner::kLives && start()) watch(lock);
}

void Undertaker::remove(SharedLock& lock) {
  std::lock_guard guard(mutex_);
  unwatch(lock);
  lock.unlink();
}

void Undertaker::suspect(SharedLock& lock) {
  std::lock_guard guard(mutex_);
  if (!start()) return;
  const bool was_looking = looking_;
  begin_inquest(lock);
  const uint64_t one = 1;
  if (looking_ && !was_looking) static_cast<void>(!write(wake_.get(), &one, sizeof one));
}

/// The process may have died, or be none that we see: then nothing is known of its death. Who is dead when he is added
/// takes no lock any more, and what he has locked nobody enters.
void Undertaker::watch(SharedLock& lock) {
  if (lock.process_ <= 0) return;
  Fd death(static_cast<int>(syscall(SYS_pidfd_open, lock.process_, 0)));
  if (!death) {
    static std::atomic<bool> told{false};
    if (errno != ESRCH)
      log_once(told, LogLevel::warn, "process %d: its death cannot be watched for: %s", lock.process_, strerror(errno));
    return;
  }
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(events_.get(), EPOLL_CTL_ADD, death.get(), &event) != 0) return;
  close_in_child(death.get());
  lock.death_ = std::move(death);
}

/// By its number: a copy that a forked child has for a moment would keep the description, and its events, alive.
void Undertaker::unwatch(SharedLock& lock) {
  if (!lock.death_) return;
  epoll_ctl(events_.get(), EPOLL_CTL_DEL, lock.death_.get(), nullptr);
  keep_in_child(lock.death_.get());
  lock.death_.reset();
}

// --- the thread --------------------------------------------------------------------------------------------------

bool Undertaker::start() {
  if (started_) return true;
  events_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  started_ = events_ && wake_ && epoll_ctl(events_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0 && start_thread();
  static std::atomic<bool> told{false};
  if (!started_) {
    log_once(told, LogLevel::warn, "nobody will free what killed peers leave locked: %s", strerror(errno));
    return false;
  }
  close_in_child(events_.get());
  close_in_child(wake_.get());
  return true;
}

bool Undertaker::start_thread() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_t thread;
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, nullptr, main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  if (error) return false;
  pthread_setname_np(thread, "vb-undertaker");
  pthread_detach(thread);
  return true;
}

void* Undertaker::main(void* self) { static_cast<Undertaker*>(self)->run(); }

void Undertaker::run() {
  for (int timeout = -1;;) {
    epoll_event event;
    const int ready = epoll_wait(events_.get(), &event, 1, timeout);
    std::lock_guard guard(mutex_);
    if (ready > 0) {
      notice_deaths();
    } else if (ready == 0) {
      look();  // Only when its time has come: many may die at once.
    }
    timeout = looking_ ? kLookMs : -1;
  }
}

/// Of what the dead have locked, what matters here is their own regions and ours. A third process looks after its own.
void Undertaker::notice_deaths() {
  uint64_t count;
  static_cast<void>(!read(wake_.get(), &count, sizeof count));
  bool any = false;
  locks_.for_each([&](SharedLock& lock) {
    pollfd death{lock.death_.get(), POLLIN, 0};  // of all its threads, whether or not its parent has heard of it
    if (!lock.death_ || poll(&death, 1, 0) != 1) return;
    unwatch(lock);
    lock.owner_ = SharedLock::Owner::kDead;
    any = true;
  });
  if (!any) return;
  locks_.for_each([this](SharedLock& lock) {
    if (lock.owner_ != SharedLock::Owner::kLives) begin_inquest(lock);
  });
}

void Undertaker::begin_inquest(SharedLock& lock) {
  bool others_live = false;
  locks_.for_each([&](const SharedLock& other) { others_live |= other.owner_ == SharedLock::Owner::kLives; });
  lock.begin_inquest(others_live ? kLooksAmongTheLiving : kLooksAmongTheDead);
  looking_ |= lock.under_inquest();
}

void Undertaker::look() {
  if (!looking_) return;
  looking_ = false;
  locks_.for_each([this](SharedLock& lock) {
    if (lock.under_inquest()) lock.look();
    looking_ |= lock.under_inquest();
  });
}

}  // namespace vb::fabric
