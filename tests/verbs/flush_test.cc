// SPDX-License-Identifier: BSD-2-Clause
// What happens to posted work when its QP is moved to ERR or RESET, or destroyed.
#include "support/pair.h"

namespace vt {
namespace {

class FlushTest : public ConnectedTest {
 protected:
  std::vector<RecvWr> recvs(uint64_t first, size_t count) {
    std::vector<RecvWr> chain;
    for (size_t i = 0; i < count; ++i) chain.push_back(recv_wr(first + i, i % 3 ? Sges{at_a.sge(0, 64)} : Sges{}));
    return chain;
  }
  // Signaled and not, with and without SGEs.
  std::vector<SendWr> sends(uint64_t first, size_t count) {
    std::vector<SendWr> chain;
    for (size_t i = 0; i < count; ++i)
      chain.push_back(send_wr(first + i, i % 3 ? Sges{at_a.sge(0, 8)} : Sges{}, i % 2 ? kSignaled : 0u));
    return chain;
  }
};

class RcFlushTest : public FlushTest {};

TEST_P(FlushTest, ReceivesPostedBeforeFlushInOrder) {
  ASSERT_POSTED(a().post_recv(recvs(10, 20)));
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  auto wcs = a().wait_recv(20);
  EXPECT_TRUE(completed_all(wcs, ids_from(10, 20), IBV_WC_WR_FLUSH_ERR));
  for (const ibv_wc& wc : wcs) EXPECT_EQ(wc.qp_num, at_a.qpn);
}

TEST_P(FlushTest, ReceivesPostedAfterFlushInOrder) {
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  ASSERT_POSTED(a().post_recv(recvs(10, 20)));
  EXPECT_TRUE(completed_all(a().wait_recv(20), ids_from(10, 20), IBV_WC_WR_FLUSH_ERR));
}

TEST_P(FlushTest, SendsPostedAfterFlushInOrder) {
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  ASSERT_POSTED(a().post_send(sends(10, 20)));
  auto wcs = a().wait_send(20);
  EXPECT_TRUE(completed_all(wcs, ids_from(10, 20), IBV_WC_WR_FLUSH_ERR));
  for (const ibv_wc& wc : wcs) EXPECT_EQ(wc.qp_num, at_a.qpn);
}

TEST_P(FlushTest, AnUnconnectedQpInErrorFlushesItsReceives) {
  ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
  ASSERT_EQ(a().to_init(link), 0);
  ASSERT_POSTED(a().post_recv(recvs(10, 5)));
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  EXPECT_TRUE(completed_all(a().wait_recv(5), ids_from(10, 5), IBV_WC_WR_FLUSH_ERR));
}

TEST_P(FlushTest, MoreThanTheQueueHoldsFlowsThroughAQpInError) {
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  for (uint64_t round = 0; round < 20; ++round) {
    ASSERT_POSTED(a().post_send(sends(0, 20))) << round;
    ASSERT_POSTED(a().post_recv(recvs(0, 20))) << round;
    ASSERT_EQ(a().wait_send(20).size(), 20u) << round;
    ASSERT_EQ(a().wait_recv(20).size(), 20u) << round;
  }
}

TEST_P(FlushTest, ResetForgetsPostedReceives) {
  ASSERT_POSTED(a().post_recv(recvs(10, 5)));
  ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
  EXPECT_TRUE(a().poll_recv().empty());
  ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
  connect();
  ASSERT_POSTED(a().post_recv(recv_wr(99, {at_a.sge(0, 64)})));
  ASSERT_POSTED(b().post_send(send_wr(1, {at_b.sge(0, 8)})));
  EXPECT_DONE(a().wait_recv(), 99);
}

TEST_P(FlushTest, DestroyForgetsPostedWork) {
  ASSERT_POSTED(a().post_recv(recvs(10, 5)));
  ASSERT_EQ(a().destroy_qp(), 0);
  EXPECT_TRUE(a().poll_recv().empty());
}

TEST_P(FlushTest, CompletionsFromBeforeTheErrorStay) {
  ASSERT_POSTED(a().post_recv(recvs(10, 2)));
  ASSERT_POSTED(b().post_send(send_wr(1, {})));
  ASSERT_DONE(b().wait_send(), 1);
  ASSERT_DONE(a().wait_recv(1), 10);
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  EXPECT_STATUS(a().wait_recv(1), 11, IBV_WC_WR_FLUSH_ERR);
}

TEST_P(FlushTest, TheQpWorksAgainAfterErrorAndReset) {
  for (uint64_t round = 0; round < 3; ++round) {
    ASSERT_POSTED(a().post_recv(recvs(0, 3)));
    ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
    ASSERT_EQ(a().wait_recv(3).size(), 3u);
    ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
    ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
    connect();
    fence_by_send();
  }
}

/// Both ends use the same numbers again: what was sent before the reset must not be taken for what is sent after it.
TEST_P(FlushTest, ANewLifeHearsNothingOfTheOldOne) {
  for (uint32_t round = 0; round < 10; ++round) {
    std::vector<SendWr> old_life;
    for (uint32_t i = 0; i < 12; ++i) old_life.push_back(send_imm_wr(100 + i, {at_a.sge(0, 512)}, 1000 + i, 0));
    ASSERT_POSTED(a().post_send(old_life));
    for (Side* side : {round % 2 ? &a() : &b(), round % 2 ? &b() : &a()}) ASSERT_EQ(side->move(IBV_QPS_RESET), 0);
    connect();
    ASSERT_POSTED(b().post_recv(recv_wr(round, {at_b.sge(0, 512)})));
    ASSERT_POSTED(a().post_send(send_imm_wr(round, {at_a.sge(0, 64)}, round)));
    ASSERT_DONE(a().wait_send(), round);
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, round);
    ASSERT_EQ(wcs[0].imm_data, round);
    ASSERT_EQ(wcs[0].byte_len, 64u);
  }
}

TEST_P(RcFlushTest, OutstandingSendsFlushInOrder) {
  ASSERT_POSTED(a().post_send(sends(10, 20)));  // no receive is posted: the first keeps waiting
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  EXPECT_TRUE(completed_all(a().wait_send(20), ids_from(10, 20), IBV_WC_WR_FLUSH_ERR));
}

TEST_P(RcFlushTest, SendsBeforeAndAfterTheMoveFlushInOneOrder) {
  ASSERT_POSTED(a().post_send(sends(10, 10)));
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  ASSERT_POSTED(a().post_send(sends(20, 10)));
  EXPECT_TRUE(completed_all(a().wait_send(20), ids_from(10, 20), IBV_WC_WR_FLUSH_ERR));
}

TEST_P(RcFlushTest, ResetForgetsOutstandingSends) {
  ASSERT_POSTED(a().post_send(sends(10, 10)));
  ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
  ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
  connect();
  fence_by_send();
}

TEST_P(RcFlushTest, TheOtherEndIsNotTouched) {
  ASSERT_POSTED(b().post_recv(recv_wr(1)));
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  EXPECT_EQ(b().wait_event(50).type, -1);
  EXPECT_EQ(b().state(), IBV_QPS_RTS);
  EXPECT_TRUE(b().poll_recv().empty());
}

INSTANTIATE_TEST_SUITE_P(Both, FlushTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, RcFlushTest, kRc, param_name);

}  // namespace
}  // namespace vt
