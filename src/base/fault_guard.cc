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
#include <utility>

#include "base/fork.h"
#include "base/log.h"

namespace vb::fault_guard {

#if defined(__x86_64__)

std::atomic<uint64_t> state::tick{0};
constinit thread_local uint64_t state::passed_in = state::kNever;
PageNotes state::good[2];

namespace {

using state::passed_in;

constexpr int kSignals[] = {SIGSEGV, SIGBUS};

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

/// What stays the same for a few milliseconds; never 0.
uint64_t tick_of_clock() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return uint64_t{1} << 63 | static_cast<uint64_t>(now.tv_sec) << 30 | static_cast<uint64_t>(now.tv_nsec);
}

uint64_t tick_now() {
  const uint64_t told = state::tick.load(std::memory_order_relaxed);
  return told ? told : tick_of_clock();
}

constinit thread_local uint64_t accessed_in = 0;  ///< the last tick in which this thread has accessed such memory
constinit thread_local uint64_t asked_in = 0;     ///< and that in which it has asked the kernel

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
  passed_in = state::kNever;
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

}  // namespace

void install() {
  static std::mutex mutex;
  std::lock_guard guard(mutex);
  if (installed.load(std::memory_order_relaxed)) return;
  vb_guarded_wide = __builtin_cpu_supports("avx2");
  bool complete = true;
  for (int signal : kSignals) complete &= install_one(signal);
  if (!complete) log(LogLevel::info, "no handler of faults: copies to memory that may be missing are the kernel's");
  on_fork(stop_telling);  // the child has no helper yet
  installed.store(true, std::memory_order_release);
}

void adopt_thread() { engines_thread.store(gettid(), std::memory_order_relaxed); }

void tell_tick() { state::tick.store(tick_of_clock(), std::memory_order_relaxed); }
void stop_telling() { state::tick.store(0, std::memory_order_relaxed); }

/// The first access of a tick is the kernel's, so that who copies seldom pays one system call, not four: unless the one
/// is dearer than the four.
bool covers_in_general(const void* at, size_t size, Access access) {
  constexpr size_t kDear = 16 << 10;  // from here on, what the kernel does instead costs more than to ask it
  if (size == 0 || !state::good[static_cast<int>(access)].has(PageNotes::Pages(at, size))) return false;
  const uint64_t now = tick_now();
  if (std::exchange(accessed_in, now) != now && size <= kDear) return false;
  if (std::exchange(asked_in, now) != now) passed_in = would_be_asked() ? now : state::kNever;
  return passed_in == now;
}

void remember(const void* at, size_t size, Access access) {
  if (size == 0 || !installed.load(std::memory_order_relaxed)) return;
  const PageNotes::Pages pages(at, size);
  state::good[static_cast<int>(Access::kRead)].add(pages);  // what is writable is readable, here
  if (access == Access::kWrite) state::good[static_cast<int>(Access::kWrite)].add(pages);
}

bool forget(const void* at, size_t size) {
  if (size == 0) return false;
  const PageNotes::Pages pages(at, size);
  for (PageNotes& notes : state::good) notes.remove(pages);
  return false;
}

bool touch(const void* at, size_t size, Access access) {
  const PageNotes::Pages pages(at, size);
  const auto* first = reinterpret_cast<const void*>(pages.first << PageNotes::kPageShift);
  return vb_guarded_touch(first, pages.last - pages.first + 1, access == Access::kWrite);
}

#else  // the kernel copies

void install() {}
void adopt_thread() {}
void tell_tick() {}
void stop_telling() {}
void remember(const void*, size_t, Access) {}
bool forget(const void*, size_t) { return false; }
bool touch(const void*, size_t, Access) { return false; }

#endif

}  // namespace vb::fault_guard
