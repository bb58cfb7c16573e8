// SPDX-License-Identifier: BSD-2-Clause
// Flow steering and counters: ibv_create_flow(3), ibv_create_counters(3).
#include "support/raw_fixture.h"

namespace vt {
namespace {

using CountersPtr = std::unique_ptr<ibv_counters, VerbsDeleter<ibv_destroy_counters>>;

TEST_F(RawPairTest, TheHigherPriorityTakesTheFrame) {
  CqPtr other_cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  QpPtr other = make_qp(other_cq.get());
  ASSERT_EQ(to_rts(other.get()), 0);
  post_receives(other.get(), 2);
  FlowPtr low = steer(FlowAttr(IBV_FLOW_ATTR_NORMAL, 5).add(IBV_FLOW_SPEC_ETH, to_address(20)));
  FlowPtr high(FlowAttr(IBV_FLOW_ATTR_NORMAL, 1).add(IBV_FLOW_SPEC_ETH, to_address(20)).create(other.get()));
  ASSERT_NE(high, nullptr);
  send(frame_to(20));
  EXPECT_EQ(poll(other_cq.get()).status, IBV_WC_SUCCESS);
  high.reset();
  const Frame frame = frame_to(20, kExperimental, 70);
  send(frame);
  EXPECT_EQ(receive(cq.get()).frame, frame);
}

TEST_F(RawPairTest, CountersCountPacketsAndBytes) {
  ibv_counters_init_attr init{};
  CountersPtr counters(ibv_create_counters(context.get(), &init));
  ASSERT_NE(counters, nullptr);
  ibv_counter_attach_attr bytes{IBV_COUNTER_BYTES, 0, 0}, packets{IBV_COUNTER_PACKETS, 2, 0};
  ASSERT_EQ(ibv_attach_counters_point_flow(counters.get(), &bytes, nullptr), 0);
  ASSERT_EQ(ibv_attach_counters_point_flow(counters.get(), &packets, nullptr), 0);
  EXPECT_EQ(ibv_attach_counters_point_flow(counters.get(), &packets, nullptr), EINVAL) << "the index is taken";
  ibv_flow_spec_counter_action count{};
  count.counters = counters.get();
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(21)).add(IBV_FLOW_SPEC_ACTION_COUNT, count));
  EXPECT_EQ(ibv_destroy_counters(counters.get()), EBUSY);
  const Frame frame = frame_to(21);
  for (int i = 0; i < 3; ++i) {
    send(frame);
    receive(cq.get());
  }
  uint64_t values[3] = {};
  EXPECT_EQ(ibv_read_counters(counters.get(), values, 2, 0), EINVAL) << "there is more";
  ASSERT_EQ(ibv_read_counters(counters.get(), values, 3, IBV_READ_COUNTERS_ATTR_PREFER_CACHED), 0);
  EXPECT_EQ(values[0], 3 * frame.size());
  EXPECT_EQ(values[1], 0u);
  EXPECT_EQ(values[2], 3u);
  flow.reset();
  EXPECT_EQ(ibv_destroy_counters(counters.release()), 0);
}

TEST_F(RawPairTest, ATagComesWithTheCompletion) {
  ibv_cq_init_attr_ex attr{};
  attr.cqe = 16;
  attr.wc_flags = IBV_WC_EX_WITH_FLOW_TAG | IBV_WC_EX_WITH_BYTE_LEN;
  ibv_cq_ex* tagged_cq = ibv_create_cq_ex(context.get(), &attr);
  ASSERT_NE(tagged_cq, nullptr);
  QpPtr tagged = make_qp(ibv_cq_ex_to_cq(tagged_cq));
  ASSERT_EQ(to_rts(tagged.get()), 0);
  post_receives(tagged.get(), 2);
  ibv_flow_spec_action_tag tag{};
  tag.tag_id = 4711;
  FlowPtr flow(
      FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(22)).add(IBV_FLOW_SPEC_ACTION_TAG, tag).create(tagged.get()));
  ASSERT_NE(flow, nullptr);
  send(frame_to(22));
  ibv_poll_cq_attr poll_attr{};
  Deadline deadline;
  while (ibv_start_poll(tagged_cq, &poll_attr) == ENOENT && !deadline.expired()) {
  }
  ASSERT_FALSE(deadline.expired());
  EXPECT_EQ(ibv_wc_read_flow_tag(tagged_cq), 4711u);
  ibv_end_poll(tagged_cq);
  flow.reset();
  tagged.reset();
  EXPECT_EQ(ibv_destroy_cq(ibv_cq_ex_to_cq(tagged_cq)), 0);
}

TEST_F(RawPairTest, ADropRuleDrops) {
  ibv_flow_spec_action_drop drop{};
  FlowPtr dropping = steer(
      FlowAttr(IBV_FLOW_ATTR_NORMAL, 0).add(IBV_FLOW_SPEC_ETH, to_address(23)).add(IBV_FLOW_SPEC_ACTION_DROP, drop));
  FlowPtr below = steer(FlowAttr(IBV_FLOW_ATTR_NORMAL, 1).add(IBV_FLOW_SPEC_ETH, to_address(23)));
  FlowPtr other = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(24)));
  send(frame_to(23));
  const Frame frame = frame_to(24);
  send(frame);
  EXPECT_EQ(receive(cq.get()).frame, frame);
}

TEST_F(RawPairTest, AQueuePairIsBusyWhileRulesLeadToIt) {
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(25)));
  EXPECT_EQ(ibv_destroy_qp(receiver.get()), EBUSY);
  flow.reset();
  EXPECT_EQ(ibv_destroy_qp(receiver.release()), 0);
}

TEST_F(RawPairTest, WrongRulesAreRefused) {
  EXPECT_NULL_ERRNO(EINVAL,
                    FlowAttr().add(static_cast<ibv_flow_spec_type>(0x7f), ibv_flow_spec_eth{}).create(receiver.get()));
  FlowAttr other_port;
  other_port.head().port = 2;
  EXPECT_NULL_ERRNO(EINVAL, other_port.create(receiver.get()));
  FlowAttr sniffer(IBV_FLOW_ATTR_SNIFFER);
  EXPECT_NULL_ERRNO(EINVAL, sniffer.add(IBV_FLOW_SPEC_ETH, to_address(26)).create(receiver.get()));
  FlowAttr egress;
  egress.head().flags = IBV_FLOW_ATTR_FLAGS_EGRESS;
  EXPECT_NULL_ERRNO(EOPNOTSUPP, egress.create(receiver.get()));
}

TEST_F(RawPairTest, AConnectedQueuePairTakesNoRules) {
  ibv_qp_init_attr init{};
  init.send_cq = init.recv_cq = send_cq.get();
  init.cap = {1, 1, 1, 1, 0};
  init.qp_type = IBV_QPT_RC;
  QpPtr rc(ibv_create_qp(pd.get(), &init));
  ASSERT_NE(rc, nullptr);
  EXPECT_NULL_ERRNO(EINVAL, FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(27)).create(rc.get()));
}

}  // namespace
}  // namespace vt
