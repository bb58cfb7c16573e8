// SPDX-License-Identifier: BSD-2-Clause
#include "base/fork.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "base/spinlock.h"

namespace vb {

namespace {

// A bitmap, because the child of a program with threads may find any other structure half changed.
constexpr int kMaxFd = 1 << 20;
std::atomic<uint64_t> marked[kMaxFd / 64];
std::atomic<int> highest{-1};
constexpr int kMaxForget = 8;
std::atomic<void (*)()> forget_in_child[kMaxForget];
std::atomic<int> forgetting{0};

/// The thread that forked may have held locks; those that matter are made anew.
void in_child() {
  locks_held = 0;
  for (int word = 0; word <= highest.load() / 64; ++word) {
    uint64_t bits = marked[word].exchange(0);
    for (; bits; bits &= bits - 1) ::close(word * 64 + __builtin_ctzll(bits));
  }
  for (auto& forget : forget_in_child) {
    if (auto* function = forget.load()) function();
  }
}

}  // namespace

void close_in_child(int fd) {
  if (fd < 0 || fd >= kMaxFd) return;
  marked[fd / 64] |= uint64_t{1} << (fd % 64);
  int seen = highest.load();
  while (seen < fd && !highest.compare_exchange_weak(seen, fd)) {
  }
}

void keep_in_child(int fd) {
  if (fd >= 0 && fd < kMaxFd) marked[fd / 64] &= ~(uint64_t{1} << (fd % 64));
}

void on_fork(void (*forget)()) {
  int place = forgetting++;
  if (place >= kMaxForget) return;
  forget_in_child[place] = forget;
  if (place == 0) pthread_atfork(nullptr, nullptr, in_child);
}

}  // namespace vb
