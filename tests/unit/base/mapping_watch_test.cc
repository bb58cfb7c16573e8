// SPDX-License-Identifier: BSD-2-Clause
#include "base/mapping_watch.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace vb {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kPages = 16;

class MappingWatchTest : public testing::Test {
 protected:
  MappingWatch& watch_ = MappingWatch::instance();
  unsigned char* memory_ = map(nullptr);
  std::vector<int> numbers_;

  static unsigned char* map(void* at, int kind = MAP_PRIVATE) {
    return static_cast<unsigned char*>(
        mmap(at, kPages * kPage, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0));
  }
  int watched(size_t first, size_t pages) {
    const int number = watch_.watch(memory_ + first * kPage + 100, pages * kPage - 100);
    if (number >= 0) numbers_.push_back(number);
    return number;
  }
  void SetUp() override {
    if (watched(0, 1) < 0) GTEST_SKIP() << "no userfaultfd here";
  }
  void TearDown() override {
    for (int number : numbers_) watch_.forget(number);
    munmap(memory_, kPages * kPage);
  }
};

TEST_F(MappingWatchTest, WhatNothingHappensToIsIntact) {
  const int number = watched(4, 4);
  for (size_t i = 0; i < kPages * kPage; ++i) memory_[i] = 1;
  madvise(memory_, 4 * kPage, MADV_DONTNEED);
  munmap(memory_ + 8 * kPage, 4 * kPage);
  EXPECT_TRUE(watch_.intact(number));
}

TEST_F(MappingWatchTest, UnmappedMemoryIsNotAlsoWhenOtherMemoryComesThere) {
  const int number = watched(4, 4), beside = watched(8, 4);
  munmap(memory_ + 7 * kPage, kPage);
  EXPECT_FALSE(watch_.intact(number));
  map(memory_);
  EXPECT_FALSE(watch_.intact(number));
  EXPECT_FALSE(watch_.intact(beside));  // replaced, without munmap
  EXPECT_TRUE(watch_.intact(watched(4, 4)));
}

TEST_F(MappingWatchTest, MovedMemoryIsNot) {
  const int number = watched(4, 4);
  unsigned char* other = map(nullptr);
  ASSERT_EQ(mremap(memory_ + 4 * kPage, 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, other), other);
  EXPECT_FALSE(watch_.intact(number));
  munmap(other, kPages * kPage);
}

TEST_F(MappingWatchTest, DroppedPagesAreNot) {
  const int number = watched(4, 4);
  madvise(memory_ + 5 * kPage, kPage, MADV_DONTNEED);
  EXPECT_FALSE(watch_.intact(number));
}

TEST_F(MappingWatchTest, AfterAForkNothingIs) {
  const int number = watched(4, 4);
  const pid_t child = fork();
  if (child == 0) {
    // The child has a watch of its own, and changes nothing of the parent's.
    const bool own = &MappingWatch::instance() != &watch_;
    munmap(memory_, kPages * kPage);
    _exit(own ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(watch_.intact(number));
  EXPECT_TRUE(watch_.intact(watched(4, 4)));
}

/// What the parent has watched is nothing to a child that ends it, even where the child watches in the same place.
TEST_F(MappingWatchTest, AChildThatForgetsWhatItsParentWatchedKeepsItsOwn) {
  const int number = watched(4, 4);
  const pid_t child = fork();
  if (child == 0) {
    MappingWatch& own = MappingWatch::instance();
    std::vector<int> mine;
    for (size_t i = 0; i <= numbers_.size(); ++i) mine.push_back(own.watch(memory_ + i * kPage, kPage));
    bool good = !own.intact(number);
    for (int each : numbers_) own.forget(each);
    for (int each : mine) good = good && own.intact(each);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

/// Several threads that watch first at the same time have one watch, in a process that has none yet.
TEST_F(MappingWatchTest, ThereIsOneHoweverManyAskFirst) {
  const pid_t child = fork();
  if (child == 0) {
    constexpr int kThreads = 8;
    std::vector<std::thread> threads;
    MappingWatch* found[kThreads];
    bool intact[kThreads];
    std::atomic<int> ready{0};
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        for (++ready; ready < kThreads;) std::this_thread::yield();
        found[i] = &MappingWatch::instance();
        const int number = found[i]->watch(memory_ + i * kPage, kPage);
        intact[i] = number >= 0 && found[i]->intact(number);
      });
    }
    for (std::thread& thread : threads) thread.join();
    bool good = true;
    for (int i = 0; i < kThreads; ++i) good = good && found[i] == found[0] && intact[i];
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(MappingWatchTest, ChangesByAnotherThreadAreSeenWhenItsCallHasReturned) {
  for (int i = 0; i < 200; ++i) {
    const int number = watched(4, 4);
    ASSERT_GE(number, 0);
    std::thread([&] { madvise(memory_ + 4 * kPage, kPage, MADV_DONTNEED); }).join();
    ASSERT_FALSE(watch_.intact(number));
    watch_.forget(number);
    numbers_.pop_back();
  }
}

TEST_F(MappingWatchTest, WhatIsNotPrivateAndAnonymousIsNotWatched) {
  map(memory_ + 0, MAP_SHARED);
  EXPECT_LT(watched(4, 4), 0);
  munmap(memory_ + 6 * kPage, kPage);
  EXPECT_LT(watched(4, 4), 0);
  EXPECT_LT(watch_.watch(memory_, 0), 0);
  const int file = memfd_create("watch", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(file, kPages * kPage), 0);
  void* mapped = mmap(memory_, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0);
  ASSERT_EQ(mapped, memory_);
  EXPECT_LT(watched(4, 4), 0);
  close(file);
}

TEST_F(MappingWatchTest, OneThatEndsLeavesThoseBeside) {
  const int first = watched(2, 4), second = watched(4, 4);
  watch_.forget(first);
  std::erase(numbers_, first);
  EXPECT_TRUE(watch_.intact(second));
  madvise(memory_ + 5 * kPage, kPage, MADV_DONTNEED);
  EXPECT_FALSE(watch_.intact(second));
}

TEST_F(MappingWatchTest, IsBounded) {
  while (numbers_.size() < MappingWatch::kMost) ASSERT_GE(watched(numbers_.size() % kPages, 1), 0);
  EXPECT_LT(watched(0, 1), 0);
  watch_.forget(numbers_.back());
  numbers_.pop_back();
  EXPECT_GE(watched(0, 1), 0);
}

}  // namespace
}  // namespace vb
