// SPDX-License-Identifier: BSD-2-Clause
// XRC targets that another process than theirs has opened by number (ibv_open_qp). `a` has the initiator; `b`, in the
// form's process, the target; `c`, in the other one, a further handle of it and an SRQ.
#include "support/xrc_fixture.h"

namespace vt {
namespace {

class XrcOpenTest : public XrcThreeEndsTest, public testing::WithParamInterface<bool> {
 protected:
  EndOptions in_domain{.type = IBV_QPT_XRC_RECV};

  static bool target_at_peer() { return GetParam(); }

  void SetUp() override {
    XrcThreeEndsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    files.use_new(in_domain);
    a = std::make_unique<Side>(EndOptions{.type = IBV_QPT_XRC_SEND});
    b = end(in_domain, target_at_peer());
    in_domain.qps = 0;
    c = end(in_domain, !target_at_peer());
    at_a = a->address();
    at_b = b->address();
    at_c = c->reg(0, in_domain.buffer, kAllAccess);
    ASSERT_EQ(c->open_target(at_b.qpn), 0);
  }
  /// The peer's end is the form's `b` or `c`.
  void kill_the_peer() {
    running_peer().kill_now();
    (target_at_peer() ? b : c).reset();
  }
  void connect() {
    ASSERT_EQ(a->connect(at_b, link), 0);
    ASSERT_EQ(c->connect(at_a, link), 0);
  }
  /// By the target to the SRQ of `c`.
  void carry(uint64_t id) {
    a->fill(0, 64, id);
    ASSERT_POSTED(c->post_recv(recv_wr(id, {{at_c.addr, 64, at_c.lkey}})));
    ASSERT_POSTED(a->post_send(to_srq(send_wr(id, {at_a.sge(0, 64)}), c->srq_number())));
    ASSERT_DONE(a->wait_send(), id);
    auto wcs = c->wait_recv();
    ASSERT_DONE(wcs, id);
    EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
    EXPECT_EQ(c->mismatch(0, 64, id), -1);
  }
};

TEST_P(XrcOpenTest, ItIsTheSameQueuePair) {
  EXPECT_EQ(c->address().qpn, at_b.qpn);
  EXPECT_EQ(c->state(), IBV_QPS_RESET);
  connect();
  const int mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_DEST_QPN | IBV_QP_MIN_RNR_TIMER | IBV_QP_RQ_PSN;
  QpView here = c->query(0, mask), there = b->query(0, mask);
  ASSERT_EQ(here.rc, 0);
  for (const QpView& view : {here, there}) {
    EXPECT_EQ(view.attr.qp_state, IBV_QPS_RTS);
    EXPECT_EQ(view.attr.dest_qp_num, at_a.qpn);
    EXPECT_EQ(view.attr.rq_psn, at_a.psn);
    EXPECT_EQ(view.init.qp_type, IBV_QPT_XRC_RECV);
    EXPECT_EQ(view.init.recv_cq, nullptr);
  }
  EXPECT_EQ(memcmp(&here.attr.ah_attr, &there.attr.ah_attr, sizeof here.attr.ah_attr), 0);
  EXPECT_EQ(b->move(IBV_QPS_RESET), 0);
  EXPECT_EQ(c->state(), IBV_QPS_RESET);
}

TEST_P(XrcOpenTest, WhoHasOpenedItConnectsIt) {
  connect();
  carry(1);
  EXPECT_EQ(c->move(IBV_QPS_RESET), 0);
  EXPECT_EQ(b->state(), IBV_QPS_RESET);
  ASSERT_EQ(a->move(IBV_QPS_RESET), 0);
  connect();
  carry(2);
}

TEST_P(XrcOpenTest, AnErrorHasItsErrno) {
  EXPECT_EQ(c->to_rts(link), EINVAL);
  ASSERT_EQ(c->to_init(link), 0);
  EXPECT_EQ(b->state(), IBV_QPS_INIT);
  EXPECT_EQ(c->move(IBV_QPS_RTR), EINVAL);
  EXPECT_EQ(c->state(), IBV_QPS_INIT);
}

TEST_P(XrcOpenTest, EveryHandleGetsItsEvents) {
  connect();
  ASSERT_POSTED(a->post_send(to_srq(send_wr(1, {at_a.sge(0, 8)}), c->srq_number() ^ 0x3ff)));
  EXPECT_STATUS(a->wait_send(), 1, IBV_WC_REM_INV_REQ_ERR);
  for (Side* side : {b.get(), c.get()}) {
    const AsyncEvent event = side->wait_event();
    EXPECT_EQ(event.type, IBV_EVENT_QP_REQ_ERR);
    EXPECT_EQ(event.qp, 0);
    EXPECT_EQ(side->state(), IBV_QPS_ERR);
  }
}

TEST_P(XrcOpenTest, ItLivesUntilItsLastHandleGoes) {
  connect();
  EXPECT_EQ(b->destroy_qp(), 0);
  carry(1);
  EXPECT_EQ(c->state(), IBV_QPS_RTS);
  EXPECT_EQ(b->open_target(at_b.qpn), 0);
  EXPECT_EQ(c->destroy_qp(), 0);
  EXPECT_EQ(b->state(1), IBV_QPS_RTS);
  EXPECT_EQ(b->destroy_qp(1), 0);
  EXPECT_EQ(b->open_target(at_b.qpn), EINVAL);
  EXPECT_EQ(c->open_target(at_b.qpn), EINVAL);
}

TEST_P(XrcOpenTest, ItGoesWithAHandleOfAnotherProcess) {
  EXPECT_EQ(b->destroy_qp(), 0);
  EXPECT_EQ(c->destroy_qp(), 0);
  EXPECT_EQ(b->open_target(at_b.qpn), EINVAL);
  EXPECT_EQ(c->open_target(at_b.qpn), EINVAL);
}

TEST_P(XrcOpenTest, OnlyATargetOfTheDomainIsOpened) {
  EndOptions options = in_domain;
  files.use_new(options);
  Side outsider(options);
  EXPECT_EQ(outsider.open_target(at_b.qpn), EINVAL);
  EXPECT_EQ(c->open_target(at_b.qpn ^ 0x3ff), EINVAL);
  EXPECT_EQ(c->open_target(at_a.qpn), EINVAL);
}

/// A process that dies has let go of what it had opened; its target has ended, and nobody waits for it.
TEST_P(XrcOpenTest, AProcessThatDiesHoldsNothing) {
  connect();
  carry(1);
  kill_the_peer();
  if (target_at_peer()) {
    const AsyncEvent event = c->wait_event();
    EXPECT_EQ(event.type, IBV_EVENT_QP_FATAL);
    EXPECT_EQ(event.qp, 0);
    EXPECT_EQ(c->state(), IBV_QPS_ERR);
    EXPECT_EQ(c->query(0, IBV_QP_DEST_QPN).attr.dest_qp_num, at_a.qpn);
    EXPECT_EQ(c->move(IBV_QPS_RESET), EIO);
    ASSERT_POSTED(a->post_send(to_srq(send_wr(2, {at_a.sge(0, 8)}), c->srq_number())));
    EXPECT_STATUS(a->wait_send(), 2, IBV_WC_RETRY_EXC_ERR);
    EXPECT_EQ(c->destroy_qp(), 0);
    EXPECT_EQ(c->open_target(at_b.qpn), EINVAL);
    return;
  }
  EXPECT_EQ(b->state(), IBV_QPS_RTS);
  EXPECT_EQ(b->destroy_qp(), 0);
  int error = 0, handle = 1;  // until this process has seen that the other one is gone
  for (Deadline deadline; (error = b->open_target(at_b.qpn)) == 0 && !deadline.expired(); ++handle) {
    EXPECT_EQ(b->destroy_qp(handle), 0);
  }
  EXPECT_EQ(error, EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Both, XrcOpenTest, testing::Bool(), [](const testing::TestParamInfo<bool>& info) {
  return info.param ? "target_at_the_peer" : "target_here";
});

}  // namespace
}  // namespace vt
