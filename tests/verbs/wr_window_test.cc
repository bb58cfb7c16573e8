// SPDX-License-Identifier: BSD-2-Clause
// The ibv_wr_* builders of memory windows: bind, local invalidate, send with invalidate. `a` builds; `b` is a plain
// end.
#include "support/pair.h"

namespace vt {
namespace {

class WrWindowTest : public PairTest {
 protected:
  static constexpr uint64_t kOps =
      IBV_QP_EX_WITH_SEND_WITH_INV | IBV_QP_EX_WITH_LOCAL_INV | IBV_QP_EX_WITH_BIND_MW | IBV_QP_EX_WITH_SEND;

  MrPtr mr;
  MwPtr window;
  QpPtr qp;
  ibv_qp_ex* ex = nullptr;
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make();
    at_a = a().address();
    at_b = b().address();
    ibv_pd* pd = a().local().pd();
    window.reset(ibv_alloc_mw(pd, IBV_MW_TYPE_2));
    make_qp(pd);
    if ((!window || !qp) && !device_is_ours()) GTEST_SKIP() << "no memory windows, or no ibv_wr_* interface";
    ASSERT_TRUE(window && qp);
    mr.reset(ibv_reg_mr(pd, reinterpret_cast<void*>(at_a.buffer), 4096, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND));
    ASSERT_NE(mr, nullptr);
    at_a.qpn = qp->qp_num;
    connect_both();
  }
  void TearDown() override {
    window.reset();
    qp.reset();
    mr.reset();
    PairTest::TearDown();
  }
  void make_qp(ibv_pd* pd) {
    ibv_qp_init_attr_ex attr{};
    attr.send_cq = a().local().send_cq();
    attr.recv_cq = a().local().recv_cq();
    attr.cap = {16, 16, 2, 2, 0};
    attr.qp_type = IBV_QPT_RC;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = pd;
    attr.send_ops_flags = kOps;
    qp.reset(ibv_create_qp_ex(a().local().context(), &attr));
    ex = qp ? ibv_qp_to_qp_ex(qp.get()) : nullptr;
  }
  void connect_both() {
    ibv_context* context = a().local().context();
    ibv_qp_attr attr = init_attr(link);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, init_mask()), 0);
    attr = rtr_attr(at_b, link, gid_index(context), active_mtu(context));
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rtr_mask(IBV_QPT_RC)), 0);
    attr = rts_attr(at_a.psn, link);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rts_mask(IBV_QPT_RC)), 0);
    ASSERT_EQ(b().connect(at_a, link), 0);
  }
  void begin(uint64_t id) {
    ibv_wr_start(ex);
    ex->wr_id = id;
    ex->wr_flags = IBV_SEND_SIGNALED;
  }
  // The window's new key: of the region's first 64 bytes.
  void bind() {
    const uint32_t key = ibv_inc_rkey(window->rkey);
    begin(1);
    ibv_mw_bind_info info{mr.get(), at_a.buffer, 64, IBV_ACCESS_REMOTE_WRITE};
    ibv_wr_bind_mw(ex, window.get(), key, &info);
    ASSERT_EQ(ibv_wr_complete(ex), 0);
    const auto wcs = a().wait_send();
    ASSERT_DONE(wcs, 1);
    EXPECT_EQ(wcs[0].opcode, IBV_WC_BIND_MW);
    window->rkey = key;
  }
  void write_through(ibv_wc_status wanted) {
    ASSERT_POSTED(b().post_send(write_wr(9, {at_b.sge(0, 64)}, at_a.buffer, window->rkey)));
    EXPECT_STATUS(b().wait_send(), 9, wanted);
  }
};

TEST_P(WrWindowTest, ABoundWindowLetsThePeerIn) {
  b().fill(0, 64, 5);
  bind();
  write_through(IBV_WC_SUCCESS);
  EXPECT_EQ(a().mismatch(0, 64, 5), -1);
}

TEST_P(WrWindowTest, LocalInvalidateShutsIt) {
  bind();
  begin(2);
  ibv_wr_local_inv(ex, window->rkey);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  const auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 2);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_LOCAL_INV);
  write_through(IBV_WC_REM_ACCESS_ERR);
}

TEST_P(WrWindowTest, SendWithInvalidateTakesThePeersKey) {
  const uint32_t key = b().window_key();
  ASSERT_POSTED(b().post_recv(recv_wr(3, {at_b.sge(0, 64)})));
  begin(2);
  ibv_wr_send_inv(ex, key);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 64);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  // It is not bound, so that both ends see that it was this key which was sent.
  EXPECT_STATUS(b().wait_recv(), 3, IBV_WC_REM_INV_REQ_ERR);
  EXPECT_STATUS(a().wait_send(), 2, IBV_WC_REM_OP_ERR);
}

INSTANTIATE_TEST_SUITE_P(Both, WrWindowTest, kRc, param_name);

}  // namespace
}  // namespace vt
