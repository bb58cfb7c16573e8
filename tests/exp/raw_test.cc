// SPDX-License-Identifier: BSD-2-Clause
// Raw packets: flow steering with the era's specifications, work queues, their indirection tables.
#include "exp_support.h"
#include "support/raw_fixture.h"

namespace vt {
namespace {

inline int destroy_flow(ibv_exp_flow* flow) { return ibv_exp_destroy_flow(flow); }
inline int destroy_wq(ibv_exp_wq* wq) { return ibv_exp_destroy_wq(wq); }
inline int destroy_table(ibv_exp_rwq_ind_table* table) { return ibv_exp_destroy_rwq_ind_table(table); }
using ExpFlowPtr = std::unique_ptr<ibv_exp_flow, VerbsDeleter<destroy_flow>>;
using ExpWqPtr = std::unique_ptr<ibv_exp_wq, VerbsDeleter<destroy_wq>>;
using ExpTablePtr = std::unique_ptr<ibv_exp_rwq_ind_table, VerbsDeleter<destroy_table>>;

class ExpRawTest : public RawPairTest {
 protected:
  void SetUp() override {
    RawPairTest::SetUp();
    if (IsSkipped() || verbs_get_exp_ctx(context.get())) return;
    ASSERT_FALSE(device_is_ours()) << "our context has no table of experimental verbs";
    GTEST_SKIP() << "no experimental verbs";
  }
  /// A rule for frames to one of this process's addresses, and what else `spec` asks for.
  template <class... Spec>
  ExpFlowPtr steer_to(ibv_qp* qp, unsigned char which, const Spec&... spec) {
    struct {
      ibv_exp_flow_attr attr{};
      unsigned char specs[256]{};
    } rule;
    size_t used = 0;
    const auto add = [&](const auto& each) {
      std::memcpy(rule.specs + used, &each, sizeof each);
      used += sizeof each;
      ++rule.attr.num_of_specs;
    };
    ibv_exp_flow_spec_eth ethernet{};
    ethernet.type = IBV_EXP_FLOW_SPEC_ETH;
    ethernet.size = sizeof ethernet;
    std::memcpy(ethernet.val.dst_mac, own_address(which).data(), 6);
    std::memset(ethernet.mask.dst_mac, 0xff, 6);
    add(ethernet);
    (add(spec), ...);
    rule.attr.size = static_cast<uint16_t>(sizeof rule.attr + used);
    rule.attr.port = kPort;
    return ExpFlowPtr(ibv_exp_create_flow(qp, &rule.attr));
  }
};

TEST_F(ExpRawTest, ARuleBringsItsFrames) {
  ExpFlowPtr flow = steer_to(receiver.get(), 40);
  ASSERT_NE(flow, nullptr) << strerror(errno);
  const Frame frame = frame_to(40);
  send(frame);
  EXPECT_EQ(receive(cq.get()).frame, frame);
}

TEST_F(ExpRawTest, TheShortFormOfIpv6IsKnown) {
  ibv_exp_flow_spec_ipv6 spec{};
  spec.type = IBV_EXP_FLOW_SPEC_IPV6;
  spec.size = sizeof spec;
  spec.val.dst_ip[15] = 9;
  spec.mask.dst_ip[15] = 0xff;
  ExpFlowPtr flow = steer_to(receiver.get(), 41, spec);
  ASSERT_NE(flow, nullptr) << strerror(errno);
  Frame other = frame_to(41, 0x86dd, 60), wanted = other;
  constexpr unsigned char kNoNextHeader = 59;
  for (Frame* each : {&other, &wanted}) {
    unsigned char* header = each->data() + 14;
    header[0] = 0x60, header[4] = 0, header[5] = 20, header[6] = kNoNextHeader;
  }
  other[14 + 39] = 8;
  wanted[14 + 39] = 9;
  send(other);
  send(wanted);
  EXPECT_EQ(receive(cq.get()).frame, wanted);
  ibv_exp_flow_spec_ipv6 cut = spec;
  cut.size = 8;
  errno = 0;
  EXPECT_EQ(steer_to(receiver.get(), 41, cut), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(ExpRawTest, AWorkQueueIsFilledThroughItsInterface) {
  ibv_exp_wq_init_attr init{};
  init.wq_type = IBV_EXP_WQT_RQ, init.max_recv_wr = 8, init.max_recv_sge = 1, init.pd = pd.get(), init.cq = cq.get();
  ExpWqPtr wq(ibv_exp_create_wq(context.get(), &init));
  ASSERT_NE(wq, nullptr) << strerror(errno);
  ibv_exp_wq_attr change{};
  change.attr_mask = IBV_EXP_WQ_ATTR_STATE, change.wq_state = IBV_EXP_WQS_RDY;
  ASSERT_EQ(ibv_exp_modify_wq(wq.get(), &change), 0);
  EXPECT_EQ(wq->state, IBV_EXP_WQS_RDY);
  ibv_exp_wq* queues[] = {wq.get()};
  ibv_exp_rwq_ind_table_init_attr table_init{};
  table_init.pd = pd.get(), table_init.log_ind_tbl_size = 0, table_init.ind_tbl = queues;
  ExpTablePtr table(ibv_exp_create_rwq_ind_table(context.get(), &table_init));
  ASSERT_NE(table, nullptr) << strerror(errno);
  EXPECT_EQ(ibv_exp_destroy_wq(wq.get()), EBUSY);
  ibv_exp_query_intf_params params{};
  params.intf_scope = IBV_EXP_INTF_GLOBAL, params.intf = IBV_EXP_INTF_WQ, params.obj = wq.get();
  ibv_exp_query_intf_status status;
  auto* family = static_cast<ibv_exp_wq_family*>(ibv_exp_query_intf(context.get(), &params, &status));
  ASSERT_NE(family, nullptr);
  EXPECT_EQ(status, IBV_EXP_INTF_STAT_OK);
  ibv_sge slots[] = {slot(40), slot(41)};
  ASSERT_EQ(family->recv_burst(wq.get(), slots, 2), 0);
  uint8_t key[40] = {};
  ibv_exp_rx_hash_conf hash{};
  hash.rx_hash_function = IBV_EXP_RX_HASH_FUNC_TOEPLITZ, hash.rx_hash_key_len = sizeof key, hash.rx_hash_key = key;
  hash.rwq_ind_tbl = table.get();
  ibv_exp_qp_init_attr attr{};
  attr.qp_type = IBV_QPT_RAW_PACKET;
  attr.comp_mask = IBV_EXP_QP_INIT_ATTR_PD | IBV_EXP_QP_INIT_ATTR_RX_HASH;
  attr.pd = pd.get();
  attr.rx_hash_conf = &hash;
  QpPtr spreader(ibv_exp_create_qp(context.get(), &attr));
  ASSERT_NE(spreader, nullptr) << strerror(errno);
  ExpFlowPtr flow = steer_to(spreader.get(), 42);
  ASSERT_NE(flow, nullptr) << strerror(errno);
  const Frame frame = frame_to(42);
  send(frame);
  auto wcs = wait_exp(cq.get());
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_EQ(wcs[0].status, IBV_WC_SUCCESS);
  EXPECT_EQ(wcs[0].byte_len, frame.size());
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), memory.begin() + 40 * kSlot));
  EXPECT_EQ(ibv_exp_release_intf(context.get(), family, nullptr), 0);
  flow.reset();
  spreader.reset();
}

}  // namespace
}  // namespace vt
