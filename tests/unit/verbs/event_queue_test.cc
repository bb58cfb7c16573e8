// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/event_queue.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

namespace vb {
namespace {

TEST(EventQueue, WhatIsClosedTakesNoMore) {
  EventQueue<int> queue;
  ASSERT_TRUE(queue.open());
  queue.push(1);
  queue.close();
  queue.push(2);
  EXPECT_EQ(queue.count([](int) { return true; }), 0u);
  EXPECT_EQ(queue.take([](int) {}).error(), EBADF);
}

/// The descriptor's number is soon another file's.
TEST(EventQueue, WhoPushesWhileItIsClosedWritesNowhereElse) {
  for (int round = 0; round < 100; ++round) {
    EventQueue<int> queue;
    ASSERT_TRUE(queue.open());
    std::atomic<bool> pushing{false}, over{false};
    std::thread other([&] {
      for (; !over.load(); pushing = true) queue.push(1);
    });
    while (!pushing.load()) std::this_thread::yield();
    queue.close();
    Fd file(memfd_create("another", MFD_CLOEXEC));
    over = true;
    other.join();
    struct stat info;
    ASSERT_EQ(fstat(file.get(), &info), 0);
    ASSERT_EQ(info.st_size, 0);
  }
}

}  // namespace
}  // namespace vb
