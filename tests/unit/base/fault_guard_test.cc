// SPDX-License-Identifier: BSD-2-Clause
// Each test forks: handlers are the process's, and the guard's are installed once.
#include "base/fault_guard.h"

#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include "base/safe_copy.h"

namespace vb {
namespace {

constexpr size_t kPage = 4096;

unsigned char* map_pages(size_t count) {
  return static_cast<unsigned char*>(
      mmap(nullptr, count * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/// The status with which a child ends that runs `body`: exit status, or minus the signal.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int signal : {SIGSEGV, SIGBUS}) ::signal(signal, SIG_DFL);  // a sanitizer's would change what is seen
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Copies until copies of this page are guarded: the first of a tick never are.
bool guarded_soon(unsigned char* page, fault_guard::Access access) {
  unsigned char own[64];
  for (int i = 0; i < 1000; ++i) {
    const bool copied =
        access == fault_guard::Access::kRead ? safe_read(own, page, sizeof own) : safe_write(page, own, sizeof own);
    if (!copied) return false;
    if (fault_guard::covers(page, sizeof own, access)) return true;
  }
  return false;
}

/// Where nothing is mapped. The compiler must not know it.
volatile char* nowhere() {
  static volatile uintptr_t address = 64;
  return reinterpret_cast<volatile char*>(address);
}

volatile sig_atomic_t handled = 0;
void count(int) { handled = handled + 1; }

#if defined(__x86_64__)

/// With wide registers, where the processor has them, or without.
class GuardedCopyTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !__builtin_cpu_supports("avx2")) GTEST_SKIP() << "the processor has no such registers";
    vb_guarded_wide = GetParam();
  }
  void TearDown() override { vb_guarded_wide = before_; }

 private:
  bool before_ = vb_guarded_wide;
};
INSTANTIATE_TEST_SUITE_P(Widths, GuardedCopyTest, testing::Bool());

TEST_P(GuardedCopyTest, CopiesEverySizeAndOffset) {
  std::array<unsigned char, 2300> from, to;
  std::iota(from.begin(), from.end(), 1);
  for (size_t size = 0; size < 2100; size += size < 200 ? 1 : 37) {
    for (size_t offset : {0, 1, 7, 33}) {
      to.fill(0);
      ASSERT_TRUE(fault_guard::copy(to.data() + offset, from.data() + 3, size));
      ASSERT_EQ(memcmp(to.data() + offset, from.data() + 3, size), 0) << size << " at " << offset;
      ASSERT_EQ(to[offset + size], 0) << size << " at " << offset;
    }
  }
}

TEST(FaultGuardTest, TouchesEveryPageAndChangesNothing) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char* pages = map_pages(5);
              for (size_t i = 0; i < 5 * kPage; ++i) pages[i] = static_cast<unsigned char>(i);
              using fault_guard::Access;
              // The first and last byte of the range are on pages of their own.
              if (!fault_guard::touch(pages + kPage - 1, 3 * kPage + 2, Access::kWrite)) return 1;
              for (size_t i = 0; i < 5 * kPage; ++i)
                if (pages[i] != static_cast<unsigned char>(i)) return 2;
              mprotect(pages + 4 * kPage, kPage, PROT_READ);
              if (!fault_guard::touch(pages, 5 * kPage, Access::kRead)) return 3;
              if (fault_guard::touch(pages, 4 * kPage + 1, Access::kWrite)) return 4;
              if (!fault_guard::touch(pages, 4 * kPage, Access::kWrite)) return 5;
              munmap(pages, kPage);
              if (fault_guard::touch(pages + kPage - 1, 2, Access::kRead)) return 6;
              return fault_guard::touch(pages + kPage, 1, Access::kRead) ? 0 : 7;
            }),
            0);
}

/// bring_in() asks the kernel once; then it looks for itself, and sees what the kernel would.
TEST(FaultGuardTest, MemoryInUseIsBroughtInUnderTheGuard) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              constexpr size_t kSize = 300 * kPage;
              unsigned char* pages = map_pages(300);
              if (!bring_in(pages, kSize, true)) return 1;
              for (bool writable : {true, false}) {
                const auto access = writable ? fault_guard::Access::kWrite : fault_guard::Access::kRead;
                if (!fault_guard::covers(pages, kSize, access)) return 2;
                if (!bring_in(pages, kSize, writable)) return 3;
              }
              mprotect(pages + 200 * kPage, kPage, PROT_READ);
              if (bring_in(pages, kSize, true)) return 4;
              if (fault_guard::covers(pages + 200 * kPage, kPage, fault_guard::Access::kWrite)) return 5;
              if (!bring_in(pages, kSize, false)) return 6;
              munmap(pages + 200 * kPage, kPage);
              return bring_in(pages, kSize, false) ? 7 : 0;
            }),
            0);
}

TEST(FaultGuardTest, MemoryInUseIsCopiedUnderTheGuard) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char* page = map_pages(1);
              return guarded_soon(page, fault_guard::Access::kRead) && guarded_soon(page, fault_guard::Access::kWrite)
                         ? 0
                         : 1;
            }),
            0);
}

TEST(FaultGuardTest, WhatWasUnmappedOrProtectedOrCutOffIsAnErrorUnderTheGuard) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char own[64]{};
              unsigned char* page = map_pages(1);
              if (!guarded_soon(page, fault_guard::Access::kWrite)) return 1;
              mprotect(page, kPage, PROT_READ);
              if (fault_guard::copy(page, own, sizeof own)) return 2;
              if (!fault_guard::copy(own, page, sizeof own)) return 3;
              munmap(page, kPage);
              if (fault_guard::copy(own, page, sizeof own) || safe_read(own, page, sizeof own)) return 4;
              if (fault_guard::covers(page, sizeof own, fault_guard::Access::kRead)) return 5;
              const int file = memfd_create("guard", MFD_CLOEXEC);
              if (ftruncate(file, kPage) != 0) return 6;
              void* mapped = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
              if (ftruncate(file, 0) != 0 || fault_guard::copy(own, mapped, sizeof own)) return 7;  // SIGBUS
              auto* not_canonical = reinterpret_cast<void*>(uint64_t{0xdead} << 48);
              return fault_guard::copy(own, not_canonical, sizeof own) ? 8 : 0;
            }),
            0);
}

/// A handler that comes later is the program's; the copies do without the guard from the next tick on, and what was
/// never touched is not touched even before.
TEST(FaultGuardTest, AHandlerThatComesLaterIsNotAskedForUs) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char own[64]{};
              unsigned char *used = map_pages(1), *other = map_pages(1);
              if (!guarded_soon(used, fault_guard::Access::kWrite)) return 1;
              signal(SIGSEGV, count);
              munmap(other, kPage);
              if (safe_write(other, own, sizeof own) || handled) return 2;
              while (fault_guard::covers(used, sizeof own, fault_guard::Access::kWrite)) {
              }
              munmap(used, kPage);
              for (int i = 0; i < 100; ++i) {
                if (safe_write(used, own, sizeof own) || handled) return 3;
              }
              struct sigaction now;
              sigaction(SIGSEGV, nullptr, &now);
              return now.sa_handler == count ? 0 : 4;
            }),
            0);
}

TEST(FaultGuardTest, AThreadThatBlocksTheSignalsLeavesTheCopyToTheKernel) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char* page = map_pages(1);
              bool guarded = true;
              std::thread([&] {
                sigset_t all;
                sigfillset(&all);
                pthread_sigmask(SIG_SETMASK, &all, nullptr);
                guarded = guarded_soon(page, fault_guard::Access::kRead);
              }).join();
              return guarded ? 1 : 0;
            }),
            0);
}

// --- a thread of the engine's ----------------------------------------------------------------------------------------

/// Runs `body` in a thread that blocks all signals, as the helper does.
int in_engines_thread(const std::function<int()>& body) {
  int result = 0;
  std::thread([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    fault_guard::adopt_thread();
    result = body();
  }).join();
  return result;
}

bool blocked(int signal) {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return sigismember(&now, signal) == 1;
}

TEST(FaultGuardTest, AThreadOfTheEnginesLetsOurSignalsIn) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char* page = map_pages(1);
              return in_engines_thread([&] {
                unsigned char own[64]{};
                if (!guarded_soon(page, fault_guard::Access::kWrite)) return 1;
                if (blocked(SIGSEGV) || blocked(SIGBUS) || !blocked(SIGUSR1)) return 2;
                munmap(page, kPage);
                return safe_write(page, own, sizeof own) ? 3 : 0;
              });
            }),
            0);
}

TEST(FaultGuardTest, AThreadOfTheEnginesBlocksThemWhenTheProgramHasAHandler) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char* page = map_pages(1);
              return in_engines_thread([&] {
                if (!guarded_soon(page, fault_guard::Access::kRead)) return 1;
                signal(SIGBUS, count);
                while (!blocked(SIGSEGV) || !blocked(SIGBUS)) {  // from the next tick on
                  unsigned char own[64];
                  if (!safe_read(own, page, sizeof own)) return 2;
                }
                return fault_guard::covers(page, 1, fault_guard::Access::kRead) ? 3 : 0;
              });
            }),
            0);
}

/// The program's threads block it and wait for it: it must not end in ours.
TEST(FaultGuardTest, ASignalSentToTheProcessLeavesTheThreadOfTheEngines) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              sigset_t mine;
              sigemptyset(&mine);
              sigaddset(&mine, SIGSEGV);
              pthread_sigmask(SIG_BLOCK, &mine, nullptr);
              unsigned char* page = map_pages(1);
              const int stayed = in_engines_thread([&] {
                if (!guarded_soon(page, fault_guard::Access::kRead)) return 1;
                kill(getpid(), SIGSEGV);
                if (!blocked(SIGSEGV) || !blocked(SIGBUS)) return 2;
                return guarded_soon(page, fault_guard::Access::kRead) ? 3 : 0;
              });
              if (stayed != 0) return stayed;
              siginfo_t info{};
              const timespec no_time{};
              if (sigtimedwait(&mine, &info, &no_time) != SIGSEGV) return 4;
              return info.si_code == SI_USER && info.si_pid == getpid() ? 0 : 5;
            }),
            0);
}

TEST(FaultGuardTest, AnotherFaultInAThreadOfTheEnginesEndsTheProcess) {
  EXPECT_EQ(in_child([] {
              signal(SIGSEGV, count);
              fault_guard::install();
              unsigned char* page = map_pages(1);
              return in_engines_thread([&] {
                if (!guarded_soon(page, fault_guard::Access::kRead)) return 1;
                return int{*nowhere()};
              });
            }),
            -SIGSEGV);
}

// --- faults of the program -------------------------------------------------------------------------------------------

TEST(FaultGuardTest, WithoutAHandlerAFaultEndsTheProcess) {
  for (int signal : {SIGSEGV, SIGBUS}) {
    EXPECT_EQ(in_child([&] {
                fault_guard::install();
                if (signal == SIGSEGV) return int{*nowhere()};
                return kill(getpid(), signal), pause(), 0;
              }),
              -signal);
  }
}

TEST(FaultGuardTest, AnIgnoredSignalOfAnotherProcessIsIgnoredAndAFaultIsNot) {
  EXPECT_EQ(in_child([] {
              signal(SIGSEGV, SIG_IGN);
              fault_guard::install();
              kill(getpid(), SIGSEGV);
              return 5;
            }),
            5);
  EXPECT_EQ(in_child([] {
              signal(SIGSEGV, SIG_IGN);
              fault_guard::install();
              return int{*nowhere()};
            }),
            -SIGSEGV);
}

sigjmp_buf back;
siginfo_t seen;
sigset_t blocked_inside;
bool on_other_stack;

void leave(int, siginfo_t* info, void*) {
  stack_t stack;
  sigaltstack(nullptr, &stack);
  on_other_stack = (stack.ss_flags & SS_ONSTACK) != 0;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked_inside);
  seen = *info;
  siglongjmp(back, 1);
}

TEST(FaultGuardTest, TheProgramsHandlerFindsWhatItWouldFindWithoutUs) {
  EXPECT_EQ(in_child([] {
              static char space[1 << 16];
              const stack_t stack{space, 0, sizeof space};
              sigaltstack(&stack, nullptr);
              struct sigaction action {};
              action.sa_sigaction = leave;
              action.sa_flags = SA_SIGINFO | SA_ONSTACK;
              sigaddset(&action.sa_mask, SIGUSR2);
              sigaction(SIGSEGV, &action, nullptr);
              fault_guard::install();
              if (sigsetjmp(back, 1) == 0) return int{*nowhere()};
              if (seen.si_addr != nowhere() || seen.si_code != SEGV_MAPERR || !on_other_stack) return 1;
              if (!sigismember(&blocked_inside, SIGUSR2) || !sigismember(&blocked_inside, SIGSEGV)) return 2;
              return sigismember(&blocked_inside, SIGUSR1) ? 3 : 0;
            }),
            0);
}

TEST(FaultGuardTest, AHandlerForOneSignalIsCalledOnce) {
  EXPECT_EQ(in_child([] {
              struct sigaction action {};
              action.sa_handler = count;
              action.sa_flags = static_cast<int>(SA_RESETHAND);
              sigaction(SIGSEGV, &action, nullptr);
              fault_guard::install();
              kill(getpid(), SIGSEGV);
              if (handled != 1) return 1;
              kill(getpid(), SIGSEGV);
              return 2;
            }),
            -SIGSEGV);
}

#endif

/// Whatever copies: bytes and results are the same.
TEST(SafeCopyTest, ReadsAndWritesLikeMemcpy) {
  EXPECT_EQ(in_child([] {
              fault_guard::install();
              unsigned char* pages = map_pages(8);
              std::vector<unsigned char> own(8 * kPage), again(8 * kPage);
              std::iota(own.begin(), own.end(), 3);
              for (int round = 0; round < 50; ++round) {
                for (size_t size : {size_t{1}, size_t{63}, size_t{4097}, 4 * kPage, 8 * kPage - 100}) {
                  if (!safe_write(pages + 100, own.data(), size) || !safe_read(again.data(), pages + 100, size))
                    return 1;
                  if (memcmp(own.data(), again.data(), size) != 0) return 2;
                }
              }
              munmap(pages + 4 * kPage, kPage);
              return safe_read(again.data(), pages + 100, 4 * kPage) ? 3 : 0;
            }),
            0);
}

}  // namespace
}  // namespace vb
