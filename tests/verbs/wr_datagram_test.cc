// SPDX-License-Identifier: BSD-2-Clause
// The ibv_wr_* interface on UD QPs, and QPs that say that they are another. `a` posts from a QP of its own; `b` is a
// plain end.
#include "support/datagram.h"
#include "support/missing.h"

namespace vt {
namespace {

class WrDatagramTest : public DatagramTest {
 protected:
  QpPtr qp;

  void TearDown() override {
    qp.reset();
    DatagramTest::TearDown();
  }
  // From RESET to RTS. An errno or 0.
  int make_qp(uint32_t flags = 0, uint32_t source_qpn = 0) {
    End& own = a().local();
    ibv_qp_init_attr_ex attr{};
    attr.send_cq = own.send_cq();
    attr.recv_cq = own.recv_cq();
    attr.cap = {16, 16, 2, 2, 64};
    attr.qp_type = IBV_QPT_UD;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS | IBV_QP_INIT_ATTR_CREATE_FLAGS;
    attr.pd = own.pd();
    attr.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
    attr.create_flags = flags;
    attr.source_qpn = source_qpn;
    if (!flags) attr.comp_mask &= ~uint32_t{IBV_QP_INIT_ATTR_CREATE_FLAGS};
    errno = 0;
    qp.reset(ibv_create_qp_ex(own.context(), &attr));
    if (!qp) return errno;
    ibv_qp_attr to{};
    to.qp_state = IBV_QPS_INIT;
    to.port_num = kPort;
    to.qkey = kQkey;
    if (int rc = ibv_modify_qp(qp.get(), &to, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY)) return rc;
    to.qp_state = IBV_QPS_RTR;
    if (int rc = ibv_modify_qp(qp.get(), &to, IBV_QP_STATE)) return rc;
    to.qp_state = IBV_QPS_RTS;
    return ibv_modify_qp(qp.get(), &to, IBV_QP_STATE | IBV_QP_SQ_PSN);
  }
  // Skips the test where the device does not offer it; ours does.
  void make_qp_or_skip() {
    const int rc = make_qp();
    if (rc == EOPNOTSUPP) SKIP_ON_OTHERS("no ibv_wr_* interface");
    ASSERT_EQ(rc, 0) << strerror(rc);
  }
  ibv_qp_ex* begin(uint64_t id) {
    ibv_qp_ex* ex = ibv_qp_to_qp_ex(qp.get());
    ibv_wr_start(ex);
    ex->wr_id = id;
    ex->wr_flags = IBV_SEND_SIGNALED;
    return ex;
  }
  ibv_ah* handle() { return reinterpret_cast<ibv_ah*>(a_to_b); }
};

TEST_P(WrDatagramTest, TheAddressIsASetter) {
  make_qp_or_skip();
  if (IsSkipped() || HasFatalFailure()) return;
  a().fill(0, 64, 3);
  ASSERT_POSTED(b().post_recv({room(1, 64), room(2, 64, 1024)}));
  ibv_qp_ex* ex = begin(7);
  ibv_wr_send(ex);
  ibv_wr_set_ud_addr(ex, handle(), at_b.qpn, kQkey);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 64);
  ex->wr_id = 8;
  ibv_wr_send_imm(ex, 55);
  ibv_wr_set_ud_addr(ex, handle(), at_b.qpn, kQkey);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 64);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  auto wcs = b().wait_recv(2);
  ASSERT_TRUE(completed_all(wcs, {1, 2}, IBV_WC_SUCCESS));
  EXPECT_EQ(wcs[0].src_qp, qp->qp_num);
  EXPECT_EQ(wcs[1].imm_data, 55u);
  EXPECT_EQ(b().mismatch(kGrh, 64, 3), -1);
  EXPECT_TRUE(completed_all(a().wait_send(2), {7, 8}, IBV_WC_SUCCESS));
}

TEST_P(WrDatagramTest, WithoutAnAddressItCannotBeSent) {
  make_qp_or_skip();
  if (IsSkipped() || HasFatalFailure()) return;
  if (!device_is_ours()) GTEST_SKIP() << "adapters do not look";
  ibv_qp_ex* ex = begin(7);
  ibv_wr_send(ex);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 64);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  EXPECT_STATUS(a().wait_send(), 7, IBV_WC_LOC_QP_OP_ERR);
}

TEST_P(WrDatagramTest, ASourceQpnIsWhatTheReceiverSees) {
  const int made = make_qp(IBV_QP_CREATE_SOURCE_QPN, 0x654321);
  if (made == EPERM && !raw_packets_allowed()) GTEST_SKIP() << "needs CAP_NET_RAW";
  if (made == EOPNOTSUPP) SKIP_ON_OTHERS("the device does not offer it");
  ASSERT_EQ(made, 0);
  EXPECT_NE(qp->qp_num, 0x654321u);
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ibv_qp_ex* ex = begin(7);
  ibv_wr_send(ex);
  ibv_wr_set_ud_addr(ex, handle(), at_b.qpn, kQkey);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 64);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].src_qp, 0x654321u);
}

TEST_P(WrDatagramTest, ASourceQpnHas24Bits) {
  if (!device_is_ours()) GTEST_SKIP() << "drivers differ";
  EXPECT_EQ(make_qp(IBV_QP_CREATE_SOURCE_QPN, 0), EINVAL);
  EXPECT_EQ(make_qp(IBV_QP_CREATE_SOURCE_QPN, 1 << 24), EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Both, WrDatagramTest, kUd, param_name);

}  // namespace
}  // namespace vt
