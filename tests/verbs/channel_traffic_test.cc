// SPDX-License-Identifier: BSD-2-Clause
// Completion events under traffic. The end that is watched is `a`, in this process; the traffic comes from `b`.
#include <fcntl.h>
#include <poll.h>

#include <thread>

#include "support/pair.h"

namespace vt {
namespace {

class ChannelTrafficTest : public ConnectedTest {
 protected:
  static constexpr int kQuiet = 100;  // how long a wait for what must not come lasts, in ms

  ibv_cq* watched() { return a().local().recv_cq(); }
  ibv_comp_channel* channel() { return a().local().channel(); }
  void arm(int solicited_only = 0) { ASSERT_EQ(ibv_req_notify_cq(watched(), solicited_only), 0); }
  bool readable(int milliseconds) {
    pollfd fd{.fd = channel()->fd, .events = POLLIN, .revents = 0};
    return poll(&fd, 1, milliseconds) == 1;
  }
  void expect_event_of(ibv_cq* wanted) {
    ASSERT_TRUE(readable(20000));
    ibv_cq* cq = nullptr;
    void* cq_context = nullptr;
    ASSERT_EQ(ibv_get_cq_event(channel(), &cq, &cq_context), 0);
    EXPECT_EQ(cq, wanted);
    EXPECT_EQ(cq_context, &a().local());
    ibv_ack_cq_events(cq, 1);
  }
  void expect_event() { expect_event_of(watched()); }
  void send_to_a(uint64_t id, unsigned flags = kSignaled) {
    ASSERT_POSTED(a().post_recv(recv_wr(id, {at_a.sge(0, 64)})));
    ASSERT_POSTED(b().post_send(send_wr(id, {at_b.sge(0, 8)}, flags)));
    ASSERT_DONE(b().wait_send(), id);
  }
};

TEST_P(ChannelTrafficTest, AnArmedCqTellsOfTheNextCompletion) {
  arm();
  EXPECT_FALSE(readable(0));
  send_to_a(1);
  expect_event();
  EXPECT_DONE(a().wait_recv(), 1);
}

TEST_P(ChannelTrafficTest, ACqThatIsNotArmedTellsNothing) {
  send_to_a(1);
  EXPECT_DONE(a().wait_recv(), 1);
  EXPECT_FALSE(readable(kQuiet));
}

TEST_P(ChannelTrafficTest, OneArmingGivesOneEvent) {
  arm();
  for (uint64_t i = 0; i < 5; ++i) send_to_a(i);
  ASSERT_EQ(a().wait_recv(5).size(), 5u);
  expect_event();
  EXPECT_FALSE(readable(kQuiet));
  arm();
  send_to_a(6);
  expect_event();
}

TEST_P(ChannelTrafficTest, ArmingTwiceGivesOneEvent) {
  arm();
  arm();
  send_to_a(1);
  expect_event();
  EXPECT_FALSE(readable(kQuiet));
}

TEST_P(ChannelTrafficTest, CompletionsBeforeTheArmingTellNothing) {
  send_to_a(1);
  ASSERT_DONE(a().wait_recv(), 1);
  arm();
  EXPECT_FALSE(readable(kQuiet));
  send_to_a(2);
  expect_event();
}

TEST_P(ChannelTrafficTest, SolicitedOnlyIgnoresOtherCompletions) {
  arm(1);
  send_to_a(1);
  ASSERT_DONE(a().wait_recv(), 1);
  EXPECT_FALSE(readable(kQuiet));
  send_to_a(2, IBV_SEND_SIGNALED | IBV_SEND_SOLICITED);
  expect_event();
  EXPECT_DONE(a().wait_recv(), 2);
}

TEST_P(ChannelTrafficTest, ArmingForAllOverridesSolicitedOnly) {
  arm(1);
  arm(0);
  send_to_a(1);
  expect_event();
}

TEST_P(ChannelTrafficTest, ArmingForSolicitedDoesNotNarrowArmingForAll) {
  arm(0);
  arm(1);
  send_to_a(1);
  expect_event();
}

TEST_P(ChannelTrafficTest, ASolicitedWriteWithImmediateTells) {
  arm(1);
  ASSERT_POSTED(a().post_recv(recv_wr(1)));
  ASSERT_POSTED(b().post_send(
      write_imm_wr(1, {at_b.sge(0, 8)}, at_a.buffer, at_a.rkey, 5, IBV_SEND_SIGNALED | IBV_SEND_SOLICITED)));
  expect_event();
  EXPECT_DONE(a().wait_recv(), 1);
}

TEST_P(ChannelTrafficTest, AnErrorTellsEvenWhenSolicitedOnly) {
  ASSERT_POSTED(a().post_recv(recv_wr(1, {at_a.sge(0, 64)})));
  arm(1);
  ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
  expect_event();
  EXPECT_STATUS(a().wait_recv(), 1, IBV_WC_WR_FLUSH_ERR);
}

TEST_P(ChannelTrafficTest, SendCompletionsTellToo) {
  ibv_cq* send_cq = a().local().send_cq();
  ASSERT_EQ(ibv_req_notify_cq(send_cq, 0), 0);
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 8)})));
  expect_event_of(send_cq);
  EXPECT_DONE(a().wait_send(), 1);
}

TEST_P(ChannelTrafficTest, ABlockedGetIsWokenByTheEvent) {
  arm();
  std::thread waiter([this] { expect_event(); });
  send_to_a(1);
  waiter.join();
  EXPECT_DONE(a().wait_recv(), 1);
}

TEST_P(ChannelTrafficTest, NonblockingGetSaysAgainAfterTheLastEvent) {
  ASSERT_EQ(fcntl(channel()->fd, F_SETFL, fcntl(channel()->fd, F_GETFL) | O_NONBLOCK), 0);
  arm();
  send_to_a(1);
  expect_event();
  ibv_cq* cq = nullptr;
  void* cq_context = nullptr;
  EXPECT_EQ(ibv_get_cq_event(channel(), &cq, &cq_context), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_P(ChannelTrafficTest, EventsOfTwoCqsNameEachItsOwn) {
  ibv_cq* send_cq = a().local().send_cq();
  ASSERT_EQ(ibv_req_notify_cq(send_cq, 0), 0);
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 8)})));
  expect_event_of(send_cq);
  arm();
  send_to_a(2);
  expect_event_of(watched());
}

TEST_P(ChannelTrafficTest, EventsLoopNeverMissesACompletion) {
  uint64_t seen = 0;
  arm();
  for (uint64_t sent = 1; sent <= 30; ++sent) {
    send_to_a(sent);
    while (seen < sent) {
      expect_event();
      if (HasFatalFailure()) return;
      arm();
      seen += a().poll_recv().size();
    }
  }
  EXPECT_EQ(seen, 30u);
}

TEST_P(ChannelTrafficTest, DestroyCqWaitsForTheAcks) {
  ibv_cq* cq = ibv_create_cq(a().local().context(), 16, this, channel(), 0);
  ASSERT_NE(cq, nullptr);
  ibv_qp_init_attr init{};
  init.send_cq = init.recv_cq = cq;
  init.cap = {1, 1, 1, 1, 0};
  init.qp_type = GetParam().type;
  ibv_qp* qp = ibv_create_qp(a().local().pd(), &init);
  ASSERT_NE(qp, nullptr);
  ibv_qp_attr attr = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(qp, &attr, init_mask()), 0);
  ibv_recv_wr wr{}, *bad = nullptr;
  ASSERT_EQ(ibv_post_recv(qp, &wr, &bad), 0);
  ASSERT_EQ(ibv_req_notify_cq(cq, 0), 0);
  attr.qp_state = IBV_QPS_ERR;
  ASSERT_EQ(ibv_modify_qp(qp, &attr, IBV_QP_STATE), 0);
  ASSERT_TRUE(readable(20000));
  ibv_cq* told = nullptr;
  void* cq_context = nullptr;
  ASSERT_EQ(ibv_get_cq_event(channel(), &told, &cq_context), 0);
  EXPECT_EQ(told, cq);
  ASSERT_EQ(ibv_destroy_qp(qp), 0);
  auto destroyed = std::async(std::launch::async, [cq] { return ibv_destroy_cq(cq); });
  EXPECT_EQ(destroyed.wait_for(std::chrono::milliseconds(kQuiet)), std::future_status::timeout);
  ibv_ack_cq_events(cq, 1);
  ASSERT_EQ(destroyed.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(destroyed.get(), 0);
}

INSTANTIATE_TEST_SUITE_P(Both, ChannelTrafficTest, kRcAndUc, param_name);

}  // namespace
}  // namespace vt
