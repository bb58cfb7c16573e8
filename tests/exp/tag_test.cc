// SPDX-License-Identifier: BSD-2-Clause
// Tag matching as the era has it: an SRQ of its own type, operations, and completions that tell tag and context.
#include <endian.h>

#include "exp_support.h"

namespace vt {
namespace {

class ExpTagTest : public ExpPairTest {
 protected:
  SrqPtr srq;

  void SetUp() override {
    ExpPairTest::SetUp();
    if (IsSkipped()) return;
    ibv_exp_create_srq_attr attr{};
    attr.base.attr = {16, 2, 0};
    attr.srq_type = IBV_EXP_SRQT_TAG_MATCHING;
    attr.pd = pd.get();
    attr.comp_mask = IBV_EXP_CREATE_SRQ_CQ | IBV_EXP_CREATE_SRQ_TM;
    attr.cq = cq.get();
    attr.tm_cap = {8, 8};
    srq.reset(ibv_exp_create_srq(context.get(), &attr));
    ASSERT_NE(srq, nullptr);
    ibv_exp_qp_init_attr init = qp_attr(cq.get());
    init.srq = srq.get();
    qp.reset(ibv_exp_create_qp(context.get(), &init));
    ASSERT_NE(qp, nullptr);
    peer = std::make_unique<Side>(running_peer(), EndOptions{});
    there = peer->address();
    connect();
  }
  void TearDown() override {
    qp.reset();
    srq.reset();
    ExpPairTest::TearDown();
  }

  /// A message with a tag header in front of its payload.
  void send_tagged(uint64_t tag, uint32_t app, const std::string& payload) {
    ibv_exp_tmh header{};
    header.opcode = IBV_EXP_TMH_EAGER;
    header.app_ctx = htobe32(app);
    header.tag = htobe64(tag);
    Bytes bytes(sizeof header + payload.size());
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, payload.data(), payload.size());
    peer->store(0, bytes);
    ASSERT_POSTED(peer->post_send(send_wr(1, {there.sge(0, bytes.size())})));
  }
};

TEST_F(ExpTagTest, AMessageGoesWhereItsTagIsExpected) {
  ibv_sge at = sge(128, 64);
  ibv_exp_ops_wr add{}, *bad = nullptr;
  add.wr_id = 1, add.opcode = IBV_EXP_WR_TAG_ADD, add.flags = IBV_EXP_OPS_SIGNALED | IBV_EXP_OPS_TM_SYNC;
  add.tm.add.recv_wr_id = 2, add.tm.add.sg_list = &at, add.tm.add.num_sge = 1;
  add.tm.add.tag = 0x1234, add.tm.add.mask = ~uint64_t{0};
  ASSERT_EQ(ibv_exp_post_srq_ops(srq.get(), &add, &bad), 0);
  auto added = wait_exp(cq.get());
  ASSERT_EXP_DONE(added, 1);
  EXPECT_EQ(added[0].exp_opcode, IBV_EXP_WC_TM_ADD);
  send_tagged(0x1234, 77, "matched");
  auto wcs = wait_exp(cq.get());
  for (Deadline deadline;
       wcs.size() == 1 && !(wcs[0].exp_wc_flags & IBV_EXP_WC_TM_DATA_VALID) && !deadline.expired();) {
    wcs = wait_exp(cq.get());  // match and data may be told one after the other
  }
  ASSERT_EXP_DONE(wcs, 2);
  EXPECT_EQ(wcs[0].exp_opcode, IBV_EXP_WC_TM_RECV);
  EXPECT_EQ(wcs[0].tm_info.tag, 0x1234u);
  EXPECT_EQ(wcs[0].tm_info.priv, 77u);
  EXPECT_TRUE(wcs[0].exp_wc_flags & IBV_EXP_WC_TM_MATCH);
  EXPECT_EQ(std::memcmp(buffer.data() + 128, "matched", 7), 0);
}

TEST_F(ExpTagTest, OperationsThatDoNotFitAreNotDone) {
  ibv_exp_ops_wr add{}, *bad = nullptr;
  add.opcode = static_cast<ibv_exp_ops_wr_opcode>(9);
  EXPECT_EQ(ibv_exp_post_srq_ops(srq.get(), &add, &bad), EINVAL);
  EXPECT_EQ(bad, &add);
}

TEST_F(ExpTest, OfASharedReceiveQueueWhatIsNotKnownIsRefused) {
  CqPtr cq = make_cq();
  ibv_exp_create_srq_attr attr{};
  attr.base.attr = {16, 2, 0};
  attr.srq_type = IBV_EXP_SRQT_BASIC;
  attr.pd = pd.get();
  SrqPtr srq(ibv_exp_create_srq(context.get(), &attr));
  EXPECT_NE(srq, nullptr);
  attr.comp_mask = IBV_EXP_CREATE_SRQ_MP_WR;
  EXPECT_NULL_ERRNO(EOPNOTSUPP, ibv_exp_create_srq(context.get(), &attr));
  attr.comp_mask = IBV_EXP_CREATE_SRQ_RESERVED;
  EXPECT_NULL_ERRNO(EINVAL, ibv_exp_create_srq(context.get(), &attr));
  attr.comp_mask = 0;
  attr.srq_type = static_cast<ibv_exp_srq_type>(7);
  EXPECT_NULL_ERRNO(EINVAL, ibv_exp_create_srq(context.get(), &attr));
}

}  // namespace
}  // namespace vt
