// SPDX-License-Identifier: BSD-2-Clause
// SRQs without traffic; receiving through them: srq_traffic_test.cc.
#include "support/fixture.h"
#include "support/missing.h"

namespace vt {
namespace {

class SrqTest : public PdTest {
 protected:
  ibv_srq* create(uint32_t wr, uint32_t sge, uint32_t limit = 0) {
    init = {.srq_context = this, .attr = {wr, sge, limit}};
    return ibv_create_srq(pd.get(), &init);
  }
  ibv_device_attr device() {
    ibv_device_attr attr{};
    ibv_query_device(context.get(), &attr);
    return attr;
  }
  ibv_srq_init_attr init{};
};

TEST_F(SrqTest, HasAtLeastTheSizeAskedFor) {
  SrqPtr srq(create(100, 3));
  ASSERT_NE(srq, nullptr);
  EXPECT_GE(init.attr.max_wr, 100u);
  EXPECT_GE(init.attr.max_sge, 3u);
  EXPECT_EQ(srq->srq_context, this);
  EXPECT_EQ(srq->pd, pd.get());
}

TEST_F(SrqTest, QuerySaysTheSizeAndNoLimit) {
  SrqPtr srq(create(100, 3));
  ibv_srq_attr attr{};
  ASSERT_EQ(ibv_query_srq(srq.get(), &attr), 0);
  EXPECT_GE(attr.max_wr, 100u);
  EXPECT_GE(attr.max_sge, 3u);
  EXPECT_EQ(attr.srq_limit, 0u);
}

TEST_F(SrqTest, LimitIsSetAndQueried) {
  SrqPtr srq(create(100, 1));
  ibv_srq_attr attr{};
  attr.srq_limit = 42;
  ASSERT_EQ(ibv_modify_srq(srq.get(), &attr, IBV_SRQ_LIMIT), 0);
  attr = {};
  ASSERT_EQ(ibv_query_srq(srq.get(), &attr), 0);
  EXPECT_EQ(attr.srq_limit, 42u);
}

TEST_F(SrqTest, LimitBeyondTheQueueIsRefused) {
  SrqPtr srq(create(100, 1));
  ibv_srq_attr attr{};
  attr.srq_limit = init.attr.max_wr + 1000;
  EXPECT_EQ(ibv_modify_srq(srq.get(), &attr, IBV_SRQ_LIMIT), EINVAL);
}

TEST_F(SrqTest, ResizeIsDoneOrSaysUnsupported) {
  SrqPtr srq(create(100, 1));
  ibv_srq_attr attr{};
  attr.max_wr = 400;
  int rc = ibv_modify_srq(srq.get(), &attr, IBV_SRQ_MAX_WR);
  if (rc == EOPNOTSUPP) SKIP_ON_OTHERS("no SRQ resize");
  ASSERT_EQ(rc, 0);
  ASSERT_EQ(ibv_query_srq(srq.get(), &attr), 0);
  EXPECT_GE(attr.max_wr, 400u);
}

TEST_F(SrqTest, TooLargeIsRefused) {
  EXPECT_NULL_ERRNO(EINVAL, SrqPtr(create(static_cast<uint32_t>(device().max_srq_wr) + 1, 1)));
  EXPECT_NULL_ERRNO(EINVAL, SrqPtr(create(10, static_cast<uint32_t>(device().max_srq_sge) + 1)));
}

TEST_F(SrqTest, NoRequestsAtAllIsRefused) { EXPECT_NULL_ERRNO(EINVAL, SrqPtr(create(0, 1))); }

TEST_F(SrqTest, FullQueueRefusesTheFirstThatDoesNotFit) {
  SrqPtr srq(create(8, 1));
  std::vector<ibv_recv_wr> chain(4096);  // no device rounds 8 up to that
  for (size_t i = 0; i < chain.size(); ++i) chain[i] = {i, i + 1 < chain.size() ? &chain[i + 1] : nullptr, nullptr, 0};
  ibv_recv_wr* bad = nullptr;
  EXPECT_EQ(ibv_post_srq_recv(srq.get(), chain.data(), &bad), ENOMEM);
  EXPECT_GE(bad - chain.data(), static_cast<ptrdiff_t>(init.attr.max_wr));
  EXPECT_LT(bad, chain.data() + chain.size());
}

TEST_F(SrqTest, TooManySgesAreRefused) {
  SrqPtr srq(create(8, 1));
  std::vector<ibv_sge> sges(init.attr.max_sge + 1);
  ibv_recv_wr wr{1, nullptr, sges.data(), static_cast<int>(sges.size())}, *bad = nullptr;
  EXPECT_EQ(ibv_post_srq_recv(srq.get(), &wr, &bad), EINVAL);
  EXPECT_EQ(bad, &wr);
}

TEST_F(SrqTest, IsBusyWhileAQpUsesIt) {
  ibv_srq* srq = create(8, 1);
  CqPtr cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.srq = srq;
  attr.cap = {1, 0, 1, 0, 0};
  attr.qp_type = IBV_QPT_RC;
  ibv_qp* qp = ibv_create_qp(pd.get(), &attr);
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(qp->srq, srq);
  EXPECT_EQ(ibv_destroy_srq(srq), EBUSY);
  EXPECT_EQ(ibv_destroy_qp(qp), 0);
  EXPECT_EQ(ibv_destroy_srq(srq), 0);
}

TEST_F(SrqTest, CreateSrqExMakesABasicSrq) {
  ibv_srq_init_attr_ex attr{};
  attr.attr = {16, 2, 0};
  attr.comp_mask = IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_TYPE;
  attr.srq_type = IBV_SRQT_BASIC;
  attr.pd = pd.get();
  SrqPtr srq(ibv_create_srq_ex(context.get(), &attr));
  ASSERT_NE(srq, nullptr);
  EXPECT_GE(attr.attr.max_wr, 16u);
}

}  // namespace
}  // namespace vt
