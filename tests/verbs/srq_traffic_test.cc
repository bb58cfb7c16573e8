// SPDX-License-Identifier: BSD-2-Clause
// Receiving through a shared receive queue. `b` has the SRQ and several QPs; `a` has as many plain QPs.
#include <set>

#include "support/pair.h"

namespace vt {
namespace {

class SrqTrafficTest : public PairTest {
 protected:
  static constexpr int kQps = 4;
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    EndOptions for_a = options, for_b = options;
    for_a.qps = for_b.qps = kQps;
    for_b.srq = true;
    make(for_a, for_b);
    for (int i = 0; i < kQps; ++i) connect(i);
    at_a = a().address();
    at_b = b().address();
  }
  void post_recvs(uint64_t first, uint64_t count) {
    for (uint64_t i = first; i < first + count; ++i) ASSERT_POSTED(b().post_recv(recv_wr(i, {at_b.sge(i * 64, 64)})));
  }
  void send(uint64_t id, int qp) {
    a().fill(0, 64, id);
    ASSERT_POSTED(a().post_send(send_wr(id, {at_a.sge(0, 64)}), qp));
    ASSERT_DONE(a().wait_send(), id);
  }
};

TEST_P(SrqTrafficTest, EveryQpTakesTheNextReceive) {
  post_recvs(0, 20);
  for (uint64_t i = 0; i < 20; ++i) {
    int qp = static_cast<int>(i) % kQps;
    send(i, qp);
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, i);
    EXPECT_EQ(wcs[0].qp_num, b().address(qp).qpn);
    EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV);
    EXPECT_EQ(wcs[0].byte_len, 64u);
    EXPECT_EQ(b().mismatch(i * 64, 64, i), -1);
  }
}

TEST_P(SrqTrafficTest, ABurstOverAllQpsTakesEachReceiveOnce) {
  post_recvs(0, 40);
  for (uint64_t i = 0; i < 40; ++i)
    ASSERT_POSTED(a().post_send(send_wr(i, {at_a.sge(0, 8)}), static_cast<int>(i) % kQps));
  ASSERT_EQ(a().wait_send(40).size(), 40u);
  std::set<uint64_t> taken;
  for (const ibv_wc& wc : b().wait_recv(40)) {
    EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    taken.insert(wc.wr_id);
  }
  EXPECT_EQ(taken.size(), 40u);
}

TEST_P(SrqTrafficTest, WriteWithImmediateTakesAReceive) {
  post_recvs(7, 1);
  ASSERT_POSTED(a().post_send(write_imm_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 3), 2));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 7);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV_RDMA_WITH_IMM);
}

TEST_P(SrqTrafficTest, TheLimitEventComesOncePerArming) {
  post_recvs(0, 10);
  ASSERT_EQ(b().set_srq_limit(8), 0);
  EXPECT_EQ(b().wait_event(0).type, -1);
  for (uint64_t i = 0; i < 4; ++i) send(i, 0);  // 9, 8, 7, 6 are left: below the limit at 7
  ASSERT_EQ(b().wait_recv(4).size(), 4u);
  AsyncEvent event = b().wait_event();
  EXPECT_EQ(event.type, IBV_EVENT_SRQ_LIMIT_REACHED);
  EXPECT_TRUE(event.srq);
  send(5, 0);
  EXPECT_EQ(b().wait_event(100).type, -1);
  ASSERT_EQ(b().set_srq_limit(5), 0);  // 5 are left
  send(6, 0);
  EXPECT_EQ(b().wait_event().type, IBV_EVENT_SRQ_LIMIT_REACHED);
}

TEST_P(SrqTrafficTest, AQpMovedToErrorSaysThatItTookItsLastReceive) {
  post_recvs(0, 4);
  ASSERT_EQ(b().move(IBV_QPS_ERR, 1), 0);
  AsyncEvent event = b().wait_event();
  EXPECT_EQ(event.type, IBV_EVENT_QP_LAST_WQE_REACHED);
  EXPECT_EQ(event.qp, 1);
}

TEST_P(SrqTrafficTest, AQpMovedToErrorLeavesTheReceivesToTheOthers) {
  post_recvs(0, 4);
  ASSERT_EQ(b().move(IBV_QPS_ERR, 1), 0);
  send(9, 2);
  EXPECT_DONE(b().wait_recv(), 0);
  EXPECT_TRUE(b().poll_recv().empty());
}

TEST_P(SrqTrafficTest, TheSrqOutlivesADestroyedQp) {
  post_recvs(0, 2);
  ASSERT_EQ(b().destroy_qp(0), 0);
  send(1, 3);
  EXPECT_DONE(b().wait_recv(), 0);
}

class RcSrqTrafficTest : public SrqTrafficTest {};

TEST_P(RcSrqTrafficTest, AnEmptySrqMakesTheSenderWait) {
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 8)}), 1));
  EXPECT_TRUE(a().poll_send().empty());
  post_recvs(3, 1);
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 3);
}

INSTANTIATE_TEST_SUITE_P(Both, SrqTrafficTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, RcSrqTrafficTest, kRc, param_name);

}  // namespace
}  // namespace vt
