// SPDX-License-Identifier: BSD-2-Clause
// Creating and destroying QPs.
#include <set>

#include "support/fixture.h"

namespace vt {
namespace {

class QpTest : public PdTest {
 protected:
  CqPtr cq{ibv_create_cq(context.get(), 64, nullptr, nullptr, 0)};
  ibv_qp_init_attr init{};

  void SetUp() override {
    PdTest::SetUp();
    init.send_cq = init.recv_cq = cq.get();
    init.cap = {16, 16, 2, 2, 0};
    init.qp_type = IBV_QPT_RC;
  }
  QpPtr create() { return QpPtr(ibv_create_qp(pd.get(), &init)); }
  ibv_device_attr device() {
    ibv_device_attr attr{};
    ibv_query_device(context.get(), &attr);
    return attr;
  }
  // The value refused, whatever the others are.
  void expect_refused(uint32_t ibv_qp_cap::*field, uint32_t value) {
    uint32_t kept = init.cap.*field;
    init.cap.*field = value;
    EXPECT_NULL_ERRNO(EINVAL, create());
    init.cap.*field = kept;
  }
};

TEST_F(QpTest, BothConnectedTypesAreCreated) {
  for (ibv_qp_type type : {IBV_QPT_RC, IBV_QPT_UC}) {
    init.qp_type = type;
    QpPtr qp = create();
    ASSERT_NE(qp, nullptr) << type;
    EXPECT_EQ(qp->qp_type, type);
    EXPECT_EQ(qp->state, IBV_QPS_RESET);
  }
}

TEST_F(QpTest, RemembersWhatItWasMadeOf) {
  init.qp_context = this;
  QpPtr qp = create();
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(qp->qp_context, this);
  EXPECT_EQ(qp->pd, pd.get());
  EXPECT_EQ(qp->send_cq, cq.get());
  EXPECT_EQ(qp->recv_cq, cq.get());
  EXPECT_EQ(qp->context, context.get());
  EXPECT_EQ(qp->srq, nullptr);
}

TEST_F(QpTest, NumbersAreUniqueAnd24Bits) {
  std::set<uint32_t> numbers;
  std::vector<QpPtr> qps;
  for (int i = 0; i < 64; ++i) {
    qps.push_back(create());
    ASSERT_NE(qps.back(), nullptr);
    EXPECT_LT(qps.back()->qp_num, 1u << 24);
    EXPECT_GT(qps.back()->qp_num, 1u);  // 0 and 1 are the management QPs
    numbers.insert(qps.back()->qp_num);
  }
  EXPECT_EQ(numbers.size(), qps.size());
}

TEST_F(QpTest, ReturnedCapsAreAtLeastTheRequested) {
  init.cap = {100, 77, 3, 5, 40};
  QpPtr qp = create();
  ASSERT_NE(qp, nullptr);
  EXPECT_GE(init.cap.max_send_wr, 100u);
  EXPECT_GE(init.cap.max_recv_wr, 77u);
  EXPECT_GE(init.cap.max_send_sge, 3u);
  EXPECT_GE(init.cap.max_recv_sge, 5u);
  EXPECT_GE(init.cap.max_inline_data, 40u);
}

TEST_F(QpTest, QueryRepeatsTheReturnedCaps) {
  init.cap = {100, 77, 3, 5, 40};
  QpPtr qp = create();
  ibv_qp_attr attr{};
  ibv_qp_init_attr seen{};
  ASSERT_EQ(ibv_query_qp(qp.get(), &attr, IBV_QP_CAP, &seen), 0);
  EXPECT_EQ(seen.cap.max_send_wr, init.cap.max_send_wr);
  EXPECT_EQ(seen.cap.max_recv_wr, init.cap.max_recv_wr);
  EXPECT_EQ(seen.cap.max_send_sge, init.cap.max_send_sge);
  EXPECT_EQ(seen.cap.max_recv_sge, init.cap.max_recv_sge);
  EXPECT_EQ(seen.cap.max_inline_data, init.cap.max_inline_data);
  EXPECT_EQ(attr.cap.max_send_wr, init.cap.max_send_wr);
}

TEST_F(QpTest, CapsBeyondTheDeviceAreRefused) {
  ibv_device_attr limits = device();
  expect_refused(&ibv_qp_cap::max_send_wr, static_cast<uint32_t>(limits.max_qp_wr) + 1);
  expect_refused(&ibv_qp_cap::max_recv_wr, static_cast<uint32_t>(limits.max_qp_wr) + 1);
  expect_refused(&ibv_qp_cap::max_send_sge, static_cast<uint32_t>(limits.max_sge) + 1);
  expect_refused(&ibv_qp_cap::max_recv_sge, static_cast<uint32_t>(limits.max_sge) + 1);
  expect_refused(&ibv_qp_cap::max_inline_data, 1u << 30);
}

TEST_F(QpTest, DoublingInlineEndsInARefusal) {
  bool refused = false;
  for (uint32_t size = 16; size <= 1u << 24 && !refused; size *= 2) {
    init.cap = {1, 1, 1, 1, size};
    QpPtr qp = create();
    if (qp) {
      EXPECT_GE(init.cap.max_inline_data, size);
    }
    refused = !qp;
  }
  EXPECT_TRUE(refused);
}

TEST_F(QpTest, TheAdvertisedSgeMaximumWorks) {
  init.cap.max_send_sge = init.cap.max_recv_sge = static_cast<uint32_t>(device().max_sge);
  EXPECT_NE(create(), nullptr);
}

TEST_F(QpTest, NeedsBothCqs) {
  init.send_cq = nullptr;
  EXPECT_NULL_ERRNO(EINVAL, create());
  init.send_cq = cq.get();
  init.recv_cq = nullptr;
  EXPECT_NULL_ERRNO(EINVAL, create());
}

TEST_F(QpTest, AnUnknownTypeIsRefused) {
  init.qp_type = static_cast<ibv_qp_type>(77);
  errno = 0;
  EXPECT_EQ(create(), nullptr);
  EXPECT_TRUE(errno == EINVAL || errno == EOPNOTSUPP) << errno;
}

TEST_F(QpTest, CreateQpExWithOnlyAPdIsCreateQp) {
  ibv_qp_init_attr_ex attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.cap = {16, 16, 2, 2, 0};
  attr.qp_type = IBV_QPT_RC;
  attr.comp_mask = IBV_QP_INIT_ATTR_PD;
  attr.pd = pd.get();
  QpPtr qp(ibv_create_qp_ex(context.get(), &attr));
  ASSERT_NE(qp, nullptr);
  EXPECT_GE(attr.cap.max_send_wr, 16u);
}

TEST_F(QpTest, ContextOfThePdIsTheContextOfTheQp) {
  ContextPtr other = open_device();
  PdPtr other_pd(ibv_alloc_pd(other.get()));
  CqPtr other_cq(ibv_create_cq(other.get(), 16, nullptr, nullptr, 0));
  init.send_cq = init.recv_cq = other_cq.get();
  QpPtr qp(ibv_create_qp(other_pd.get(), &init));
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(qp->context, other.get());
}

}  // namespace
}  // namespace vt
