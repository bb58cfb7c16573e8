// SPDX-License-Identifier: BSD-2-Clause
// Asynchronous events of queue pairs, and the descriptor that they come by: ibv_get_async_event(3).
#include <fcntl.h>
#include <poll.h>

#include "support/deadline.h"
#include "support/end.h"
#include "support/fixture.h"

namespace vt {
namespace {

/// Two queue pairs of one context, `active` in RTS and `passive` in RTR.
class AsyncEventTest : public PdTest {
 protected:
  CqPtr cq{ibv_create_cq(context.get(), 64, nullptr, nullptr, 0)};
  QpPtr active = create();
  QpPtr passive = create();
  Link link;

  QpPtr create() {
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq.get();
    init.cap = {16, 16, 1, 1, 0};
    init.qp_type = IBV_QPT_RC;
    init.sq_sig_all = 1;
    return QpPtr(ibv_create_qp(pd.get(), &init));
  }

  void to_rtr(ibv_qp* qp, const ibv_qp* peer) {
    ibv_qp_attr init = init_attr(link);
    init.qp_state = IBV_QPS_INIT;
    ASSERT_EQ(ibv_modify_qp(qp, &init, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS), 0);
    const int index = gid_index(context.get());
    const Address address{.gid = gid_at(context.get(), index), .qpn = peer->qp_num, .psn = 17};
    ibv_qp_attr rtr = rtr_attr(address, link, index, active_mtu(context.get()));
    rtr.qp_state = IBV_QPS_RTR;
    ASSERT_EQ(ibv_modify_qp(qp, &rtr,
                            IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER),
              0);
  }

  void to_rts(ibv_qp* qp) {
    ibv_qp_attr rts = rts_attr(17, link);
    rts.qp_state = IBV_QPS_RTS;
    ASSERT_EQ(ibv_modify_qp(qp, &rts,
                            IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                                IBV_QP_MAX_QP_RD_ATOMIC),
              0);
  }

  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    to_rtr(active.get(), passive.get());
    to_rtr(passive.get(), active.get());
    to_rts(active.get());
  }

  /// An empty message, all the way.
  void send_one() {
    ibv_recv_wr receive{};
    ibv_recv_wr* bad_receive = nullptr;
    ASSERT_EQ(ibv_post_recv(passive.get(), &receive, &bad_receive), 0);
    ibv_send_wr send{};
    send.opcode = IBV_WR_SEND;
    ibv_send_wr* bad_send = nullptr;
    ASSERT_EQ(ibv_post_send(active.get(), &send, &bad_send), 0);
    Deadline deadline;
    for (int done = 0; done < 2 && !deadline.expired();) {
      ibv_wc wc;
      if (ibv_poll_cq(cq.get(), 1, &wc) != 1) continue;
      ASSERT_EQ(wc.status, IBV_WC_SUCCESS) << ibv_wc_status_str(wc.status);
      ++done;
    }
    ASSERT_FALSE(deadline.expired());
  }

  bool event_waits(int milliseconds) {
    pollfd fd{context->async_fd, POLLIN, 0};
    return poll(&fd, 1, milliseconds) == 1;
  }

  void expect_event(ibv_event_type type, const ibv_qp* qp) {
    ASSERT_TRUE(event_waits(20'000));
    ibv_async_event event{};
    ASSERT_EQ(ibv_get_async_event(context.get(), &event), 0);
    EXPECT_EQ(event.event_type, type) << ibv_event_type_str(event.event_type);
    EXPECT_EQ(event.element.qp, qp);
    ibv_ack_async_event(&event);
  }
};

TEST_F(AsyncEventTest, TheFirstRequestInRtrIsToldOnce) {
  send_one();
  expect_event(IBV_EVENT_COMM_EST, passive.get());
  send_one();
  EXPECT_FALSE(event_waits(0));
}

TEST_F(AsyncEventTest, InRtsNothingIsTold) {
  to_rts(passive.get());
  send_one();
  EXPECT_FALSE(event_waits(0));
}

TEST_F(AsyncEventTest, ADrainedSendQueueIsTold) {
  ibv_qp_attr drain{};
  drain.qp_state = IBV_QPS_SQD;
  drain.en_sqd_async_notify = 1;
  ASSERT_EQ(ibv_modify_qp(active.get(), &drain, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY), 0);
  expect_event(IBV_EVENT_SQ_DRAINED, active.get());
}

TEST_F(AsyncEventTest, WithoutAnEventANonBlockingDescriptorSaysSo) {
  const int flags = fcntl(context->async_fd, F_GETFL);
  ASSERT_EQ(fcntl(context->async_fd, F_SETFL, flags | O_NONBLOCK), 0);
  ibv_async_event event{};
  errno = 0;
  EXPECT_EQ(ibv_get_async_event(context.get(), &event), -1);
  EXPECT_EQ(errno, EAGAIN);
}

}  // namespace
}  // namespace vt
