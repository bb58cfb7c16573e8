// SPDX-License-Identifier: BSD-2-Clause
#include <array>

#include "support/fixture.h"
#include "support/missing.h"

namespace vt {
namespace {

class PdLifeTest : public VerbsTest {
 protected:
  ContextPtr context = open_device();
  ibv_pd* pd = ibv_alloc_pd(context.get());

  void SetUp() override {
    VerbsTest::SetUp();
    ASSERT_NE(pd, nullptr);
  }
};

TEST_F(PdLifeTest, IsAllocatedAndFreed) {
  EXPECT_EQ(pd->context, context.get());
  EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

TEST_F(PdLifeTest, ManyLiveAtOnce) {
  std::vector<PdPtr> pds;
  for (int i = 0; i < 100; ++i) {
    pds.emplace_back(ibv_alloc_pd(context.get()));
    ASSERT_NE(pds.back(), nullptr);
  }
  EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

TEST_F(PdLifeTest, IsBusyWhileAnMrUsesIt) {
  std::array<char, 64> memory{};
  ibv_mr* mr = ibv_reg_mr(pd, memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE);
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(pd), EBUSY);
  EXPECT_EQ(ibv_dereg_mr(mr), 0);
  EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

TEST_F(PdLifeTest, IsBusyWhileAnSrqUsesIt) {
  ibv_srq_init_attr attr{.srq_context = nullptr, .attr = {16, 1, 0}};
  ibv_srq* srq = ibv_create_srq(pd, &attr);
  ASSERT_NE(srq, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(pd), EBUSY);
  EXPECT_EQ(ibv_destroy_srq(srq), 0);
  EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

TEST_F(PdLifeTest, IsBusyWhileAQpUsesIt) {
  CqPtr cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.cap = {1, 1, 1, 1, 0};
  attr.qp_type = IBV_QPT_RC;
  ibv_qp* qp = ibv_create_qp(pd, &attr);
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(pd), EBUSY);
  EXPECT_EQ(ibv_destroy_qp(qp), 0);
  EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

TEST_F(PdLifeTest, IsBusyWhileAnAhUsesIt) {
  ibv_device_attr device{};
  ASSERT_EQ(ibv_query_device(context.get(), &device), 0);
  if (device.max_ah == 0) SKIP_ON_OTHERS("the device says that it has no address handles");
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.port_num = kPort;
  attr.grh.dgid = gid_at(context.get(), gid_index(context.get()));
  attr.grh.sgid_index = static_cast<uint8_t>(gid_index(context.get()));
  ibv_ah* ah = ibv_create_ah(pd, &attr);
  ASSERT_NE(ah, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(pd), EBUSY);
  EXPECT_EQ(ibv_destroy_ah(ah), 0);
  EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

}  // namespace
}  // namespace vt
