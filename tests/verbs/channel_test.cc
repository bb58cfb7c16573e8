// SPDX-License-Identifier: BSD-2-Clause
// Completion channels without traffic; events: channel_traffic_test.cc.
#include <fcntl.h>
#include <poll.h>

#include "support/fixture.h"

namespace vt {
namespace {

class ChannelTest : public PdTest {
 protected:
  ibv_comp_channel* channel = ibv_create_comp_channel(context.get());
};

TEST_F(ChannelTest, HasAPollableFd) {
  ASSERT_NE(channel, nullptr);
  EXPECT_EQ(channel->context, context.get());
  pollfd fd{.fd = channel->fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&fd, 1, 0), 0);
  EXPECT_EQ(ibv_destroy_comp_channel(channel), 0);
}

TEST_F(ChannelTest, NonblockingGetSaysAgain) {
  ASSERT_EQ(fcntl(channel->fd, F_SETFL, fcntl(channel->fd, F_GETFL) | O_NONBLOCK), 0);
  ibv_cq* cq = nullptr;
  void* cq_context = nullptr;
  errno = 0;
  EXPECT_EQ(ibv_get_cq_event(channel, &cq, &cq_context), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ibv_destroy_comp_channel(channel), 0);
}

TEST_F(ChannelTest, IsBusyWhileACqUsesIt) {
  ibv_cq* cq = ibv_create_cq(context.get(), 10, nullptr, channel, 0);
  ASSERT_NE(cq, nullptr);
  EXPECT_EQ(channel->refcnt, 1);
  EXPECT_EQ(ibv_destroy_comp_channel(channel), EBUSY);
  EXPECT_EQ(ibv_destroy_cq(cq), 0);
  EXPECT_EQ(ibv_destroy_comp_channel(channel), 0);
}

TEST_F(ChannelTest, ArmingAnEmptyCqTellsNobody) {
  ibv_cq* cq = ibv_create_cq(context.get(), 10, nullptr, channel, 0);
  ASSERT_NE(cq, nullptr);
  EXPECT_EQ(ibv_req_notify_cq(cq, 0), 0);
  EXPECT_EQ(ibv_req_notify_cq(cq, 1), 0);
  pollfd fd{.fd = channel->fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&fd, 1, 0), 0);
  EXPECT_EQ(ibv_destroy_cq(cq), 0);
  EXPECT_EQ(ibv_destroy_comp_channel(channel), 0);
}

TEST_F(ChannelTest, ACqWithoutAChannelCanBeArmed) {
  CqPtr cq(ibv_create_cq(context.get(), 10, nullptr, nullptr, 0));
  EXPECT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
  EXPECT_EQ(ibv_destroy_comp_channel(channel), 0);
}

}  // namespace
}  // namespace vt
