// SPDX-License-Identifier: BSD-2-Clause
// Enhanced connection establishment: ibv_query_ece(3), ibv_set_ece(3).
#include "support/missing.h"
#include "support/pair.h"
#include "support/qp_fixture.h"

namespace vt {
namespace {

class EceTest : public LoneQpTest {
 protected:
  ibv_ece offered{};

  void SetUp() override {
    LoneQpTest::SetUp();
    if (IsSkipped()) return;
    offered = {1, 2, 3};
    const int error = ibv_query_ece(qp.get(), &offered);
    if (error == EOPNOTSUPP) SKIP_ON_OTHERS("this device has none");
    ASSERT_EQ(error, 0);
  }
  int set(ibv_ece ece) { return ibv_set_ece(qp.get(), &ece); }
  void expect_unchanged() {
    ibv_ece now{1, 2, 3};
    EXPECT_EQ(ibv_query_ece(qp.get(), &now), 0);
    EXPECT_EQ(now.vendor_id, offered.vendor_id);
    EXPECT_EQ(now.options, offered.options);
    EXPECT_EQ(now.comp_mask, 0u);
  }
};

TEST_P(EceTest, TheVendorIsTheDevices) {
  ibv_device_attr attr{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_NE(offered.vendor_id, 0u);
  if (device_is_ours()) EXPECT_EQ(offered.vendor_id, attr.vendor_id);
  EXPECT_EQ(offered.comp_mask, 0u);
}

TEST_P(EceTest, WhatIsOfferedIsAcceptedInEveryState) {
  for (ibv_qp_state state : {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_ERR}) {
    drive_to(state);
    ibv_ece ece = offered;
    EXPECT_EQ(ibv_set_ece(qp.get(), &ece), 0) << state_name(state);
    EXPECT_EQ(ece.vendor_id, offered.vendor_id);
    EXPECT_EQ(ece.options, offered.options);
    expect_unchanged();
  }
}

TEST_P(EceTest, WhatIsNotOfferedIsTakenOut) {
  ibv_ece ece{offered.vendor_id, ~0u, 0};
  ASSERT_EQ(ibv_set_ece(qp.get(), &ece), 0);
  EXPECT_EQ(ece.options, offered.options);
  expect_unchanged();
}

TEST_P(EceTest, AnotherVendorIsInvalid) {
  EXPECT_EQ(set({offered.vendor_id ^ 1, offered.options, 0}), EINVAL);
  EXPECT_EQ(set({0, offered.options, 0}), EINVAL);
  expect_unchanged();
}

TEST_P(EceTest, UnknownFieldsAreInvalid) {
  EXPECT_EQ(set({offered.vendor_id, offered.options, 1}), EINVAL);
  expect_unchanged();
}

INSTANTIATE_TEST_SUITE_P(Each, EceTest, kEveryType, type_name);

class EcePairTest : public PairTest {};

/// Each end sets what the other one offers, as programs do that exchange it.
TEST_P(EcePairTest, TwoEndsAgreeAndConnect) {
  make();
  ibv_qp* const qp = a().local().qp(0);
  ibv_ece ece{};
  const int error = ibv_query_ece(qp, &ece);
  if (error == EOPNOTSUPP) SKIP_ON_OTHERS("this device has none");
  ASSERT_EQ(error, 0);
  ASSERT_EQ(ibv_set_ece(b().local().qp(0), &ece), 0);
  ASSERT_EQ(ibv_set_ece(qp, &ece), 0);
  connect();
  const Address at_a = a().address(), at_b = b().address();
  a().fill(0, 512, 3);
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 512)})));
  ASSERT_POSTED(a().post_send(send_wr(2, {at_a.sge(0, 512)})));
  ASSERT_DONE(a().wait_send(), 2);
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(0, 512, 3), -1);
}

INSTANTIATE_TEST_SUITE_P(OneProcess, EcePairTest, testing::Values(PairParam{Form::kOneProcess, IBV_QPT_RC}),
                         param_name);

}  // namespace
}  // namespace vt
