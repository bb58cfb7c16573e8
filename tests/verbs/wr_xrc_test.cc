// SPDX-License-Identifier: BSD-2-Clause
// The ibv_wr_* interface of an XRC initiator: each request names its SRQ by a setter. `a` builds; `b` has the target.
#include "support/missing.h"
#include "support/pair.h"

namespace vt {
namespace {

class WrXrcTest : public PairTest {
 protected:
  QpPtr initiator;
  ibv_qp_ex* ex = nullptr;
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    ContextPtr context = open_device();
    ibv_device_attr attr{};
    ibv_query_device(context.get(), &attr);
    if (!(attr.device_cap_flags & IBV_DEVICE_XRC)) SKIP_ON_OTHERS("this device has no XRC");
    EndOptions for_b = options;
    for_b.type = IBV_QPT_XRC_RECV;
    make(options, for_b);
    make_initiator();
    ASSERT_NE(initiator, nullptr) << errno;
    at_a = a().address();
    at_a.qpn = initiator->qp_num;
    at_b = b().address();
    connect_own();
    ASSERT_EQ(b().connect(at_a, link), 0);
  }
  void TearDown() override {
    initiator.reset();
    PairTest::TearDown();
  }
  void make_initiator() {
    ibv_qp_init_attr_ex attr{};
    attr.send_cq = a().local().send_cq();
    attr.cap = {8, 0, 1, 0, 0};
    attr.qp_type = IBV_QPT_XRC_SEND;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = a().local().pd();
    attr.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
    errno = 0;
    initiator.reset(ibv_create_qp_ex(a().local().context(), &attr));
    ex = initiator ? ibv_qp_to_qp_ex(initiator.get()) : nullptr;
  }
  void connect_own() {
    ibv_context* context = a().local().context();
    ibv_qp_attr attr = init_attr(link);
    ASSERT_EQ(ibv_modify_qp(initiator.get(), &attr, init_mask()), 0);
    attr = rtr_attr(at_b, link, gid_index(context), active_mtu(context));
    ASSERT_EQ(ibv_modify_qp(initiator.get(), &attr, rtr_mask(IBV_QPT_XRC_SEND)), 0);
    attr = rts_attr(at_a.psn, link);
    ASSERT_EQ(ibv_modify_qp(initiator.get(), &attr, rts_mask(IBV_QPT_XRC_SEND)), 0);
  }
  // Two SENDs in one post, each with the SRQ's number.
  void send_two(uint32_t srq) {
    ibv_wr_start(ex);
    for (uint64_t id : {7, 8}) {
      ex->wr_id = id;
      ex->wr_flags = IBV_SEND_SIGNALED;
      ibv_wr_send_imm(ex, htobe32(static_cast<uint32_t>(id)));
      ibv_wr_set_xrc_srqn(ex, srq);
      ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 64);
    }
    ASSERT_EQ(ibv_wr_complete(ex), 0);
  }
};

TEST_P(WrXrcTest, ARequestNamesItsSrq) {
  a().fill(0, 64, 3);
  ASSERT_POSTED(b().post_recv({recv_wr(1, {at_b.sge(0, 64)}), recv_wr(2, {at_b.sge(64, 64)})}));
  send_two(b().srq_number());
  const auto wcs = b().wait_recv(2);
  ASSERT_TRUE(completed_all(wcs, {1, 2}, IBV_WC_SUCCESS));
  EXPECT_EQ(wcs[0].imm_data, htobe32(7));
  EXPECT_EQ(wcs[1].imm_data, htobe32(8));
  EXPECT_EQ(b().mismatch(64, 64, 3), -1);
  EXPECT_TRUE(completed_all(a().wait_send(2), {7, 8}, IBV_WC_SUCCESS));
}

TEST_P(WrXrcTest, OneThatDoesNotExistIsRefused) {
  send_two(b().srq_number() ^ 0x7ff);
  const auto wcs = a().wait_send(2);
  ASSERT_EQ(wcs.size(), 2u);
  EXPECT_STATUS(one_of(wcs, 0), 7, IBV_WC_REM_INV_REQ_ERR);
  EXPECT_STATUS(one_of(wcs, 1), 8, IBV_WC_WR_FLUSH_ERR);
}

INSTANTIATE_TEST_SUITE_P(Both, WrXrcTest, kRc, param_name);

}  // namespace
}  // namespace vt
