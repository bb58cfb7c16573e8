// SPDX-License-Identifier: BSD-2-Clause
// ibv_rereg_mr. `a` owns the region; `b` reaches it.
#include <sys/mman.h>

#include "support/missing.h"
#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

constexpr int kWritable = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;

class ReregTest : public ConnectedTest {
 protected:
  uint8_t first[8192] = {}, second[16384] = {};
  MrPtr mr;

  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    mr.reset(ibv_reg_mr(a().local().pd(), first, sizeof first, kWritable));
    ASSERT_NE(mr, nullptr);
    if (ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, kWritable) != 0)
      SKIP_ON_OTHERS("no ibv_rereg_mr here");
  }
  void TearDown() override {
    mr.reset();
    ConnectedTest::TearDown();
  }
  static uint64_t at(const uint8_t* memory) { return reinterpret_cast<uint64_t>(memory); }
  std::vector<ibv_wc> write(uint64_t address, uint64_t length = 64, uint64_t id = 1) {
    b().fill(0, length, 7);
    EXPECT_POSTED(b().post_send(write_wr(id, {at_b.sge(0, length)}, address, mr->rkey)));
    return b().wait_send();
  }
};

TEST_P(ReregTest, AnotherTranslationMovesTheRegion) {
  ASSERT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_TRANSLATION, nullptr, second, sizeof second, 0), 0);
  EXPECT_EQ(mr->addr, second);
  EXPECT_EQ(mr->length, sizeof second);
  ASSERT_DONE(write(at(second) + 8000, 1000), 1);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(second + 8000, 1000), 7), -1);
  EXPECT_STATUS(write(at(first)), 1, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(ReregTest, AnotherTranslationServesLargeTransfers) {
  std::vector<uint8_t> one(1 << 20), two(1 << 20);
  MrPtr large(ibv_reg_mr(a().local().pd(), one.data(), one.size(), kWritable));
  ASSERT_NE(large, nullptr);
  std::swap(mr, large);
  ASSERT_DONE(write(at(one.data()), at_b.length), 1);
  ASSERT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_TRANSLATION, nullptr, two.data(), two.size(), 0), 0);
  ASSERT_DONE(write(at(two.data()), at_b.length), 1);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(two.data(), at_b.length), 7), -1);
}

TEST_P(ReregTest, LessAccessIsRefusedToPeers) {
  ASSERT_DONE(write(at(first)), 1);
  ASSERT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, IBV_ACCESS_LOCAL_WRITE), 0);
  EXPECT_STATUS(write(at(first)), 1, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(ReregTest, MoreAccessIsGranted) {
  ASSERT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, 0), 0);
  ASSERT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, kWritable), 0);
  EXPECT_DONE(write(at(first)), 1);
}

TEST_P(ReregTest, AnotherPdIsAnotherWorld) {
  ibv_pd* other = ibv_alloc_pd(a().local().context());
  ASSERT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_PD, other, nullptr, 0, 0), 0);
  EXPECT_EQ(mr->pd, other);
  EXPECT_EQ(ibv_dealloc_pd(other), EBUSY);
  EXPECT_STATUS(write(at(first)), 1, IBV_WC_REM_ACCESS_ERR);
  mr.reset();
  EXPECT_EQ(ibv_dealloc_pd(other), 0);
}

TEST_P(ReregTest, EverythingAtOnce) {
  ASSERT_EQ(
      ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_TRANSLATION | IBV_REREG_MR_CHANGE_ACCESS | IBV_REREG_MR_CHANGE_PD,
                   a().local().pd(), second, 100, kWritable),
      0);
  ASSERT_DONE(write(at(second), 100), 1);
  EXPECT_STATUS(write(at(second), 101), 1, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(ReregTest, WhatCannotBeRegisteredLeavesAnError) {
  errno = 0;
  EXPECT_EQ(ibv_rereg_mr(mr.get(), 0x80, nullptr, nullptr, 0, 0), IBV_REREG_MR_ERR_INPUT);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_TRANSLATION, nullptr, nullptr, 100, 0), IBV_REREG_MR_ERR_INPUT);
  EXPECT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_TRANSLATION, nullptr, first, 0, 0), IBV_REREG_MR_ERR_INPUT);
  EXPECT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_PD, nullptr, nullptr, 0, kWritable), IBV_REREG_MR_ERR_INPUT);
  void* hole = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(hole, 4096);
  EXPECT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_TRANSLATION, nullptr, hole, 4096, 0), IBV_REREG_MR_ERR_CMD);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(ibv_rereg_mr(mr.get(), IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, IBV_ACCESS_REMOTE_WRITE),
            IBV_REREG_MR_ERR_CMD);
  EXPECT_EQ(errno, EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Both, ReregTest, kRc, param_name);

}  // namespace
}  // namespace vt
