// SPDX-License-Identifier: BSD-2-Clause
// What is registered with a fabric that pins pages, of memory that may come and go: each transfer's own, kept as long
// as the pages are the program's.
#include "transport/memory.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mapping_watch.h"
#include "transport/two_ends.h"

namespace vb {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kPages = 512;

unsigned char* map(void* at = nullptr, int kind = MAP_PRIVATE) {
  return static_cast<unsigned char*>(
      mmap(at, kPages * kPage, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0));
}

class PinnedTest : public testing::Test {
 protected:
  fabric::FakeEndpoint endpoint_{"pins"};
  MemoryRegion* region_ = new MemoryRegion;
  unsigned char* memory_ = map();

  PinnedTest() {
    region_->length = SIZE_MAX;
    region_->on_demand = region_->may_fault = true;
  }
  ~PinnedTest() override {
    release(*region_);
    EXPECT_EQ(endpoint_.registrations(), 0u);
    munmap(memory_, kPages * kPage);
  }
  void SetUp() override {
    MappingWatch& watch = MappingWatch::instance();
    const int number = watch.watch(memory_, kPage);
    if (number < 0) GTEST_SKIP() << "no userfaultfd here: nothing is kept";
    watch.forget(number);
  }
  fabric::Registration* begin(size_t page, unsigned access = fabric::kRemoteRead) {
    return expose(*region_, endpoint_, access, memory_ + page * kPage, kPage);
  }
  void end(size_t page, unsigned access = fabric::kRemoteRead) {
    conceal(*region_, endpoint_, access, memory_ + page * kPage, kPage);
  }
  /// The key that a transfer of this page is given.
  uint64_t key(size_t page, unsigned access = fabric::kRemoteRead) {
    fabric::Registration* registration = begin(page, access);
    if (!registration) return 0;
    const uint64_t key = registration->key;
    end(page, access);
    return key;
  }
};

TEST_F(PinnedTest, TheSameMemoryIsRegisteredOnce) {
  const uint64_t first = key(1);
  EXPECT_EQ(key(1), first);
  EXPECT_NE(key(1, fabric::kRemoteWrite), first);
  EXPECT_NE(key(2), first);
  EXPECT_EQ(endpoint_.registrations(), 3u);
}

TEST_F(PinnedTest, WhatChangesIsRegisteredAnew) {
  uint64_t before = key(1);
  munmap(memory_, kPages * kPage);
  EXPECT_EQ(key(1), 0u);
  EXPECT_EQ(endpoint_.registrations(), 0u);
  map(memory_);
  EXPECT_NE(key(1), before);
  before = key(1);
  madvise(memory_, 2 * kPage, MADV_DONTNEED);
  EXPECT_NE(key(1), before);
  before = key(1);
  unsigned char* other = map();
  mremap(memory_ + kPage, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, other);
  EXPECT_EQ(key(1), 0u);
  map(memory_);
  EXPECT_NE(key(1), before);
  before = key(1);
  map(memory_);  // in its place, without munmap
  EXPECT_NE(key(1), before);
  EXPECT_EQ(endpoint_.registrations(), 1u);
  munmap(other, kPages * kPage);
}

TEST_F(PinnedTest, ProtectionCountsWhenTheTransferBegins) {
  const uint64_t before = key(1, fabric::kRemoteWrite);
  mprotect(memory_, 2 * kPage, PROT_READ);
  EXPECT_EQ(begin(1, fabric::kRemoteWrite), nullptr);
  mprotect(memory_, 2 * kPage, PROT_READ | PROT_WRITE);
  EXPECT_EQ(key(1, fabric::kRemoteWrite), before);
}

TEST_F(PinnedTest, AfterAForkEverythingIsRegisteredAnew) {
  const uint64_t before = key(1);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_NE(key(1), before);
  EXPECT_EQ(endpoint_.registrations(), 1u);
}

TEST_F(PinnedTest, MemoryThatMayChangeUnseenIsNotKept) {
  map(memory_, MAP_SHARED);
  EXPECT_NE(key(1), 0u);
  EXPECT_EQ(endpoint_.registrations(), 0u);
}

TEST_F(PinnedTest, ATransferUnderWayKeepsItsRegistrationAndTheNextHasItsOwn) {
  const uint64_t first = begin(1)->key;
  map(memory_);
  const uint64_t second = begin(1)->key;
  EXPECT_NE(first, second);
  EXPECT_EQ(endpoint_.registrations(), 2u);
  end(1);
  EXPECT_EQ(endpoint_.registrations(), 1u);
  EXPECT_EQ(begin(1)->key, second);
  end(1);
  end(1);
}

TEST_F(PinnedTest, WhatIsKeptIsBounded) {
  const uint64_t first = key(0);
  for (size_t page = 1; page < kPages; ++page) ASSERT_NE(key(page), 0u);
  EXPECT_EQ(endpoint_.registrations(), 64u);
  const uint64_t last = key(kPages - 1);
  EXPECT_NE(key(0), first);
  EXPECT_EQ(key(kPages - 1), last);
}

TEST_F(PinnedTest, WhatIsKeptMakesWayWhenTheFabricRefuses) {
  for (size_t page = 0; page < 10; ++page) key(page);
  const uint64_t used = begin(3)->key;
  endpoint_.refuse_registrations = 1;
  EXPECT_NE(begin(100), nullptr);
  EXPECT_EQ(endpoint_.registrations(), 2u);
  EXPECT_EQ(begin(3)->key, used);
  endpoint_.refuse_registrations = 2;
  EXPECT_EQ(begin(101), nullptr);
  for (size_t page : {3, 3, 100}) end(page);
}

/// Both ends name such memory; what a fabric is given must be registered then, or the fake one complains.
class PinnedTrafficTest : public TwoEnds {};

TEST_F(PinnedTrafficTest, TransfersReuseWhatIsRegistered) {
  Memory from(a.lane, 5000, IBV_ACCESS_LOCAL_WRITE, 7),
      to(b.lane, 5000, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
  for (MemoryRegion* region : {from.region, to.region}) region->on_demand = region->may_fault = true;
  size_t most = 0;
  for (uint64_t i = 1; i <= 20; ++i) {
    std::fill(from.bytes.begin(), from.bytes.end(), static_cast<unsigned char>(i));
    a.post({.wr_id = i, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
    settle();
    EXPECT_EQ(a.sent(), (std::vector<Completion>{{i, IBV_WC_SUCCESS}}));
    EXPECT_EQ(to.bytes, from.bytes);
    most = std::max(most, a.endpoint->registrations());
  }
  EXPECT_EQ(a.endpoint->registrations(), most);
}

}  // namespace
}  // namespace vb
