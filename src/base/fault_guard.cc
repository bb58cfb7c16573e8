// SPDX-License-Identifier: BSD-2-Clause
#include "base/fault_guard.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/guarded_access.h"
#include "base/log.h"
#include "base/page_notes.h"

namespace vb::fault_guard {

#if defined(__x86_64__)

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS};
constexpr size_t kDear = 16 << 10;  ///< from here on, what the kernel does instead costs more than to ask it

// --- whether the handler would be asked ------------------------------------------------------------------------------

void handle(int signal, siginfo_t* info, void* context);

std::atomic<bool> installed{false};
/// A thread of the engine's that blocks all signals but ours; 0: none. Of the others' masks we are not the masters.
std::atomic<pid_t> engines_thread{0};
std::atomic<bool> strayed{false};  ///< a signal for the program came to it

/// The kernel's own structure: libraries that wrap sigaction() may tell something else.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

bool in_place() {
  for (int signal : kSignals) {
    KernelAction action{};
    if (syscall(SYS_rt_sigaction, signal, nullptr, &action, sizeof action.mask) != 0) return false;
    if (action.handler != handle) return false;
  }
  return true;
}

bool blocked_here() {
  uint64_t blocked = 0;
  if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &blocked, sizeof blocked) != 0) return true;
  for (int signal : kSignals) {
    if ((blocked >> (signal - 1)) & 1) return true;
  }
  return false;
}

/// In the engine's thread: lets the signals in, while they are ours.
bool let_in(bool ours) {
  uint64_t both = 0;
  for (int signal : kSignals) both |= uint64_t{1} << (signal - 1);
  return syscall(SYS_rt_sigprocmask, ours ? SIG_UNBLOCK : SIG_BLOCK, &both, nullptr, sizeof both) == 0 && ours;
}

bool would_be_asked() {
  if (gettid() != engines_thread.load(std::memory_order_relaxed)) return in_place() && !blocked_here();
  return let_in(in_place() && !strayed.load(std::memory_order_relaxed));
}

std::atomic<uint32_t> counted{0};  ///< 0: nobody counts

/// What stays the same for a few milliseconds.
uint64_t tick() {
  if (const uint32_t count = counted.load(std::memory_order_relaxed)) return count;
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) << 30 | static_cast<uint64_t>(now.tv_nsec);
}

/// The first access of a tick is the kernel's, so that who copies seldom pays one system call, not four: unless the one
/// is dearer than the four.
class ThreadCheck {
 public:
  bool passed(bool dear) {
    const uint64_t now = tick();
    if (now != tick_) [[unlikely]] {
      tick_ = now;
      state_ = State::kUnknown;
      if (!dear) return false;
    }
    if (state_ == State::kUnknown) [[unlikely]]
      state_ = would_be_asked() ? State::kYes : State::kNo;
    return state_ == State::kYes;
  }
  void lose() { state_ = State::kNo; }

 private:
  enum class State { kUnknown, kYes, kNo };
  uint64_t tick_ = 0;
  State state_ = State::kUnknown;
};

constinit thread_local ThreadCheck check;

// --- the handler ---------------------------------------------------------------------------------------------------

/// What the program had installed before us, for each of kSignals. Written before our handler can run.
struct sigaction previous[std::size(kSignals)];

struct sigaction& previous_of(int signal) {
  return previous[signal == SIGSEGV ? 0 : 1];
}

/// Memory errors that the machine has found elsewhere arrive at some instruction, which has nothing to do with them.
bool is_fault(const siginfo_t& info) {
  return info.si_code > 0 && !(info.si_signo == SIGBUS && info.si_code == BUS_MCEERR_AO);
}

/// The kernel's default, for the signal as it came: it comes once more, when the handler returns.
void take_default(int signal, siginfo_t* info) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, info);
}

/// As if the program's own handler had been installed. Our flags and our mask are its own (install_one): the kernel has
/// done with them already what it would have done.
void pass_on(int signal, siginfo_t* info, void* context) {
  struct sigaction theirs = previous_of(signal);
  if (theirs.sa_handler == SIG_IGN && !is_fault(*info)) return;
  if (theirs.sa_handler == SIG_DFL || theirs.sa_handler == SIG_IGN) return take_default(signal, info);
  if (theirs.sa_flags & static_cast<int>(SA_RESETHAND)) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  if (theirs.sa_flags & SA_SIGINFO) return theirs.sa_sigaction(signal, info, context);
  theirs.sa_handler(signal);
}

/// A signal that was sent to the process has found this thread of ours, because the program's own threads block it. It
/// waits for one that does not; ours blocks it again, and for good.
void send_on(int signal, siginfo_t* info, void* context) {
  check.lose();
  strayed.store(true, std::memory_order_relaxed);
  sigset_t both;
  sigemptyset(&both);
  for (int each : kSignals) {
    sigaddset(&both, each);
    sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, each);
  }
  sigprocmask(SIG_BLOCK, &both, nullptr);
  // What kill() has sent only the kernel may send in its sender's name: then it comes from us.
  if (syscall(SYS_rt_sigqueueinfo, getpid(), signal, info) != 0) kill(getpid(), signal);
}

void handle(int signal, siginfo_t* info, void* context) {
  greg_t& instruction = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const auto begin = reinterpret_cast<greg_t>(vb_guarded), end = reinterpret_cast<greg_t>(vb_guarded_fault);
  if (is_fault(*info) && instruction >= begin && instruction < end) {
    instruction = end;
  } else if (gettid() != engines_thread.load(std::memory_order_relaxed)) {
    pass_on(signal, info, context);
  } else if (is_fault(*info)) {
    take_default(signal, info);  // as if it were blocked, as all others are there
  } else {
    send_on(signal, info, context);
  }
}

bool install_one(int signal) {
  struct sigaction& theirs = previous_of(signal);
  if (sigaction(signal, nullptr, &theirs) != 0) return false;
  struct sigaction ours = theirs, replaced;
  ours.sa_sigaction = handle;
  ours.sa_flags = (theirs.sa_flags & ~static_cast<int>(SA_RESETHAND)) | SA_SIGINFO;
  if (sigaction(signal, &ours, &replaced) != 0) return false;
  theirs = replaced;  // should another thread have installed one in between
  return true;
}

/// For each access, the pages that were good for it once.
PageNotes readable, writable;

}  // namespace

void install() {
  static std::mutex mutex;
  std::lock_guard guard(mutex);
  if (installed.load(std::memory_order_relaxed)) return;
  bool complete = true;
  for (int signal : kSignals) complete &= install_one(signal);
  if (!complete) log(LogLevel::info, "no handler of faults: copies to memory that may be missing are the kernel's");
  installed.store(true, std::memory_order_release);
}

void adopt_thread() { engines_thread.store(gettid(), std::memory_order_relaxed); }

void count_tick() {
  static std::atomic<uint32_t> all{0};
  counted.store(all.fetch_add(1, std::memory_order_relaxed) | 1u << 31, std::memory_order_relaxed);
}
void stop_counting() { counted.store(0, std::memory_order_relaxed); }

bool covers(const void* at, size_t size, Access access) {
  if (size == 0) return false;
  const PageNotes::Pages pages(at, size);  // none is noted before install()
  return (access == Access::kRead ? readable : writable).has(pages) && check.passed(size > kDear);
}

void remember(const void* at, size_t size, Access access) {
  if (size == 0 || !installed.load(std::memory_order_relaxed)) return;
  const PageNotes::Pages pages(at, size);
  readable.add(pages);  // what is writable is readable, here
  if (access == Access::kWrite) writable.add(pages);
}

void forget(const void* at, size_t size) {
  if (size == 0) return;
  const PageNotes::Pages pages(at, size);
  readable.remove(pages);
  writable.remove(pages);
}

bool copy(void* to, const void* from, size_t size) { return vb_guarded_copy(to, from, size); }

bool touch(const void* at, size_t size, Access access) {
  const PageNotes::Pages pages(at, size);
  const auto* first = reinterpret_cast<const void*>(pages.first << PageNotes::kPageShift);
  return vb_guarded_touch(first, pages.last - pages.first + 1, access == Access::kWrite);
}

#else  // the kernel copies

void install() {}
void adopt_thread() {}
void count_tick() {}
void stop_counting() {}
bool covers(const void*, size_t, Access) { return false; }
void remember(const void*, size_t, Access) {}
void forget(const void*, size_t) {}
bool copy(void*, const void*, size_t) { return false; }
bool touch(const void*, size_t, Access) { return false; }

#endif

}  // namespace vb::fault_guard
