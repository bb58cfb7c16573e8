// SPDX-License-Identifier: BSD-2-Clause
// Queue pairs of the era: creation, and every plain opcode.
#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

using ExpQpTest = ExpPairTest;

TEST_F(ExpQpTest, SendsInBothDirections) {
  peer->fill(0, 100, 1);
  ASSERT_POSTED(peer->post_recv(recv_wr(1, {there.sge(1000, 200)})));
  fill_pattern(std::span(buffer).subspan(0, 200), 9);
  ibv_sge at = sge(0, 200);
  ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_SEND_WITH_IMM, 2, &at);
  wr.ex.imm_data = 0x11223344;
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 2);
  auto received = peer->wait_recv();
  ASSERT_DONE(received, 1);
  EXPECT_EQ(received[0].imm_data, 0x11223344u);
  EXPECT_EQ(peer->mismatch(1000, 200, 9), -1);
  ibv_sge to = sge(512, 300);
  ibv_recv_wr recv{.wr_id = 3, .next = nullptr, .sg_list = &to, .num_sge = 1}, *bad;
  ASSERT_EQ(ibv_post_recv(qp.get(), &recv, &bad), 0);
  ASSERT_POSTED(peer->post_send(send_imm_wr(4, {there.sge(0, 100)}, 77)));
  auto wcs = wait_exp(cq.get());
  ASSERT_EXP_DONE(wcs, 3);
  EXPECT_EQ(wcs[0].exp_opcode, IBV_EXP_WC_RECV);
  EXPECT_EQ(wcs[0].byte_len, 100u);
  EXPECT_EQ(wcs[0].imm_data, 77u);
  EXPECT_TRUE(wcs[0].exp_wc_flags & IBV_EXP_WC_WITH_IMM);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(buffer).subspan(512, 100), 1), -1);
}

TEST_F(ExpQpTest, WritesReadsAndAtomicsDoWhatTheySay) {
  fill_pattern(std::span(buffer).subspan(0, 64), 2);
  ibv_sge at = sge(0, 64), back = sge(64, 64), word = sge(256, 8);
  ibv_exp_send_wr write = exp_wr(IBV_EXP_WR_RDMA_WRITE, 1, &at), read = exp_wr(IBV_EXP_WR_RDMA_READ, 2, &back);
  write.wr.rdma.remote_addr = read.wr.rdma.remote_addr = there.buffer + 128;
  write.wr.rdma.rkey = read.wr.rdma.rkey = there.rkey;
  write.exp_send_flags |= IBV_EXP_SEND_INLINE;
  ibv_exp_send_wr add = exp_wr(IBV_EXP_WR_ATOMIC_FETCH_AND_ADD, 3, &word);
  add.wr.atomic.remote_addr = there.buffer + 1024;
  add.wr.atomic.compare_add = 5;
  add.wr.atomic.rkey = there.rkey;
  ibv_exp_send_wr swap = exp_wr(IBV_EXP_WR_ATOMIC_CMP_AND_SWP, 4, &word);
  swap.wr.atomic.remote_addr = there.buffer + 1024;
  swap.wr.atomic.compare_add = 105, swap.wr.atomic.swap = 1, swap.wr.atomic.rkey = there.rkey;
  set_remote<uint64_t>(1024, 100);
  write.next = &read, read.next = &add, add.next = &swap;
  ibv_exp_send_wr* bad = nullptr;
  ASSERT_EQ(ibv_exp_post_send(qp.get(), &write, &bad), 0);
  auto wcs = wait_exp(cq.get(), 4);
  ASSERT_EQ(wcs.size(), 4u);
  const ibv_exp_wc_opcode opcodes[] = {IBV_EXP_WC_RDMA_WRITE, IBV_EXP_WC_RDMA_READ, IBV_EXP_WC_FETCH_ADD,
                                       IBV_EXP_WC_COMP_SWAP};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(wcs[i].status, IBV_WC_SUCCESS);
    EXPECT_EQ(wcs[i].wr_id, i + 1);
    EXPECT_EQ(wcs[i].exp_opcode, opcodes[i]);
  }
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(buffer).subspan(64, 64), 2), -1);
  EXPECT_EQ(local<uint64_t>(256), 105u);
  EXPECT_EQ(remote<uint64_t>(1024), 1u);
}

TEST_F(ExpQpTest, AListStopsAtTheFirstBadRequest) {
  ASSERT_POSTED(peer->post_recv(recv_wr(1)));
  ibv_exp_send_wr good = exp_wr(IBV_EXP_WR_SEND, 1, nullptr),
                  wrong = exp_wr(static_cast<ibv_exp_wr_opcode>(0x70), 2, nullptr);
  ibv_exp_send_wr after = exp_wr(IBV_EXP_WR_SEND, 3, nullptr), *bad = nullptr;
  good.next = &wrong, wrong.next = &after;
  EXPECT_EQ(ibv_exp_post_send(qp.get(), &good, &bad), EOPNOTSUPP);
  EXPECT_EQ(bad, &wrong);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 1);
  after.exp_send_flags |= IBV_EXP_SEND_WITH_CALC;
  EXPECT_EQ(post(after), EOPNOTSUPP);
}

TEST_F(ExpTest, AQueuePairGrantsWhatItHas) {
  CqPtr cq = make_cq();
  ibv_exp_qp_init_attr attr = qp_attr(cq.get());
  attr.comp_mask |= IBV_EXP_QP_INIT_ATTR_INL_RECV | IBV_EXP_QP_INIT_ATTR_PORT | IBV_EXP_QP_INIT_ATTR_QPG;
  attr.max_inl_recv = 512;
  attr.port_num = 1;
  QpPtr qp(ibv_exp_create_qp(context.get(), &attr));
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(attr.max_inl_recv, 0u);
  EXPECT_GE(attr.cap.max_inline_data, 64u);
  EXPECT_EQ(qp->pd, pd.get());
  EXPECT_EQ(qp->qp_type, IBV_QPT_RC);
}

TEST_F(ExpTest, OfAQueuePairWhatIsNotKnownIsRefused) {
  CqPtr cq = make_cq();
  const auto create = [&](auto change) {
    ibv_exp_qp_init_attr attr = qp_attr(cq.get());
    change(attr);
    return QpPtr(ibv_exp_create_qp(context.get(), &attr));
  };
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.comp_mask |= IBV_EXP_QP_INIT_ATTR_RESERVED1; }));
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.max_atomic_arg = 64; }));
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.cap.max_send_wr = 1 << 30; }));
  EXPECT_NULL_ERRNO(EOPNOTSUPP, create([](auto& attr) { attr.exp_create_flags = IBV_EXP_QP_CREATE_RX_END_PADDING; }));
  EXPECT_NULL_ERRNO(EOPNOTSUPP, create([](auto& attr) {
                      attr.comp_mask |= IBV_EXP_QP_INIT_ATTR_QPG;
                      attr.qpg.qpg_type = IBV_EXP_QPG_PARENT;
                    }));
  QpPtr qp = create([](auto&) {});
  ASSERT_NE(qp, nullptr);
  ibv_exp_qp_attr attr{};
  EXPECT_EQ(ibv_exp_modify_qp(qp.get(), &attr, IBV_EXP_QP_FLOW_ENTROPY), EOPNOTSUPP);
  EXPECT_EQ(ibv_exp_modify_qp(qp.get(), &attr, IBV_EXP_QP_OOO_RW_DATA_PLACEMENT), 0)
      << "data may be placed out of order";
  attr.comp_mask = IBV_EXP_QP_ATTR_RESERVED;
  EXPECT_EQ(ibv_exp_modify_qp(qp.get(), &attr, IBV_EXP_QP_STATE), EINVAL);
}

}  // namespace
}  // namespace vt
