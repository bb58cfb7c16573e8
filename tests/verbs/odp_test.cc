// SPDX-License-Identifier: BSD-2-Clause
// Memory that may come and go: on-demand regions, the key for the whole address space, and ordinary regions whose
// memory was unmapped. `a` owns the memory; `b` reaches it. A bad address is a failed work request, never a signal.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/missing.h"
#include "support/pair.h"
#include "support/pattern.h"
#include "verbatim/verbatim.h"

namespace vt {
namespace {

constexpr int kRemote =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

class PagedTest : public ConnectedTest {
 protected:
  static constexpr size_t kSize = 1 << 20;
  uint8_t* memory = nullptr;
  MrPtr mr;

  PagedTest() { options.buffer = kSize; }
  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    memory = static_cast<uint8_t*>(map(nullptr, PROT_READ | PROT_WRITE));
    ibv_device_attr_ex attr{};
    ASSERT_EQ(ibv_query_device_ex(a().local().context(), nullptr, &attr), 0);
    if (!(attr.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT)) SKIP_ON_OTHERS("no on-demand paging here");
  }
  void TearDown() override {
    mr.reset();
    if (memory) munmap(memory, kSize);
    ConnectedTest::TearDown();
  }
  static void* map(void* at, int protection) {
    return mmap(at, kSize, protection, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
  }
  ibv_pd* pd() { return a().local().pd(); }
  uint64_t at(uint64_t offset) { return reinterpret_cast<uint64_t>(memory) + offset; }
  ibv_sge sge(uint64_t offset, uint64_t length) { return {at(offset), static_cast<uint32_t>(length), mr->lkey}; }

  SendWr write(uint64_t offset, uint64_t length) { return write_wr(1, {at_b.sge(0, length)}, at(offset), mr->rkey); }
  SendWr read(uint64_t offset, uint64_t length) { return read_wr(1, {at_b.sge(0, length)}, at(offset), mr->rkey); }
  void expect_from_b(const SendWr& request, ibv_wc_status status) {
    ASSERT_POSTED(b().post_send(request));
    EXPECT_STATUS(b().wait_send(), 1, status);
  }
  void reconnect() {
    for (Side* side : {&a(), &b()}) ASSERT_EQ(side->move(IBV_QPS_RESET), 0);
    connect();
    while (a().wait_event(0).type >= 0) {
    }
  }
};

// --- on demand ---------------------------------------------------------------------------------------------------

class OdpTest : public PagedTest {
 protected:
  void SetUp() override {
    PagedTest::SetUp();
    if (IsSkipped()) return;
    mr.reset(ibv_reg_mr(pd(), memory, kSize, kRemote | IBV_ACCESS_ON_DEMAND));
    ASSERT_NE(mr, nullptr);
  }
};

TEST_P(OdpTest, CarriesTrafficOfAllKinds) {
  for (uint64_t length : {64, 700000}) {
    b().fill(0, length, length);
    expect_from_b(write(100, length), IBV_WC_SUCCESS);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(memory + 100, length), length), -1);
    b().fill(0, length, 1);
    expect_from_b(read(100, length), IBV_WC_SUCCESS);
    EXPECT_EQ(b().mismatch(0, length, length), -1);
    ASSERT_POSTED(a().post_recv(recv_wr(5, {sge(0, length)})));
    ASSERT_POSTED(b().post_send(send_wr(1, {at_b.sge(0, length)})));
    ASSERT_DONE(a().wait_recv(), 5);
    ASSERT_DONE(b().wait_send(), 1);
    ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, length)})));
    ASSERT_POSTED(a().post_send(send_wr(1, {sge(0, length)})));
    ASSERT_DONE(b().wait_recv(), 5);
    ASSERT_DONE(a().wait_send(), 1);
    ASSERT_POSTED(a().post_send(read_wr(1, {sge(8, length)}, at_b.buffer, at_b.rkey)));
    ASSERT_DONE(a().wait_send(), 1);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(memory + 8, length), length), -1);
  }
}

TEST_P(OdpTest, AtomicsWork) {
  expect_from_b(fetch_add_wr(1, {at_b.sge(0, 8)}, at(64), mr->rkey, 5), IBV_WC_SUCCESS);
  EXPECT_EQ(memory[64], 5);
}

TEST_P(OdpTest, WhatAPeerFindsMissingFailsAtThePeer) {
  munmap(memory, kSize);
  for (uint64_t length : {64, 700000}) {
    SCOPED_TRACE(length);
    expect_from_b(write(0, length), IBV_WC_REM_OP_ERR);
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
    reconnect();
    expect_from_b(read(0, length), IBV_WC_REM_OP_ERR);
    reconnect();
  }
  expect_from_b(fetch_add_wr(1, {at_b.sge(0, 8)}, at(0), mr->rkey, 5), IBV_WC_REM_OP_ERR);
  reconnect();
  ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
  expect_from_b(write(0, 700000), IBV_WC_SUCCESS);
}

TEST_P(OdpTest, WhatIsMissingHereFailsHere) {
  munmap(memory, kSize);
  for (uint64_t length : {64, 700000}) {
    SCOPED_TRACE(length);
    ASSERT_POSTED(a().post_send(send_wr(1, {sge(0, length)})));
    EXPECT_STATUS(a().wait_send(), 1, IBV_WC_LOC_PROT_ERR);
    reconnect();
    ASSERT_POSTED(a().post_recv(recv_wr(5, {sge(0, length)})));
    ASSERT_POSTED(b().post_send(send_wr(1, {at_b.sge(0, length)})));
    EXPECT_STATUS(a().wait_recv(), 5, IBV_WC_LOC_PROT_ERR);
    EXPECT_STATUS(b().wait_send(), 1, IBV_WC_REM_OP_ERR);
    reconnect();
    ASSERT_POSTED(a().post_send(read_wr(1, {sge(0, length)}, at_b.buffer, at_b.rkey)));
    EXPECT_STATUS(a().wait_send(), 1, IBV_WC_LOC_PROT_ERR);
    reconnect();
  }
  ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
}

TEST_P(OdpTest, ProtectionIsKept) {
  ASSERT_EQ(mprotect(memory, kSize, PROT_READ), 0);
  for (uint64_t length : {64, 700000}) {
    expect_from_b(write(0, length), IBV_WC_REM_OP_ERR);
    reconnect();
    expect_from_b(read(0, length), IBV_WC_SUCCESS);
  }
  expect_from_b(fetch_add_wr(1, {at_b.sge(0, 8)}, at(0), mr->rkey, 5), IBV_WC_REM_OP_ERR);
  EXPECT_EQ(memory[0], 0);
}

TEST_P(OdpTest, OtherConnectionsOfTheProcessLive) {
  EndOptions two = options;
  two.qps = 2;
  make(two, two);
  connect(0);
  connect(1);
  at_a = a().address();
  at_b = b().address();
  mr.reset(ibv_reg_mr(pd(), memory, kSize, kRemote | IBV_ACCESS_ON_DEMAND));
  munmap(memory, kSize);
  expect_from_b(write(0, 700000), IBV_WC_REM_OP_ERR);
  ASSERT_POSTED(a().post_recv(recv_wr(5, {at_a.sge(0, 700000)}), 1));
  ASSERT_POSTED(b().post_send(send_wr(7, {at_b.sge(0, 700000)}), 1));
  EXPECT_DONE(a().wait_recv(), 5);
  EXPECT_DONE(b().wait_send(), 7);
  ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
}

TEST_P(OdpTest, AdviceBringsPagesInOrSaysWhyNot) {
  auto advise = [&](ibv_advise_mr_advice advice, ibv_sge range, uint32_t flags = IBV_ADVISE_MR_FLAG_FLUSH) {
    return ibv_advise_mr(pd(), advice, flags, &range, 1);
  };
  for (ibv_advise_mr_advice advice :
       {IBV_ADVISE_MR_ADVICE_PREFETCH, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT}) {
    EXPECT_EQ(advise(advice, sge(0, 8192)), 0);
    EXPECT_EQ(advise(advice, sge(0, 8192), 0), 0);
    EXPECT_EQ(advise(advice, sge(kSize - 10, 100)), EFAULT);
    EXPECT_EQ(advise(advice, {at(0), 100, mr->lkey ^ 0x100}), EFAULT);
  }
  unsigned char present = 0;
  ASSERT_EQ(mincore(memory, 1, &present), 0);
  EXPECT_EQ(present & 1, 1);
  EXPECT_EQ(advise(IBV_ADVISE_MR_ADVICE_PREFETCH, sge(0, 8), 0x80), EINVAL);
  EXPECT_EQ(advise(static_cast<ibv_advise_mr_advice>(77), sge(0, 8)), ENOTSUP);
  MrPtr read_only(ibv_reg_mr(pd(), memory, kSize, IBV_ACCESS_ON_DEMAND));
  EXPECT_EQ(advise(IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, {at(0), 8, read_only->lkey}), EPERM);
  PdPtr other(ibv_alloc_pd(a().local().context()));
  MrPtr foreign(ibv_reg_mr(other.get(), memory, kSize, IBV_ACCESS_ON_DEMAND));
  EXPECT_EQ(advise(IBV_ADVISE_MR_ADVICE_PREFETCH, {at(0), 8, foreign->lkey}), EPERM);
}

// --- the whole address space -------------------------------------------------------------------------------------

class GlobalMrTest : public PagedTest {
 protected:
  void SetUp() override {
    PagedTest::SetUp();
    if (IsSkipped()) return;
    mr.reset(verbatim_reg_global_mr(pd(), kRemote));
    ASSERT_NE(mr, nullptr);
  }
};

TEST_P(GlobalMrTest, ReachesMemoryThatCameLater) {
  std::vector<uint8_t> heap(700000);
  static uint8_t fixed[64];
  b().fill(0, 700000, 5);
  expect_from_b(write_wr(1, {at_b.sge(0, 700000)}, reinterpret_cast<uint64_t>(heap.data()), mr->rkey), IBV_WC_SUCCESS);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(heap), 5), -1);
  expect_from_b(write_wr(1, {at_b.sge(0, 64)}, reinterpret_cast<uint64_t>(fixed), mr->rkey), IBV_WC_SUCCESS);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(fixed), 5), -1);
  ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, 700000)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {{reinterpret_cast<uint64_t>(heap.data()), 700000, mr->lkey}})));
  EXPECT_DONE(b().wait_recv(), 5);
  EXPECT_DONE(a().wait_send(), 1);
}

TEST_P(GlobalMrTest, MemoryThatIsMappedAnewIsTheNewMemory) {
  for (uint64_t seed = 1; seed < 4; ++seed) {
    ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
    b().fill(0, 700000, seed);
    expect_from_b(write(0, 700000), IBV_WC_SUCCESS);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(memory, 700000), seed), -1);
  }
}

TEST_P(GlobalMrTest, WhereNothingIsMappedAccessFails) {
  munmap(memory, kSize);
  for (uint64_t length : {8, 700000}) {
    expect_from_b(write(0, length), IBV_WC_REM_OP_ERR);
    reconnect();
    expect_from_b(read_wr(1, {at_b.sge(0, length)}, 8, mr->rkey), IBV_WC_REM_OP_ERR);
    reconnect();
    ASSERT_POSTED(a().post_send(send_wr(1, {sge(0, length)})));
    EXPECT_STATUS(a().wait_send(), 1, IBV_WC_LOC_PROT_ERR);
    reconnect();
  }
  ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
}

TEST_P(GlobalMrTest, MemoryThatMovesIsFoundWhereItIs) {
  for (uint64_t length : {64, 700000}) {
    SCOPED_TRACE(length);
    expect_from_b(write(0, length), IBV_WC_SUCCESS);
    void* elsewhere = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(elsewhere, MAP_FAILED);
    uint8_t* old = memory;
    ASSERT_EQ(mremap(old, kSize, kSize, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere), elsewhere);
    expect_from_b(write(0, length), IBV_WC_REM_OP_ERR);
    reconnect();
    memory = static_cast<uint8_t*>(elsewhere);
    b().fill(0, length, length + 1);
    expect_from_b(write(0, length), IBV_WC_SUCCESS);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(memory, length), length + 1), -1);
  }
}

TEST_P(GlobalMrTest, MemoryInUseThatVanishesFailsTheNextAccess) {
  for (int i = 0; i < 200; ++i) expect_from_b(write(0, 64), IBV_WC_SUCCESS);
  munmap(memory, kSize);
  expect_from_b(write(0, 64), IBV_WC_REM_OP_ERR);
  reconnect();
  ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
  for (int i = 0; i < 200; ++i) {
    ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, 64)})));
    ASSERT_POSTED(a().post_send(send_wr(1, {sge(0, 64)})));
    ASSERT_DONE(b().wait_recv(), 5);
    ASSERT_DONE(a().wait_send(), 1);
  }
  ASSERT_EQ(mprotect(memory, kSize, PROT_NONE), 0);
  ASSERT_POSTED(a().post_send(send_wr(1, {sge(0, 64)})));
  EXPECT_STATUS(a().wait_send(), 1, IBV_WC_LOC_PROT_ERR);
}

/// The child's copies of pages are not what the parent's peers write to.
TEST_P(GlobalMrTest, AfterAForkTheMemoryIsTheParents) {
  expect_from_b(write(0, 64), IBV_WC_SUCCESS);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[1]);
    _exit(static_cast<int>(::read(ends[0], &byte, 1)));
  }
  close(ends[0]);
  for (uint64_t length : {64, 700000}) {
    b().fill(0, length, length + 7);
    expect_from_b(write(0, length), IBV_WC_SUCCESS);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(memory, length), length + 7), -1);
  }
  close(ends[1]);
  waitpid(child, nullptr, 0);
}

volatile sig_atomic_t faults_of_the_program = 0;

TEST_P(GlobalMrTest, ABadAddressIsNoBusinessOfTheProgramsHandler) {
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) { faults_of_the_program = faults_of_the_program + 1; };
  ASSERT_EQ(sigaction(SIGSEGV, &action, &before), 0);
  const uint64_t nowhere = 0x1000;  // never mapped: the kernel allows nothing below 64 KiB
  expect_from_b(write_wr(1, {at_b.sge(0, 64)}, nowhere, mr->rkey), IBV_WC_REM_OP_ERR);
  reconnect();
  ASSERT_POSTED(a().post_send(send_wr(1, {{nowhere, 64, mr->lkey}})));
  EXPECT_STATUS(a().wait_send(), 1, IBV_WC_LOC_PROT_ERR);
  EXPECT_EQ(faults_of_the_program, 0);
  sigaction(SIGSEGV, &before, nullptr);
}

TEST_P(GlobalMrTest, GrantsNoMoreThanWasAskedFor) {
  mr.reset(verbatim_reg_global_mr(pd(), IBV_ACCESS_REMOTE_READ));
  ASSERT_NE(mr, nullptr);
  expect_from_b(read(0, 64), IBV_WC_SUCCESS);
  expect_from_b(write(0, 64), IBV_WC_REM_ACCESS_ERR);
}

// --- ordinary regions --------------------------------------------------------------------------------------------

class UnmappedTest : public PagedTest {
 protected:
  void SetUp() override {
    PagedTest::SetUp();
    if (!IsSkipped() && !device_is_ours()) GTEST_SKIP() << "hardware keeps the pages of registered memory";
  }
};

TEST_P(UnmappedTest, MemoryUnmappedUnderItsRegistrationFailsAccess) {
  mr.reset(ibv_reg_mr(pd(), memory, kSize, kRemote));
  ASSERT_NE(mr, nullptr);
  munmap(memory, kSize);
  for (uint64_t length : {64, 700000}) {
    SCOPED_TRACE(length);
    expect_from_b(write(0, length), IBV_WC_REM_OP_ERR);
    reconnect();
    expect_from_b(read(0, length), IBV_WC_REM_OP_ERR);
    reconnect();
  }
  ASSERT_NE(map(memory, PROT_READ | PROT_WRITE), MAP_FAILED);
}

INSTANTIATE_TEST_SUITE_P(Both, OdpTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, GlobalMrTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, UnmappedTest, kRc, param_name);

}  // namespace
}  // namespace vt
