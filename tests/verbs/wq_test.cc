// SPDX-License-Identifier: BSD-2-Clause
// Work queues, indirection tables and the queue pairs that spread over them: ibv_create_wq(3),
// ibv_create_rwq_ind_table(3).
#include <array>

#include "support/missing.h"
#include "support/raw_fixture.h"

namespace vt {
namespace {

using WqPtr = std::unique_ptr<ibv_wq, VerbsDeleter<ibv_destroy_wq>>;
using TablePtr = std::unique_ptr<ibv_rwq_ind_table, VerbsDeleter<ibv_destroy_rwq_ind_table>>;

class WqTest : public RawTest {
 protected:
  CqPtr cq;

  void SetUp() override {
    RawTest::SetUp();
    if (IsSkipped()) return;
    cq.reset(ibv_create_cq(context.get(), 64, nullptr, nullptr, 0));
  }

  WqPtr make_wq() {
    ibv_wq_init_attr attr{};
    attr.wq_type = IBV_WQT_RQ;
    attr.max_wr = 16;
    attr.max_sge = 1;
    attr.pd = pd.get();
    attr.cq = cq.get();
    return WqPtr(ibv_create_wq(context.get(), &attr));
  }

  static int to(ibv_wq* wq, ibv_wq_state state) {
    ibv_wq_attr attr{};
    attr.attr_mask = IBV_WQ_ATTR_STATE;
    attr.wq_state = state;
    return ibv_modify_wq(wq, &attr);
  }

  int post(ibv_wq* wq, int number) {
    ibv_sge sge = slot(number);
    ibv_recv_wr wr{.wr_id = static_cast<uint64_t>(number), .next = nullptr, .sg_list = &sge, .num_sge = 1};
    ibv_recv_wr* bad = nullptr;
    return ibv_post_wq_recv(wq, &wr, &bad);
  }

  TablePtr make_table(std::vector<ibv_wq*> queues, uint32_t log_size) {
    ibv_rwq_ind_table_init_attr attr{};
    attr.log_ind_tbl_size = log_size;
    attr.ind_tbl = queues.data();
    return TablePtr(ibv_create_rwq_ind_table(context.get(), &attr));
  }

  QpPtr make_rss(ibv_rwq_ind_table* table, uint64_t fields, uint8_t key_length = 40) {
    static std::array<uint8_t, 40> key;
    for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i * 37 + 11);
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.pd = pd.get();
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH;
    attr.rwq_ind_tbl = table;
    attr.rx_hash_conf = {IBV_RX_HASH_FUNC_TOEPLITZ, key_length, key.data(), fields};
    return QpPtr(ibv_create_qp_ex(context.get(), &attr));
  }

  /// An IPv4 frame from a source address of its own.
  static Frame from_source(unsigned char which, unsigned char source) {
    Frame frame = frame_to(which, 0x0800, 60);
    const unsigned char ip[20] = {0x45, 0, 0, 60, 0, 1, 0, 0, 64, 253, 0, 0, 10, 1, source, 1, 10, 1, 1, 2};
    std::copy(std::begin(ip), std::end(ip), frame.begin() + 14);
    return frame;
  }
};

TEST_F(WqTest, GoesThroughItsStates) {
  WqPtr wq = make_wq();
  ASSERT_NE(wq, nullptr);
  EXPECT_EQ(wq->state, IBV_WQS_RESET);
  EXPECT_EQ(post(wq.get(), 8), EINVAL);
  ASSERT_EQ(to(wq.get(), IBV_WQS_RDY), 0);
  EXPECT_EQ(wq->state, IBV_WQS_RDY);
  EXPECT_EQ(post(wq.get(), 8), 0);
  ASSERT_EQ(to(wq.get(), IBV_WQS_ERR), 0);
  EXPECT_EQ(poll(cq.get()).status, IBV_WC_WR_FLUSH_ERR);
  EXPECT_EQ(to(wq.get(), IBV_WQS_RDY), EINVAL);
  EXPECT_EQ(to(wq.get(), IBV_WQS_RESET), 0);
  ibv_wq_attr attr{};
  attr.attr_mask = IBV_WQ_ATTR_STATE | IBV_WQ_ATTR_CURR_STATE;
  attr.wq_state = IBV_WQS_RDY;
  attr.curr_wq_state = IBV_WQS_ERR;
  EXPECT_EQ(ibv_modify_wq(wq.get(), &attr), EINVAL);
}

TEST_F(WqTest, IsBusyWhileItIsUsed) {
  WqPtr wq = make_wq();
  EXPECT_EQ(ibv_destroy_cq(cq.get()), EBUSY);
  TablePtr table = make_table({wq.get(), wq.get()}, 1);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(ibv_destroy_wq(wq.get()), EBUSY);
  QpPtr qp = make_rss(table.get(), IBV_RX_HASH_SRC_IPV4);
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(ibv_destroy_rwq_ind_table(table.get()), EBUSY);
}

TEST_F(WqTest, FramesSpreadByTheirHashAndStayTogether) {
  WqPtr first = make_wq(), second = make_wq();
  ASSERT_EQ(to(first.get(), IBV_WQS_RDY), 0);
  ASSERT_EQ(to(second.get(), IBV_WQS_RDY), 0);
  TablePtr table = make_table({first.get(), second.get()}, 1);
  ASSERT_NE(table, nullptr);
  QpPtr qp = make_rss(table.get(), IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4);
  ASSERT_NE(qp, nullptr);
  FlowPtr flow(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(40)).create(qp.get()));
  ASSERT_NE(flow, nullptr);
  std::array<int, 2> seen{};
  for (unsigned char source = 0; source < 16; ++source) {
    uint32_t number = 0;
    for (int again = 0; again < 2; ++again) {
      ASSERT_EQ(post(first.get(), 8), 0);
      ASSERT_EQ(post(second.get(), 9), 0);
      send(from_source(40, source));
      const ibv_wc wc = poll(cq.get());
      ASSERT_EQ(wc.status, IBV_WC_SUCCESS);
      ASSERT_TRUE(wc.qp_num == first->wq_num || wc.qp_num == second->wq_num);
      if (again) {
        EXPECT_EQ(wc.qp_num, number) << "the same flow goes the same way";
      }
      number = wc.qp_num;
      // What was not used is taken back.
      ibv_wq* idle = number == first->wq_num ? second.get() : first.get();
      ASSERT_EQ(to(idle, IBV_WQS_RESET), 0);
      ASSERT_EQ(to(idle, IBV_WQS_RDY), 0);
    }
    ++seen[number == first->wq_num ? 0 : 1];
  }
  EXPECT_GT(seen[0], 0);
  EXPECT_GT(seen[1], 0);
}

TEST_F(WqTest, AWrongHashIsRefused) {
  WqPtr wq = make_wq();
  TablePtr table = make_table({wq.get()}, 0);
  EXPECT_NULL_ERRNO(EINVAL, make_rss(table.get(), IBV_RX_HASH_SRC_IPV4, 16));
  EXPECT_NULL_ERRNO(EOPNOTSUPP, make_rss(table.get(), uint64_t{1} << 40));
}

/// A frame for a queue without receives waits for one, if the queue was made so. A frame behind it, for another queue,
/// shows that it has come.
TEST_F(WqTest, DelaysWhatItWouldDropWhenAsked) {
  ibv_device_attr_ex device{};
  ASSERT_EQ(ibv_query_device_ex(context.get(), nullptr, &device), 0);
  if (!(device.raw_packet_caps & IBV_RAW_PACKET_CAP_DELAY_DROP)) SKIP_ON_OTHERS("frames are dropped at once here");
  ibv_wq_init_attr attr{};
  attr.wq_type = IBV_WQT_RQ, attr.max_wr = 16, attr.max_sge = 1, attr.pd = pd.get(), attr.cq = cq.get();
  attr.comp_mask = IBV_WQ_INIT_ATTR_FLAGS;
  attr.create_flags = IBV_WQ_FLAGS_DELAY_DROP;
  WqPtr patient(ibv_create_wq(context.get(), &attr)), hasty = make_wq();
  ASSERT_TRUE(patient && hasty);
  ASSERT_EQ(to(patient.get(), IBV_WQS_RDY), 0);
  ASSERT_EQ(to(hasty.get(), IBV_WQS_RDY), 0);
  TablePtr patient_table = make_table({patient.get()}, 0), hasty_table = make_table({hasty.get()}, 0);
  QpPtr patient_qp = make_rss(patient_table.get(), IBV_RX_HASH_SRC_IPV4),
        hasty_qp = make_rss(hasty_table.get(), IBV_RX_HASH_SRC_IPV4);
  FlowPtr patient_flow(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(43)).create(patient_qp.get()));
  FlowPtr hasty_flow(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(44)).create(hasty_qp.get()));
  ASSERT_TRUE(patient_flow && hasty_flow);
  const Frame first = from_source(43, 1), second = from_source(43, 2), third = from_source(43, 3);
  send(first);
  send(second);
  ASSERT_EQ(post(hasty.get(), 10), 0);
  send(from_source(44, 4));
  ASSERT_EQ(receive(cq.get()).wc.wr_id, 10u);
  ASSERT_EQ(post(patient.get(), 8), 0);
  EXPECT_EQ(receive(cq.get()).frame, first);
  send(third);
  ASSERT_EQ(post(patient.get(), 9), 0);
  EXPECT_EQ(receive(cq.get()).frame, second);
  ASSERT_EQ(post(patient.get(), 11), 0);
  EXPECT_EQ(receive(cq.get()).frame, third);
}

TEST_F(WqTest, StripsVlanTagsWhenAsked) {
  ibv_wq_init_attr attr{};
  attr.wq_type = IBV_WQT_RQ;
  attr.max_wr = 4;
  attr.max_sge = 1;
  attr.pd = pd.get();
  attr.cq = cq.get();
  attr.comp_mask = IBV_WQ_INIT_ATTR_FLAGS;
  attr.create_flags = IBV_WQ_FLAGS_CVLAN_STRIPPING;
  WqPtr wq(ibv_create_wq(context.get(), &attr));
  ASSERT_NE(wq, nullptr);
  ASSERT_EQ(to(wq.get(), IBV_WQS_RDY), 0);
  ASSERT_EQ(post(wq.get(), 8), 0);
  TablePtr table = make_table({wq.get()}, 0);
  QpPtr qp = make_rss(table.get(), IBV_RX_HASH_SRC_IPV4);
  FlowPtr flow(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(41)).create(qp.get()));
  ASSERT_NE(flow, nullptr);
  Frame tagged = frame_to(41, 0x8100);
  tagged[16] = kExperimental >> 8, tagged[17] = kExperimental & 0xff;
  send(tagged);
  Frame plain = tagged;
  plain.erase(plain.begin() + 12, plain.begin() + 16);
  EXPECT_EQ(receive(cq.get()).frame, plain);
}

}  // namespace
}  // namespace vt
