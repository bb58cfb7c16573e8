// SPDX-License-Identifier: BSD-2-Clause
// Completion queues under traffic: overruns, and events that wait. `a` sends to `b`; both are ends of this process or
// `b` is the peer.
#include <poll.h>

#include "support/missing.h"
#include "support/pair.h"

namespace vt {
namespace {

class CqOverrunTest : public PairTest {
 protected:
  static constexpr int kDepth = 4;
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    EndOptions for_a = options;
    for_a.cqe = kDepth;
    make(for_a, options);
    connect();
    at_a = a().address();
    at_b = b().address();
  }
  // Sends more than the CQ of `a` holds; the last is unsignaled and says when everything has arrived.
  void overrun() {
    int room = a().local().send_cq()->cqe;
    for (int i = 0; i <= room; ++i) {
      ASSERT_POSTED(b().post_recv(recv_wr(static_cast<uint64_t>(i), {at_b.sge(0, 64)})));
      ASSERT_POSTED(a().post_send(send_wr(static_cast<uint64_t>(i), {at_a.sge(0, 8)})));
    }
    ASSERT_EQ(static_cast<int>(b().wait_recv(room + 1).size()), room + 1);
  }
};

TEST_P(CqOverrunTest, TheCqAndThenTheQpReportAnError) {
  overrun();
  AsyncEvent first = a().wait_event(), second = a().wait_event();
  EXPECT_EQ(first.type, IBV_EVENT_CQ_ERR);
  EXPECT_EQ(second.type, IBV_EVENT_QP_FATAL);
  EXPECT_EQ(second.qp, 0);
  EXPECT_EQ(a().state(), IBV_QPS_ERR);
}

TEST_P(CqOverrunTest, WhatFoundRoomCanStillBePolled) {
  overrun();
  ASSERT_EQ(a().wait_event().type, IBV_EVENT_CQ_ERR);
  auto wcs = a().poll_send();
  ASSERT_GE(wcs.size(), static_cast<size_t>(kDepth));
  for (size_t i = 0; i < wcs.size(); ++i) {
    EXPECT_EQ(wcs[i].wr_id, i);
    EXPECT_EQ(wcs[i].status, IBV_WC_SUCCESS);
  }
}

class CqModerationTest : public ConnectedTest {
 protected:
  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    ibv_modify_cq_attr attr{IBV_CQ_ATTR_MODERATE, {1, 0}};
    if (int rc = ibv_modify_cq(recv_cq(), &attr); rc == EOPNOTSUPP) SKIP_ON_OTHERS("this device does not moderate");
  }
  ibv_cq* recv_cq() { return a().local().recv_cq(); }
  int moderate(uint16_t count, uint16_t period) {
    ibv_modify_cq_attr attr{IBV_CQ_ATTR_MODERATE, {count, period}};
    return ibv_modify_cq(recv_cq(), &attr);
  }
  void receive(uint64_t id) {
    ASSERT_POSTED(a().post_recv(recv_wr(id, {at_a.sge(0, 64)})));
    ASSERT_POSTED(b().post_send(send_wr(id, {at_b.sge(0, 8)})));
    ASSERT_DONE(b().wait_send(), id);
  }
  bool event_within(int milliseconds) {
    pollfd fd{a().local().channel()->fd, POLLIN, 0};
    if (poll(&fd, 1, milliseconds) != 1) return false;
    ibv_cq* cq = nullptr;
    void* context = nullptr;
    EXPECT_EQ(ibv_get_cq_event(a().local().channel(), &cq, &context), 0);
    ibv_ack_cq_events(cq, 1);
    return true;
  }
};

TEST_P(CqModerationTest, AnEventWaitsForItsCount) {
  ASSERT_EQ(moderate(3, 60000), 0);
  ASSERT_EQ(ibv_req_notify_cq(recv_cq(), 0), 0);
  for (uint64_t id : {1, 2, 3}) receive(id);
  EXPECT_TRUE(event_within(10000));
}

TEST_P(CqModerationTest, AnEventWaitsNoLongerThanItsPeriod) {
  ASSERT_EQ(moderate(100, 1000), 0);
  ASSERT_EQ(ibv_req_notify_cq(recv_cq(), 0), 0);
  receive(1);
  EXPECT_TRUE(event_within(10000));
}

TEST_P(CqModerationTest, ModerationDelaysEventsOnly) {
  ASSERT_EQ(moderate(100, 60000), 0);
  receive(1);
  EXPECT_DONE(a().wait_recv(), 1);
}

TEST_P(CqModerationTest, AMaskThatIsNotKnownIsRefused) {
  ibv_modify_cq_attr attr{1u << 31, {1, 1}};
  EXPECT_EQ(ibv_modify_cq(recv_cq(), &attr), EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Both, CqOverrunTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, CqModerationTest, kRc, param_name);

}  // namespace
}  // namespace vt
