// SPDX-License-Identifier: BSD-2-Clause
#include "base/fault_guard.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/log.h"

namespace vb::fault_guard {

#if defined(__x86_64__)

// In assembler, so that the faults which are ours are those of known instructions. No stack, no calls: whoever changes
// the instruction pointer to vb_guarded_copy_fault returns false from the function.
asm(R"(
  .pushsection .text.vb_guarded_copy, "ax", @progbits
  .p2align 5
  .type vb_guarded_copy, @function
vb_guarded_copy:
  cmpq $2048, %rdx
  jae 8f
  cmpq $64, %rdx
  jb 2f
1:
  movups (%rsi), %xmm0
  movups 16(%rsi), %xmm1
  movups 32(%rsi), %xmm2
  movups 48(%rsi), %xmm3
  movups %xmm0, (%rdi)
  movups %xmm1, 16(%rdi)
  movups %xmm2, 32(%rdi)
  movups %xmm3, 48(%rdi)
  addq $64, %rsi
  addq $64, %rdi
  subq $64, %rdx
  cmpq $64, %rdx
  jae 1b
2:
  testb $32, %dl
  jz 9f
  movups (%rsi), %xmm0
  movups 16(%rsi), %xmm1
  movups %xmm0, (%rdi)
  movups %xmm1, 16(%rdi)
  addq $32, %rsi
  addq $32, %rdi
9:
  testb $16, %dl
  jz 3f
  movups (%rsi), %xmm0
  movups %xmm0, (%rdi)
  addq $16, %rsi
  addq $16, %rdi
3:
  testb $8, %dl
  jz 4f
  movq (%rsi), %rax
  movq %rax, (%rdi)
  addq $8, %rsi
  addq $8, %rdi
4:
  testb $4, %dl
  jz 5f
  movl (%rsi), %eax
  movl %eax, (%rdi)
  addq $4, %rsi
  addq $4, %rdi
5:
  testb $2, %dl
  jz 6f
  movw (%rsi), %ax
  movw %ax, (%rdi)
  addq $2, %rsi
  addq $2, %rdi
6:
  testb $1, %dl
  jz 7f
  movb (%rsi), %al
  movb %al, (%rdi)
7:
  movl $1, %eax
  ret
8:
  movq %rdx, %rcx
  rep movsb
  movl $1, %eax
  ret
vb_guarded_copy_fault:
  xorl %eax, %eax
  ret
  .size vb_guarded_copy, . - vb_guarded_copy
  .popsection
)");

extern "C" {
[[gnu::visibility("hidden")]] bool vb_guarded_copy(void* to, const void* from, size_t size);
[[gnu::visibility("hidden")]] extern const char vb_guarded_copy_fault[];
}

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS};
constexpr size_t kPageShift = 12;          ///< the smallest page: larger ones are several
constexpr size_t kMostCovered = 16 << 10;  ///< more is worth a system call
constexpr size_t kNotes = 4096;

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

void handle(int signal, siginfo_t* info, void* context) {
  greg_t& instruction = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const auto begin = reinterpret_cast<greg_t>(vb_guarded_copy), end = reinterpret_cast<greg_t>(vb_guarded_copy_fault);
  if (is_fault(*info) && instruction >= begin && instruction < end) {
    instruction = end;
  } else {
    pass_on(signal, info, context);
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

// --- whether it would be asked -------------------------------------------------------------------------------------

std::atomic<bool> installed{false};

/// The kernel's own structure: libraries that wrap sigaction() may tell something else.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

bool would_be_asked() {
  uint64_t blocked = 0;
  if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &blocked, sizeof blocked) != 0) return false;
  for (int signal : kSignals) {
    KernelAction action{};
    if ((blocked >> (signal - 1)) & 1) return false;
    if (syscall(SYS_rt_sigaction, signal, nullptr, &action, sizeof action.mask) != 0) return false;
    if (action.handler != handle) return false;
  }
  return true;
}

/// A few milliseconds; in nanoseconds.
uint64_t tick() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/// The first copy of a tick is the kernel's, so that who copies seldom pays one system call, not four.
class ThreadCheck {
 public:
  bool passed() {
    const uint64_t now = tick();
    if (now != tick_) {
      tick_ = now;
      state_ = State::kUnknown;
      return false;
    }
    if (state_ == State::kUnknown) state_ = would_be_asked() ? State::kYes : State::kNo;
    return state_ == State::kYes;
  }

 private:
  enum class State { kUnknown, kYes, kNo };
  uint64_t tick_ = 0;
  State state_ = State::kUnknown;
};

constinit thread_local ThreadCheck check;

// --- what was good before ------------------------------------------------------------------------------------------

/// One page each, by the lower bits of its number: the number, 2 (so that nothing is 0) and whether it was written.
std::array<std::atomic<uint64_t>, kNotes> notes;

struct Pages {
  Pages(const void* at, size_t size)
      : first(reinterpret_cast<uintptr_t>(at) >> kPageShift),
        last((reinterpret_cast<uintptr_t>(at) + size - 1) >> kPageShift) {}
  uint64_t first, last;
};

std::atomic<uint64_t>& note_of(uint64_t page) { return notes[page % kNotes]; }
uint64_t note(uint64_t page, Access access) { return page << 2 | 2 | (access == Access::kWrite ? 1 : 0); }

bool noted(uint64_t page, Access access) {
  const uint64_t found = note_of(page).load(std::memory_order_relaxed);
  return found == note(page, Access::kWrite) || (access == Access::kRead && found == note(page, Access::kRead));
}

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

bool covers(const void* at, size_t size, Access access) {
  if (size == 0 || size > kMostCovered || !installed.load(std::memory_order_relaxed)) return false;
  const Pages pages(at, size);
  for (uint64_t page = pages.first; page <= pages.last; ++page) {
    if (!noted(page, access)) return false;
  }
  return check.passed();
}

void remember(const void* at, size_t size, Access access) {
  if (size == 0 || size > kMostCovered) return;
  const Pages pages(at, size);
  for (uint64_t page = pages.first; page <= pages.last; ++page) {
    if (!noted(page, access)) note_of(page).store(note(page, access), std::memory_order_relaxed);
  }
}

void forget(const void* at, size_t size) {
  const Pages pages(at, size);
  const uint64_t last = std::min(pages.last, pages.first + kNotes - 1);  // that is all there are
  for (uint64_t page = pages.first; page <= last; ++page) note_of(page).store(0, std::memory_order_relaxed);
}

bool copy(void* to, const void* from, size_t size) { return vb_guarded_copy(to, from, size); }

#else  // the kernel copies

void install() {}
bool covers(const void*, size_t, Access) { return false; }
void remember(const void*, size_t, Access) {}
void forget(const void*, size_t) {}
bool copy(void*, const void*, size_t) { return false; }

#endif

}  // namespace vb::fault_guard
