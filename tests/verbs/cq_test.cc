// SPDX-License-Identifier: BSD-2-Clause
#include "support/fixture.h"

namespace vt {
namespace {

class CqTest : public PdTest {
 protected:
  ibv_cq* create(int cqe, ibv_comp_channel* channel = nullptr, int vector = 0) {
    return ibv_create_cq(context.get(), cqe, this, channel, vector);
  }
  int max_cqe() {
    ibv_device_attr attr{};
    ibv_query_device(context.get(), &attr);
    return attr.max_cqe;
  }
};

TEST_F(CqTest, HasAtLeastTheDepthAskedFor) {
  for (int cqe : {1, 2, 100, 1000, 4096}) {
    CqPtr cq(create(cqe));
    ASSERT_NE(cq, nullptr) << cqe;
    EXPECT_GE(cq->cqe, cqe);
  }
}

TEST_F(CqTest, RemembersItsContextAndChannel) {
  ChannelPtr channel(ibv_create_comp_channel(context.get()));
  CqPtr cq(create(10, channel.get()));
  ASSERT_NE(cq, nullptr);
  EXPECT_EQ(cq->cq_context, this);
  EXPECT_EQ(cq->context, context.get());
  EXPECT_EQ(cq->channel, channel.get());
}

TEST_F(CqTest, TheAdvertisedMaximumWorks) {
  CqPtr cq(create(max_cqe()));
  ASSERT_NE(cq, nullptr);
  EXPECT_GE(cq->cqe, max_cqe());
}

TEST_F(CqTest, RefusesABadDepth) {
  EXPECT_NULL_ERRNO(EINVAL, CqPtr(create(0)));
  EXPECT_NULL_ERRNO(EINVAL, CqPtr(create(-1)));
  if (max_cqe() < INT32_MAX) EXPECT_NULL_ERRNO(EINVAL, CqPtr(create(max_cqe() + 1)));
}

TEST_F(CqTest, RefusesABadCompletionVector) {
  EXPECT_NULL_ERRNO(EINVAL, CqPtr(create(10, nullptr, context->num_comp_vectors)));
  EXPECT_NULL_ERRNO(EINVAL, CqPtr(create(10, nullptr, -1)));
}

TEST_F(CqTest, EveryCompletionVectorWorks) {
  for (int i = 0; i < context->num_comp_vectors; ++i) EXPECT_NE(CqPtr(create(10, nullptr, i)), nullptr);
}

TEST_F(CqTest, IsEmptyAtFirst) {
  CqPtr cq(create(10));
  ibv_wc wc[4];
  EXPECT_EQ(ibv_poll_cq(cq.get(), 4, wc), 0);
  EXPECT_EQ(ibv_poll_cq(cq.get(), 0, wc), 0);
}

TEST_F(CqTest, ResizesUpAndDown) {
  CqPtr cq(create(100));
  ASSERT_EQ(ibv_resize_cq(cq.get(), 2000), 0);
  EXPECT_GE(cq->cqe, 2000);
  ASSERT_EQ(ibv_resize_cq(cq.get(), 50), 0);
  EXPECT_GE(cq->cqe, 50);
}

TEST_F(CqTest, ResizeRefusesABadDepth) {
  CqPtr cq(create(100));
  EXPECT_EQ(ibv_resize_cq(cq.get(), 0), EINVAL);
  if (max_cqe() < INT32_MAX) {
    EXPECT_EQ(ibv_resize_cq(cq.get(), max_cqe() + 1), EINVAL);
  }
}

TEST_F(CqTest, IsBusyWhileAQpUsesIt) {
  ibv_cq* cq = create(10);
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq;
  attr.cap = {1, 1, 1, 1, 0};
  attr.qp_type = IBV_QPT_RC;
  ibv_qp* qp = ibv_create_qp(pd.get(), &attr);
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(ibv_destroy_cq(cq), EBUSY);
  EXPECT_EQ(ibv_destroy_qp(qp), 0);
  EXPECT_EQ(ibv_destroy_cq(cq), 0);
}

TEST_F(CqTest, IsUsableAgainAfterBusy) {
  CqPtr cq(create(10)), other(create(10));
  ibv_qp_init_attr attr{};
  attr.send_cq = cq.get();
  attr.recv_cq = other.get();
  attr.cap = {1, 1, 1, 1, 0};
  attr.qp_type = IBV_QPT_UC;
  QpPtr qp(ibv_create_qp(pd.get(), &attr));
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(ibv_destroy_cq(cq.get()), EBUSY);
  EXPECT_EQ(ibv_destroy_cq(other.get()), EBUSY);
  ibv_wc wc{};
  EXPECT_EQ(ibv_poll_cq(cq.get(), 1, &wc), 0);
}

}  // namespace
}  // namespace vt
