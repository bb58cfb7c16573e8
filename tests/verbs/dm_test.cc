// SPDX-License-Identifier: BSD-2-Clause
// Device memory: its calls, and traffic with it. `a` owns it; `b` reaches it.
#include "support/missing.h"
#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

constexpr unsigned kDmAccess = IBV_ACCESS_ZERO_BASED | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
                               IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

uint64_t max_dm_size(ibv_context* context) {
  ibv_device_attr_ex attr{};
  EXPECT_EQ(ibv_query_device_ex(context, nullptr, &attr), 0);
  return attr.max_dm_size;
}

DmPtr alloc(ibv_context* context, size_t length, uint32_t log_align = 0, uint32_t comp_mask = 0) {
  ibv_alloc_dm_attr attr{.length = length, .log_align_req = log_align, .comp_mask = comp_mask};
  return DmPtr(ibv_alloc_dm(context, &attr));
}

class DmTest : public PdTest {
 protected:
  void SetUp() override {
    PdTest::SetUp();
    if (!IsSkipped() && max_dm_size(context.get()) == 0) SKIP_ON_OTHERS("no device memory");
  }
};

TEST_F(DmTest, KeepsWhatIsCopiedToIt) {
  DmPtr dm = alloc(context.get(), 4096, 6);
  ASSERT_NE(dm, nullptr);
  uint8_t in[400], out[400];
  fill_pattern(in, 3);
  ASSERT_EQ(ibv_memcpy_to_dm(dm.get(), 800, in, sizeof in), 0);
  ASSERT_EQ(ibv_memcpy_from_dm(out, dm.get(), 800, sizeof out), 0);
  EXPECT_EQ(find_mismatch(out, 3), -1);
}

TEST_F(DmTest, CopiesStayInsideAndAligned) {
  DmPtr dm = alloc(context.get(), 100);
  ASSERT_NE(dm, nullptr);
  uint8_t host[200] = {};
  EXPECT_NE(ibv_memcpy_to_dm(dm.get(), 100, host, 4), 0);
  EXPECT_NE(ibv_memcpy_from_dm(host, dm.get(), 0, 104), 0);
  EXPECT_NE(ibv_memcpy_to_dm(dm.get(), ~uint64_t{3}, host, 8), 0);
  EXPECT_NE(ibv_memcpy_to_dm(dm.get(), 3, host, 4), 0);
  EXPECT_NE(ibv_memcpy_to_dm(dm.get(), 4, host, 3), 0);
  EXPECT_EQ(ibv_memcpy_to_dm(dm.get(), 96, host, 4), 0);
}

TEST_F(DmTest, BadRequestsAreRefused) {
  EXPECT_EQ(alloc(context.get(), max_dm_size(context.get()) + 1), nullptr);
  EXPECT_EQ(alloc(context.get(), 64, 0, 0x100), nullptr);
  DmPtr dm = alloc(context.get(), 100);
  ASSERT_NE(dm, nullptr);
  EXPECT_NULL_ERRNO(EINVAL, MrPtr(ibv_reg_dm_mr(pd.get(), dm.get(), 0, 104, kDmAccess)));
  EXPECT_NULL_ERRNO(EINVAL, MrPtr(ibv_reg_dm_mr(pd.get(), dm.get(), 0, 64, IBV_ACCESS_LOCAL_WRITE)));
}

TEST_F(DmTest, IsNotFreedUnderARegion) {
  DmPtr dm = alloc(context.get(), 4096);
  MrPtr mr(ibv_reg_dm_mr(pd.get(), dm.get(), 0, 4096, kDmAccess));
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(ibv_free_dm(dm.get()), EBUSY);
  mr.reset();
  EXPECT_EQ(ibv_free_dm(dm.release()), 0);
}

TEST_F(DmTest, WhatIsFreedCanBeHadAgain) {
  for (int i = 0; i < 10; ++i) EXPECT_NE(alloc(context.get(), max_dm_size(context.get()) / 2), nullptr);
}

class DmTrafficTest : public ConnectedTest {
 protected:
  DmPtr dm;
  MrPtr mr;

  DmTrafficTest() { options.buffer = 1 << 20; }
  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    if (max_dm_size(a().local().context()) < kSize) SKIP_ON_OTHERS("no device memory");
    dm = alloc(a().local().context(), kSize, 6);
    ASSERT_NE(dm, nullptr);
    mr.reset(ibv_reg_dm_mr(a().local().pd(), dm.get(), kOffset, kSize - kOffset, kDmAccess));
    ASSERT_NE(mr, nullptr);
  }
  void TearDown() override {
    mr.reset();
    dm.reset();
    ConnectedTest::TearDown();
  }
  static constexpr size_t kSize = 1 << 20, kOffset = 4096;
};

TEST_P(DmTrafficTest, IsReachedByOffset) {
  for (uint64_t length : {64, 700000}) {
    b().fill(0, length, 4);
    ASSERT_POSTED(b().post_send(write_wr(1, {at_b.sge(0, length)}, 8, mr->rkey)));
    ASSERT_DONE(b().wait_send(), 1);
    Bytes seen(length);
    ASSERT_EQ(ibv_memcpy_from_dm(seen.data(), dm.get(), kOffset + 8, length), 0);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(seen), 4), -1);
    b().fill(0, length, 1);
    ASSERT_POSTED(b().post_send(read_wr(1, {at_b.sge(0, length)}, 8, mr->rkey)));
    ASSERT_DONE(b().wait_send(), 1);
    EXPECT_EQ(b().mismatch(0, length, 4), -1);
  }
}

TEST_P(DmTrafficTest, SendsAndReceives) {
  b().fill(0, 1000, 4);
  ASSERT_POSTED(a().post_recv(recv_wr(1, {{0, 1000, mr->lkey}})));
  ASSERT_POSTED(b().post_send(send_wr(2, {at_b.sge(0, 1000)})));
  ASSERT_DONE(a().wait_recv(), 1);
  ASSERT_DONE(b().wait_send(), 2);
  ASSERT_POSTED(b().post_recv(recv_wr(3, {at_b.sge(2000, 1000)})));
  ASSERT_POSTED(a().post_send(send_wr(4, {{0, 1000, mr->lkey}})));
  ASSERT_DONE(b().wait_recv(), 3);
  EXPECT_EQ(b().mismatch(2000, 1000, 4), -1);
}

TEST_P(DmTrafficTest, AtomicsWorkOnIt) {
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_POSTED(b().post_send(fetch_add_wr(1, {at_b.sge(0, 8)}, 16, mr->rkey, 3)));
    ASSERT_DONE(b().wait_send(), 1);
  }
  uint64_t value = 0;
  ASSERT_EQ(ibv_memcpy_from_dm(&value, dm.get(), kOffset + 16, 8), 0);
  EXPECT_EQ(value, 30u);
}

TEST_P(DmTrafficTest, BehindItsEndNothingIsReached) {
  ASSERT_POSTED(b().post_send(write_wr(1, {at_b.sge(0, 8)}, kSize - kOffset - 4, mr->rkey)));
  EXPECT_STATUS(b().wait_send(), 1, IBV_WC_REM_ACCESS_ERR);
}

INSTANTIATE_TEST_SUITE_P(Both, DmTrafficTest, kRc, param_name);

}  // namespace
}  // namespace vt
