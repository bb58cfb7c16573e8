// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/shared_region.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace vb::fabric {
namespace {

/// A file laid out as the provider lays out its regions: offsets of two circular queues in the header.
class SharedRegionTest : public testing::Test {
 protected:
  static constexpr size_t kCommands = 128;
  static constexpr size_t kResponses = 4096 + 32;  // not on the first page
  static constexpr size_t kSize = 3 * 4096;

  void SetUp() override {
    name_ = "verbatim-unit-" + std::to_string(getpid());
    int fd = open(("/dev/shm/" + name_).c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(ftruncate(fd, kSize), 0);
    base_ = static_cast<unsigned char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    ASSERT_NE(base_, MAP_FAILED);
    base_[0] = 4;
    put32(24, 1);  // unlocked
    put64(64, kCommands);
    put64(72, kResponses);
    for (size_t queue : {kCommands, kResponses}) {
      put64(queue, 1024);
      put64(queue + 8, 1023);
    }
  }
  void TearDown() override {
    munmap(base_, kSize);
    unlink(("/dev/shm/" + name_).c_str());
  }
  void put32(size_t offset, uint32_t value) { memcpy(base_ + offset, &value, sizeof value); }
  void put64(size_t offset, uint64_t value) { memcpy(base_ + offset, &value, sizeof value); }
  void write_one(size_t queue) { ++base_[queue + 24]; }
  void read_one(size_t queue) { ++base_[queue + 16]; }

  std::string name_;
  unsigned char* base_ = nullptr;
};

TEST_F(SharedRegionTest, IsQuietUntilSomethingIsWritten) {
  SharedRegion region(name_);
  EXPECT_TRUE(region.quiet());
  for (size_t queue : {kCommands, kResponses}) {
    write_one(queue);
    EXPECT_FALSE(region.quiet());
    read_one(queue);
    EXPECT_TRUE(region.quiet());
  }
}

TEST_F(SharedRegionTest, IsPassableUnlessLocked) {
  SharedRegion region(name_);
  EXPECT_TRUE(region.passable());
  put32(24, 0);
  EXPECT_FALSE(region.passable());
  put32(24, 1);
  EXPECT_TRUE(region.passable());
}

TEST_F(SharedRegionTest, RescueFreesALockThatTheDeadHold) {
  SharedRegion region(name_);
  put32(24, 0);
  region.rescue();
  while (!region.passable()) sched_yield();
}

TEST_F(SharedRegionTest, IsPassableWhenItsOwnerHasDiedInside) {
  const pid_t owner = fork();
  if (owner == 0) {
    for (;;) pause();
  }
  put32(4, static_cast<uint32_t>(owner));
  put32(24, 0);
  SharedRegion region(name_);
  kill(owner, SIGKILL);
  while (!region.passable()) sched_yield();
  EXPECT_EQ(waitpid(owner, nullptr, 0), owner);
}

TEST_F(SharedRegionTest, AnUnknownLayoutIsLeftAlone) {
  base_[0] = 5;
  put32(24, 0);
  SharedRegion region(name_);
  EXPECT_TRUE(region.passable());
  EXPECT_FALSE(region.quiet());
  region.rescue();
  EXPECT_EQ(base_[24], 0);
}

TEST_F(SharedRegionTest, QueuesThatAreNoneMakeTheLayoutUnknown) {
  for (uint64_t offset : {uint64_t{0}, uint64_t{130}, uint64_t{kSize - 8}, ~uint64_t{0}, uint64_t{kSize - 4096}}) {
    put64(72, offset);
    EXPECT_FALSE(SharedRegion(name_).quiet()) << offset;
  }
}

TEST_F(SharedRegionTest, MovesAndForgets) {
  std::vector<SharedRegion> regions(1);
  EXPECT_FALSE(regions[0].quiet());
  regions[0] = SharedRegion(name_);
  regions.resize(64);
  EXPECT_TRUE(regions[0].quiet());
  regions[0] = {};
  EXPECT_FALSE(regions[0].quiet());
}

}  // namespace
}  // namespace vb::fabric
