// SPDX-License-Identifier: BSD-2-Clause
// ibv_alloc_null_mr: zeros out, nothing in. `a` uses it.
#include "support/missing.h"
#include "support/pair.h"

namespace vt {
namespace {

class NullMrTest : public ConnectedTest {
 protected:
  MrPtr null;

  NullMrTest() { options.buffer = 1 << 20; }
  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    null.reset(ibv_alloc_null_mr(a().local().pd()));
    if (!null && errno == EOPNOTSUPP) SKIP_ON_OTHERS("no null regions here");
    ASSERT_NE(null, nullptr);
  }
  void TearDown() override {
    null.reset();
    ConnectedTest::TearDown();
  }
  ibv_sge nothing(uint64_t length) { return {.addr = 0x123456789, .length = uint32_t(length), .lkey = null->lkey}; }
};

TEST_P(NullMrTest, SendsZeros) {
  for (uint64_t length : {64, 900000}) {
    b().fill(0, length, 3);
    ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, length)})));
    ASSERT_POSTED(a().post_send(send_wr(2, {nothing(length)})));
    ASSERT_DONE(b().wait_recv(), 1);
    ASSERT_DONE(a().wait_send(), 2);
    EXPECT_EQ(b().load(0, length), Bytes(length, 0));
  }
}

TEST_P(NullMrTest, DiscardsWhatArrives) {
  for (uint64_t length : {64, 900000}) {
    b().fill(0, length, 3);
    ASSERT_POSTED(a().post_recv(recv_wr(1, {nothing(length)})));
    ASSERT_POSTED(b().post_send(send_wr(2, {at_b.sge(0, length)})));
    ASSERT_DONE(a().wait_recv(), 1);
    ASSERT_DONE(b().wait_send(), 2);
  }
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 100)})));  // and is zeros still
  ASSERT_POSTED(a().post_send(send_wr(2, {nothing(100)})));
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().load(0, 100), Bytes(100, 0));
}

TEST_P(NullMrTest, SkipsThePartsOfAMessageThatNobodyWants) {
  b().fill(0, 300, 3);
  a().fill(0, 300, 4);
  ASSERT_POSTED(a().post_recv(recv_wr(1, {at_a.sge(0, 100), nothing(100), at_a.sge(100, 100)})));
  ASSERT_POSTED(b().post_send(send_wr(2, {at_b.sge(0, 300)})));
  ASSERT_DONE(a().wait_recv(), 1);
  EXPECT_EQ(a().mismatch(0, 100, 3), -1);
  EXPECT_EQ(a().mismatch(100, 100, 3, 200), -1);
  EXPECT_EQ(a().mismatch(200, 100, 4, 200), -1);
}

TEST_P(NullMrTest, TakesWhatIsReadAndIsNoTarget) {
  ASSERT_POSTED(a().post_send(read_wr(1, {nothing(800000)}, at_b.buffer, at_b.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  ASSERT_POSTED(b().post_send(write_wr(2, {at_b.sge(0, 8)}, 0x1000, null->lkey)));
  EXPECT_STATUS(b().wait_send(), 2, IBV_WC_REM_ACCESS_ERR);
}

INSTANTIATE_TEST_SUITE_P(Both, NullMrTest, kRc, param_name);

}  // namespace
}  // namespace vt
