// SPDX-License-Identifier: BSD-2-Clause
// A peer that does not answer: not there yet, never there, gone.
#include "support/pair.h"

namespace vt {
namespace {

using Clock = std::chrono::steady_clock;

class RetryTest : public PairTest {
 protected:
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make();
    at_a = a().address();
    at_b = b().address();
    meet();
  }
  // What is measured then is the retries, not how long two processes take to find each other.
  void meet() {
    connect();
    ASSERT_POSTED(a().post_send(a_write()));
    ASSERT_DONE(a().wait_send(), 1);
    ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
    ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
  }
  // The specification's longest wait: each of retry_cnt + 1 tries may take four times the timeout.
  std::chrono::duration<double> budget() const {
    return std::chrono::duration<double>(4 * 4.096e-6 * (1 << link.timeout) * (link.retry_cnt + 1) + 1);
  }
  void expect_unanswered(SendWr request) {
    auto start = Clock::now();
    expect_retries_exceeded(std::move(request));
    EXPECT_LT(Clock::now() - start, budget());
  }
  void expect_retries_exceeded(SendWr request) {
    ASSERT_POSTED(a().post_send({std::move(request), send_wr(2, {at_a.sge(0, 8)}, 0), send_wr(3, {})}));
    auto wcs = a().wait_send(3);
    ASSERT_EQ(wcs.size(), 3u);
    EXPECT_STATUS(one_of(wcs, 0), 1, IBV_WC_RETRY_EXC_ERR);
    EXPECT_STATUS(one_of(wcs, 1), 2, IBV_WC_WR_FLUSH_ERR);
    EXPECT_STATUS(one_of(wcs, 2), 3, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
  }
  SendWr a_send() { return send_wr(1, {at_a.sge(0, 8)}); }
  SendWr a_write() { return write_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey); }
  SendWr a_read() { return read_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey); }
  SendWr an_atomic() { return fetch_add_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 1); }

  // A number that no QP has. The upper bits stay: they may name a process, and others may be at work beside this test.
  Address nobody() {
    Address address = at_b;
    address.qpn ^= 0x550;
    return address;
  }
  void connect_to_nobody() {
    link.retry_cnt = 2;
    ASSERT_EQ(a().connect(nobody(), link), 0);
  }
};

TEST_P(RetryTest, APeerThatIsNotYetReadyIsRetriedUntilItIs) {
  link.timeout = 17;  // 8 tries of half a second
  ASSERT_EQ(a().connect(at_b, link), 0);
  ASSERT_POSTED(a().post_send({a_write(), send_wr(2, {at_a.sge(0, 8)})}));
  EXPECT_TRUE(a().poll_send().empty());
  ASSERT_EQ(b().to_init(link), 0);
  ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, 8)})));
  EXPECT_TRUE(a().poll_send().empty());
  ASSERT_EQ(b().to_rtr(at_a, link), 0);
  EXPECT_TRUE(completed_all(a().wait_send(2), {1, 2}, IBV_WC_SUCCESS));
  EXPECT_DONE(b().wait_recv(), 5);
}

TEST_P(RetryTest, APeerThatStaysInRtrAnswers) {
  ASSERT_EQ(a().connect(at_b, link), 0);
  ASSERT_EQ(b().to_init(link), 0);
  ASSERT_EQ(b().to_rtr(at_a, link), 0);
  ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, 8)})));
  ASSERT_POSTED(a().post_send(a_send()));
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 5);
  ASSERT_POSTED(a().post_send({a_read(), an_atomic()}));
  EXPECT_TRUE(completed_all(a().wait_send(2), {1, 1}, IBV_WC_SUCCESS));
}

TEST_P(RetryTest, AQpThatNeverGetsReadyExceedsTheRetries) {
  link.retry_cnt = 2;
  ASSERT_EQ(b().to_init(link), 0);
  ASSERT_EQ(a().connect(at_b, link), 0);
  expect_unanswered(a_send());
}

TEST_P(RetryTest, ASendToNobodyExceedsTheRetries) {
  connect_to_nobody();
  expect_unanswered(a_send());
}

// How long it takes is not looked at: there may be a process of another program, which answers when it has time.
TEST_P(RetryTest, ASendToANumberFarAwayExceedsTheRetries) {
  link.retry_cnt = 2;
  Address far = at_b;
  far.qpn ^= 0x5500;
  ASSERT_EQ(a().connect(far, link), 0);
  expect_retries_exceeded(a_send());
}

TEST_P(RetryTest, AWriteToNobodyExceedsTheRetries) {
  connect_to_nobody();
  expect_unanswered(a_write());
}

TEST_P(RetryTest, AReadFromNobodyExceedsTheRetries) {
  connect_to_nobody();
  expect_unanswered(a_read());
}

TEST_P(RetryTest, AnAtomicToNobodyExceedsTheRetries) {
  connect_to_nobody();
  expect_unanswered(an_atomic());
}

TEST_P(RetryTest, RetryCountSevenIsNotEndless) {
  link.timeout = 10;
  link.retry_cnt = 7;
  ASSERT_EQ(a().connect(nobody(), link), 0);
  expect_unanswered(a_send());
}

TEST_P(RetryTest, RetryCountZeroGivesUpAfterOneTimeout) {
  link.retry_cnt = 0;
  ASSERT_EQ(a().connect(nobody(), link), 0);
  expect_unanswered(a_send());
}

TEST_P(RetryTest, APeerQpThatWasDestroyedExceedsTheRetries) {
  connect();
  ASSERT_POSTED(a().post_send(a_write()));
  ASSERT_DONE(a().wait_send(), 1);
  ASSERT_EQ(b().destroy_qp(), 0);
  expect_unanswered(a_write());
}

TEST_P(RetryTest, APeerQpInErrorExceedsTheRetries) {
  connect();
  ASSERT_EQ(b().move(IBV_QPS_ERR), 0);
  expect_unanswered(a_write());
}

TEST_P(RetryTest, APeerQpInResetExceedsTheRetries) {
  connect();
  ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
  expect_unanswered(a_send());
}

TEST_P(RetryTest, TheSameQpsConnectAnewAfterAFailure) {
  connect();
  ASSERT_EQ(b().move(IBV_QPS_ERR), 0);
  expect_unanswered(a_write());
  ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
  ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
  connect();
  ASSERT_POSTED(a().post_send(a_write()));
  EXPECT_DONE(a().wait_send(), 1);
}

INSTANTIATE_TEST_SUITE_P(Both, RetryTest, kRc, param_name);

}  // namespace
}  // namespace vt
