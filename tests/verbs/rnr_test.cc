// SPDX-License-Identifier: BSD-2-Clause
// A receiver that has posted nothing: rnr_retry of the sender, min_rnr_timer of the receiver.
#include "support/pair.h"

namespace vt {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class RnrTest : public PairTest {
 protected:
  static constexpr uint8_t kTimer164ms = 28;
  Address at_a, at_b;

  void connect_with(uint8_t rnr_retry, uint8_t timer) {
    link.rnr_retry = rnr_retry;
    link.min_rnr_timer = timer;
    make_connected();
    at_a = a().address();
    at_b = b().address();
  }
  void expect_exceeded() {
    ASSERT_POSTED(a().post_send({send_wr(1, {at_a.sge(0, 8)}), send_wr(2, {at_a.sge(0, 8)}, 0)}));
    auto wcs = a().wait_send(2);
    ASSERT_EQ(wcs.size(), 2u);
    EXPECT_STATUS(one_of(wcs, 0), 1, IBV_WC_RNR_RETRY_EXC_ERR);
    EXPECT_STATUS(one_of(wcs, 1), 2, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
    EXPECT_EQ(b().state(), IBV_QPS_RTS);
  }
};

TEST_P(RnrTest, RetryZeroFailsAtOnce) {
  connect_with(0, 1);
  expect_exceeded();
}

TEST_P(RnrTest, AWriteWithImmediateNeedsAReceiveToo) {
  connect_with(0, 1);
  ASSERT_POSTED(a().post_send(write_imm_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 1)));
  EXPECT_STATUS(a().wait_send(), 1, IBV_WC_RNR_RETRY_EXC_ERR);
}

TEST_P(RnrTest, APlainWriteNeedsNone) {
  connect_with(0, 1);
  ASSERT_POSTED(a().post_send(write_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey)));
  EXPECT_DONE(a().wait_send(), 1);
}

TEST_P(RnrTest, AFiniteRetryExpires) {
  connect_with(3, 1);
  expect_exceeded();
}

TEST_P(RnrTest, AFiniteRetryExpiresNoEarlierThanItsTimers) {
  connect_with(3, kTimer164ms);
  auto start = Clock::now();
  expect_exceeded();
  EXPECT_GE(Clock::now() - start, milliseconds(3 * 160));
}

TEST_P(RnrTest, AFiniteRetryIsEnoughWhenTheReceiveComesInTime) {
  connect_with(6, 31);  // 6 times 491 ms
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 8)})));
  EXPECT_TRUE(a().poll_send().empty());
  ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, 8)})));
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 5);
}

TEST_P(RnrTest, RetrySevenWaitsForEver) {
  connect_with(7, 1);
  a().fill(0, 8000, 3);
  ASSERT_POSTED(a().post_send({send_wr(1, {at_a.sge(0, 8000)}), send_wr(2, {at_a.sge(0, 8)})}));
  for (auto until = Clock::now() + milliseconds(300); Clock::now() < until;) ASSERT_TRUE(a().poll_send().empty());
  ASSERT_POSTED(b().post_recv({recv_wr(5, {at_b.sge(0, 8000)}), recv_wr(6, {at_b.sge(8000, 8)})}));
  EXPECT_TRUE(completed_all(a().wait_send(2), {1, 2}, IBV_WC_SUCCESS));
  EXPECT_TRUE(completed_all(b().wait_recv(2), {5, 6}, IBV_WC_SUCCESS));
  EXPECT_EQ(b().mismatch(0, 8000, 3), -1);
}

TEST_P(RnrTest, WhatWasPostedBeforeTheStalledSendIsDone) {
  connect_with(0, 1);
  a().fill(0, 100, 4);
  ASSERT_POSTED(a().post_send({write_wr(1, {at_a.sge(0, 100)}, at_b.buffer, at_b.rkey), send_wr(2, {at_a.sge(0, 8)})}));
  auto wcs = a().wait_send(2);
  ASSERT_EQ(wcs.size(), 2u);
  EXPECT_DONE(one_of(wcs, 0), 1);
  EXPECT_STATUS(one_of(wcs, 1), 2, IBV_WC_RNR_RETRY_EXC_ERR);
  EXPECT_EQ(b().mismatch(0, 100, 4), -1);
}

TEST_P(RnrTest, TheReceiverIsToldNothing) {
  connect_with(0, 1);
  expect_exceeded();
  EXPECT_EQ(b().wait_event(50).type, -1);
  EXPECT_TRUE(b().poll_recv().empty());
}

INSTANTIATE_TEST_SUITE_P(Both, RnrTest, kRc, param_name);

}  // namespace
}  // namespace vt
