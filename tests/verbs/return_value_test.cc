// SPDX-License-Identifier: BSD-2-Clause
// What the manual pages' RETURN VALUE sections say of calls that the other files do not make. The values of calls that
// fail because of their arguments are in errno_test.cc and errno_objects_test.cc.
#include "support/errno_program.h"
#include "support/missing.h"

namespace vt {
namespace {

class ReturnValueTest : public VerbsTest {
 protected:
  Program program;
  ibv_context* context = program.context;
};

TEST_F(ReturnValueTest, GetDeviceIndexIsNotNegativeWhereThereAreIndexes) {
  const int index = ibv_get_device_index(context->device);
  EXPECT_GE(index, device_is_ours() ? 0 : -1);
  EXPECT_EQ(ibv_get_device_index(context->device), index);
}

TEST_F(ReturnValueTest, ForkSupportIsNeededOrThere) {
  const ibv_fork_status before = ibv_is_fork_initialized();
  const int result = ibv_fork_init();
  // EINVAL: memory was registered before. With ours there is nothing to be done.
  EXPECT_TRUE(result == 0 || (result == EINVAL && !device_is_ours())) << result;
  EXPECT_TRUE(result != 0 || ibv_is_fork_initialized() != IBV_FORK_DISABLED);
  if (before == IBV_FORK_UNNEEDED) {
    EXPECT_EQ(ibv_is_fork_initialized(), IBV_FORK_UNNEEDED) << "takes precedence";
  }
}

TEST_F(ReturnValueTest, QueryRtValuesNamesWhatItQueried) {
  ibv_values_ex values{};
  values.comp_mask = IBV_VALUES_MASK_RAW_CLOCK;
  const int result = ibv_query_rt_values_ex(context, &values);
  if (result == EOPNOTSUPP) SKIP_ON_OTHERS("the device does not offer it");
  ASSERT_EQ(result, 0);
  EXPECT_EQ(values.comp_mask, unsigned{IBV_VALUES_MASK_RAW_CLOCK});
  const timespec first = values.raw_clock;
  ASSERT_EQ(ibv_query_rt_values_ex(context, &values), 0);
  EXPECT_TRUE(values.raw_clock.tv_sec > first.tv_sec ||
              (values.raw_clock.tv_sec == first.tv_sec && values.raw_clock.tv_nsec >= first.tv_nsec));
  values.comp_mask = 0;
  ASSERT_EQ(ibv_query_rt_values_ex(context, &values), 0);
  EXPECT_EQ(values.comp_mask, 0u);
}

TEST_F(ReturnValueTest, DataInOrderIsYesOrNo) {
  const int answer = ibv_query_qp_data_in_order(program.qp, IBV_WR_RDMA_WRITE, 0);
  EXPECT_TRUE(answer == 0 || answer == 1) << answer;
}

TEST_F(ReturnValueTest, AFlowActionIsMadeOrNotSupported) {
  ibv_flow_action_esp_attr attr{};
  errno = 0;
  ibv_flow_action* action = ibv_create_flow_action_esp(context, &attr);
  if (action) {
    EXPECT_EQ(ibv_modify_flow_action_esp(action, &attr), 0);
    EXPECT_EQ(ibv_destroy_flow_action(action), 0);
  } else {
    EXPECT_TRUE(errno == EOPNOTSUPP || errno == EINVAL) << errno;
  }
}

TEST_F(ReturnValueTest, ARateLimitIsTakenByRawPacketsOnly) {
  ibv_qp_rate_limit_attr attr{.rate_limit = 1000, .max_burst_sz = 0, .typical_pkt_sz = 0, .comp_mask = 0};
  const int result = ibv_modify_qp_rate_limit(program.qp, &attr);
  EXPECT_TRUE(result == EOPNOTSUPP || result == EINVAL) << result;
}

TEST_F(ReturnValueTest, QueriesReturnZero) {
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  EXPECT_EQ(ibv_query_qp(program.qp, &attr, IBV_QP_STATE, &init), 0);
  EXPECT_EQ(ibv_req_notify_cq(program.end.send_cq(), 0), 0);
  ibv_srq_init_attr wanted{.srq_context = nullptr, .attr = {8, 1, 0}};
  SrqPtr srq(ibv_create_srq(program.pd, &wanted));
  ASSERT_NE(srq, nullptr);
  ibv_srq_attr limits{};
  EXPECT_EQ(ibv_query_srq(srq.get(), &limits), 0);
  EXPECT_GE(limits.max_wr, 8u);
}

TEST_F(ReturnValueTest, PkeysAreFoundOrMinusOne) {
  __be16 key = 0;
  EXPECT_EQ(ibv_query_pkey(context, kPort, 0, &key), 0);
  EXPECT_EQ(ibv_get_pkey_index(context, kPort, key), 0);
  EXPECT_EQ(ibv_query_pkey(context, kPort, program.limits.max_pkeys, &key), -1);
  EXPECT_EQ(ibv_get_pkey_index(context, kPort, htobe16(0x1234)), -1);
}

TEST(RateTest, RatesAreNumbersAndBack) {
  EXPECT_EQ(ibv_rate_to_mbps(IBV_RATE_10_GBPS), 10000);
  EXPECT_EQ(mbps_to_ibv_rate(10000), IBV_RATE_10_GBPS);
  EXPECT_EQ(ibv_rate_to_mult(IBV_RATE_10_GBPS), 4);
  EXPECT_EQ(mult_to_ibv_rate(4), IBV_RATE_10_GBPS);
  EXPECT_EQ(ibv_rate_to_mult(static_cast<ibv_rate>(999)), -1);
}

}  // namespace
}  // namespace vt
