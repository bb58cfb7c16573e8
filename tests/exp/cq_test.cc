// SPDX-License-Identifier: BSD-2-Clause
// Completion queues of the era: attributes, events, time stamps, and structures of any age.
#include <poll.h>

#include "exp_support.h"

namespace vt {
namespace {

class ExpCqTest : public ExpPairTest {
 protected:
  void exchange(uint64_t id) {
    ASSERT_POSTED(peer->post_recv(recv_wr(id)));
    ASSERT_EQ(post(exp_wr(IBV_EXP_WR_SEND, id, nullptr)), 0);
  }
};

TEST_F(ExpCqTest, ACallerMayKnowLessOfACompletion) {
  for (uint64_t id = 1; id <= 40; ++id) exchange(id);
  constexpr uint32_t kOld = offsetof(ibv_exp_wc, qp);  // without what came later
  unsigned char old[40 * kOld + 16];
  std::memset(old, 0x77, sizeof old);
  int found = 0;
  for (Deadline deadline; found < 40 && !deadline.expired();) {
    auto* at = reinterpret_cast<ibv_exp_wc*>(old + static_cast<uint32_t>(found) * kOld);
    int more = ibv_exp_poll_cq(cq.get(), 40 - found, at, kOld);
    ASSERT_GE(more, 0);
    found += more;
  }
  for (uint64_t i = 0; i < 40; ++i) {
    ibv_exp_wc wc;
    std::memcpy(static_cast<void*>(&wc), old + i * kOld, kOld);
    EXPECT_EQ(wc.wr_id, i + 1);
    EXPECT_EQ(wc.exp_opcode, IBV_EXP_WC_SEND);
    EXPECT_EQ(wc.qp_num, qp->qp_num);
  }
  for (size_t i = 40 * kOld; i < sizeof old; ++i) EXPECT_EQ(old[i], 0x77);
}

TEST_F(ExpCqTest, TimeStampsComeFromTheClockThatIsAskedFor) {
  ibv_exp_cq_init_attr attr{};
  attr.comp_mask = IBV_EXP_CQ_INIT_ATTR_FLAGS;
  attr.flags = IBV_EXP_CQ_TIMESTAMP;
  CqPtr stamped = make_cq(attr);
  ASSERT_NE(stamped, nullptr);
  ibv_exp_qp_init_attr init = qp_attr(stamped.get());
  qp.reset(ibv_exp_create_qp(context.get(), &init));
  peer = std::make_unique<Side>(running_peer(), EndOptions{});
  there = peer->address();
  connect();
  ibv_exp_values before{}, after{};
  ASSERT_EQ(ibv_exp_query_values(context.get(), IBV_EXP_VALUES_HW_CLOCK, &before), 0);
  exchange(1);
  auto wcs = wait_exp(stamped.get());
  ASSERT_EQ(ibv_exp_query_values(context.get(), IBV_EXP_VALUES_HW_CLOCK, &after), 0);
  ASSERT_EXP_DONE(wcs, 1);
  EXPECT_TRUE(wcs[0].exp_wc_flags & IBV_EXP_WC_WITH_TIMESTAMP);
  EXPECT_GE(wcs[0].timestamp, before.hwclock);
  EXPECT_LE(wcs[0].timestamp, after.hwclock);
  qp.reset();
}

TEST_F(ExpCqTest, WithoutAStampThereIsNoFlag) {
  exchange(1);
  auto wcs = wait_exp(cq.get());
  ASSERT_EXP_DONE(wcs, 1);
  EXPECT_FALSE(wcs[0].exp_wc_flags & IBV_EXP_WC_WITH_TIMESTAMP);
}

TEST_F(ExpTest, AChannelIsToldAndCounted) {
  ChannelPtr channel(ibv_create_comp_channel(context.get()));
  CqPtr cq = make_cq({}, channel.get());
  ASSERT_NE(cq, nullptr);
  EXPECT_EQ(channel->refcnt, 1);
  EXPECT_EQ(cq->cq_context, this);
  EXPECT_EQ(ibv_destroy_comp_channel(channel.get()), EBUSY);
  ASSERT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
  ibv_exp_qp_init_attr init = qp_attr(cq.get());
  QpPtr qp(ibv_exp_create_qp(context.get(), &init));
  Link link;
  ibv_qp_attr attr = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, init_mask()), 0);
  ibv_recv_wr wr{}, *bad;
  wr.wr_id = 5;
  ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
  attr.qp_state = IBV_QPS_ERR;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE), 0);
  pollfd fd{channel->fd, POLLIN, 0};
  ASSERT_EQ(poll(&fd, 1, 20000), 1);
  ibv_cq* told = nullptr;
  void* told_context = nullptr;
  ASSERT_EQ(ibv_get_cq_event(channel.get(), &told, &told_context), 0);
  EXPECT_EQ(told, cq.get());
  EXPECT_EQ(told_context, this);
  ibv_ack_cq_events(told, 1);
  auto wcs = wait_exp(cq.get());
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_EQ(wcs[0].status, IBV_WC_WR_FLUSH_ERR);
  qp.reset();
  cq.reset();
  EXPECT_EQ(channel->refcnt, 0);
}

TEST_F(ExpTest, OverrunsMayBeIgnoredFromLaterOn) {
  CqPtr cq = make_cq();
  ibv_exp_cq_attr attr{};
  attr.comp_mask = IBV_EXP_CQ_ATTR_CQ_CAP_FLAGS;
  attr.cq_cap_flags = IBV_EXP_CQ_IGNORE_OVERRUN;
  ASSERT_EQ(ibv_exp_modify_cq(cq.get(), &attr, IBV_EXP_CQ_CAP_FLAGS), 0);
  ibv_exp_qp_init_attr init = qp_attr(cq.get());
  init.cap.max_recv_wr = 100;
  QpPtr qp(ibv_exp_create_qp(context.get(), &init));
  Link link;
  ibv_qp_attr to = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(qp.get(), &to, init_mask()), 0);
  ibv_recv_wr wr{}, *bad;
  for (wr.wr_id = 0; wr.wr_id < 100; ++wr.wr_id) ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
  to.qp_state = IBV_QPS_ERR;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &to, IBV_QP_STATE), 0);
  ibv_exp_wc wc[128];
  EXPECT_EQ(ibv_exp_poll_cq(cq.get(), 128, wc, sizeof wc[0]), 64);
  EXPECT_EQ(wc[63].wr_id, 99u);
  pollfd fd{context->async_fd, POLLIN, 0};
  EXPECT_EQ(poll(&fd, 1, 0), 0) << "no error of the queue";
}

TEST_F(ExpTest, OfACompletionQueueWhatIsNotKnownIsRefused) {
  ibv_exp_cq_init_attr attr{};
  attr.comp_mask = IBV_EXP_CQ_INIT_ATTR_RESERVED1;
  EXPECT_NULL_ERRNO(EINVAL, make_cq(attr));
  attr.comp_mask = IBV_EXP_CQ_INIT_ATTR_FLAGS;
  attr.flags = IBV_EXP_CQ_AS_NOTIFY;
  EXPECT_NULL_ERRNO(EOPNOTSUPP, make_cq(attr));
  attr.flags = IBV_EXP_CQ_COMPRESSED_CQE;
  CqPtr cq = make_cq(attr);
  ASSERT_NE(cq, nullptr);
  ibv_exp_cq_attr change{};
  change.comp_mask = IBV_EXP_CQ_ATTR_MODERATION;
  change.moderation.cq_count = 4;
  EXPECT_EQ(ibv_exp_modify_cq(cq.get(), &change, IBV_EXP_CQ_MODERATION), 0);
  EXPECT_EQ(ibv_exp_modify_cq(cq.get(), &change, 4), EINVAL);
}

}  // namespace
}  // namespace vt
