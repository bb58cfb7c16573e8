// SPDX-License-Identifier: BSD-2-Clause
// The ibv_wr_* post interface. `a` posts with it from a QP of its own; `b` is a plain end.
#include "support/missing.h"
#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

class WrApiTest : public PairTest {
 protected:
  static constexpr uint64_t kOps = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM | IBV_QP_EX_WITH_RDMA_WRITE |
                                   IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;
  static constexpr uint64_t kRcOps =
      kOps | IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP | IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD;

  QpPtr qp;
  ibv_qp_ex* ex = nullptr;
  ibv_cq* cq = nullptr;
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make();
    cq = a().local().send_cq();
    make_qp(is_rc() ? kRcOps : kOps);
    if (!qp) SKIP_ON_OTHERS("this device has no ibv_wr_* interface");
    ex = ibv_qp_to_qp_ex(qp.get());
    at_a = a().address();
    at_a.qpn = qp->qp_num;
    at_b = b().address();
    ASSERT_EQ(connect_own(), 0);
    ASSERT_EQ(b().connect(at_a, link), 0);
  }
  void TearDown() override {
    qp.reset();
    PairTest::TearDown();
  }
  void make_qp(uint64_t ops) {
    ibv_qp_init_attr_ex attr{};
    attr.send_cq = attr.recv_cq = cq;
    attr.cap = {64, 64, 4, 4, 64};
    attr.qp_type = GetParam().type;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = a().local().pd();
    attr.send_ops_flags = ops;
    qp.reset(ibv_create_qp_ex(a().local().context(), &attr));
  }
  int connect_own() {
    ibv_context* context = a().local().context();
    ibv_qp_attr attr = init_attr(link);
    if (int rc = ibv_modify_qp(qp.get(), &attr, init_mask())) return rc;
    attr = rtr_attr(at_b, link, gid_index(context), active_mtu(context));
    if (int rc = ibv_modify_qp(qp.get(), &attr, rtr_mask(GetParam().type))) return rc;
    attr = rts_attr(at_a.psn, link);
    return ibv_modify_qp(qp.get(), &attr, rts_mask(GetParam().type));
  }
  void begin(uint64_t id, unsigned flags = IBV_SEND_SIGNALED) {
    ibv_wr_start(ex);
    next(id, flags);
  }
  void next(uint64_t id, unsigned flags = IBV_SEND_SIGNALED) {
    ex->wr_id = id;
    ex->wr_flags = flags;
  }
  std::vector<ibv_wc> wait(int count = 1) { return wait_cq(cq, count); }
};

class RcWrApiTest : public WrApiTest {};

TEST_P(WrApiTest, SendCarriesOneSge) {
  a().fill(0, 500, 1);
  ASSERT_POSTED(b().post_recv(recv_wr(7, {at_b.sge(0, 500)})));
  begin(1);
  ibv_wr_send(ex);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 500);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  auto wcs = wait();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_SEND);
  ASSERT_DONE(b().wait_recv(), 7);
  EXPECT_EQ(b().mismatch(0, 500, 1), -1);
}

TEST_P(WrApiTest, SendWithImmediateCarriesAListOfSges) {
  a().fill(0, 300, 1);
  ASSERT_POSTED(b().post_recv(recv_wr(7, {at_b.sge(0, 300)})));
  ibv_sge list[] = {at_a.sge(0, 100), at_a.sge(100, 0), at_a.sge(100, 200)};
  begin(1);
  ibv_wr_send_imm(ex, htobe32(99));
  ibv_wr_set_sge_list(ex, 3, list);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  ASSERT_DONE(wait(), 1);
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 7);
  EXPECT_EQ(wcs[0].imm_data, htobe32(99));
  EXPECT_EQ(b().mismatch(0, 300, 1), -1);
}

TEST_P(WrApiTest, WriteThenWriteWithImmediateInOneBatch) {
  a().fill(0, 300, 1);
  ASSERT_POSTED(b().post_recv(recv_wr(7)));
  begin(1, 0);
  ibv_wr_rdma_write(ex, at_b.rkey, at_b.buffer);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 100);
  next(2);
  ibv_wr_rdma_write_imm(ex, at_b.rkey, at_b.buffer + 100, htobe32(5));
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer + 100, 200);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  ASSERT_DONE(wait(), 2);
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 7);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV_RDMA_WITH_IMM);
  EXPECT_EQ(wcs[0].imm_data, htobe32(5));
  EXPECT_EQ(wcs[0].byte_len, 200u);
  EXPECT_EQ(b().mismatch(0, 300, 1), -1);
}

TEST_P(WrApiTest, InlineDataIsCopiedAtOnce) {
  uint8_t loose[60];
  fill_pattern(loose, 3);
  ASSERT_POSTED(b().post_recv(recv_wr(7, {at_b.sge(0, 60)})));
  begin(1);
  ibv_wr_send(ex);
  ibv_wr_set_inline_data(ex, loose, sizeof loose);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  fill_pattern(loose, 999);
  ASSERT_DONE(wait(), 1);
  ASSERT_DONE(b().wait_recv(), 7);
  EXPECT_EQ(b().mismatch(0, 60, 3), -1);
}

TEST_P(WrApiTest, InlineDataListIsGathered) {
  uint8_t loose[60];
  fill_pattern(loose, 3);
  ibv_data_buf list[] = {{loose, 10}, {loose + 10, 0}, {loose + 10, 50}};
  ASSERT_POSTED(b().post_recv(recv_wr(7, {at_b.sge(0, 60)})));
  begin(1);
  ibv_wr_send(ex);
  ibv_wr_set_inline_data_list(ex, 3, list);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  ASSERT_DONE(wait(), 1);
  ASSERT_DONE(b().wait_recv(), 7);
  EXPECT_EQ(b().mismatch(0, 60, 3), -1);
}

TEST_P(WrApiTest, AbortPostsNothing) {
  begin(1);
  ibv_wr_send(ex);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 8);
  ibv_wr_abort(ex);
  ASSERT_POSTED(b().post_recv(recv_wr(7, {at_b.sge(0, 8)})));
  begin(2);
  ibv_wr_send(ex);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 8);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  EXPECT_DONE(wait(), 2);
  EXPECT_DONE(b().wait_recv(), 7);
  EXPECT_TRUE(poll_now(cq).empty());
}

TEST_P(WrApiTest, ABatchBeyondTheQueueFailsAsAWhole) {
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(qp.get(), &attr, IBV_QP_CAP, &init), 0);
  ibv_wr_start(ex);
  for (uint32_t i = 0; i <= init.cap.max_send_wr; ++i) {
    next(i);
    ibv_wr_rdma_write(ex, at_b.rkey, at_b.buffer);
    ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 8);
  }
  int rc = ibv_wr_complete(ex);
  EXPECT_TRUE(rc == ENOMEM || rc == ENOSPC) << rc;
  EXPECT_TRUE(poll_now(cq).empty());
}

TEST_P(WrApiTest, TheOldInterfaceWorksOnTheSameQp) {
  ASSERT_POSTED(b().post_recv(recv_wr(7, {at_b.sge(0, 8)})));
  ibv_sge sge = at_a.sge(0, 8);
  ibv_send_wr wr = send_wr(1, {}).wr, *bad = nullptr;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  ASSERT_EQ(ibv_post_send(qp.get(), &wr, &bad), 0);
  EXPECT_DONE(wait(), 1);
  EXPECT_DONE(b().wait_recv(), 7);
}

TEST_P(RcWrApiTest, ReadFetches) {
  b().fill(0, 400, 2);
  begin(1);
  ibv_wr_rdma_read(ex, at_b.rkey, at_b.buffer);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer + 100, 400);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  auto wcs = wait();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RDMA_READ);
  EXPECT_EQ(a().mismatch(100, 400, 2), -1);
}

TEST_P(RcWrApiTest, AtomicsReturnTheOldValue) {
  b().store(0, Bytes{10, 0, 0, 0, 0, 0, 0, 0});
  begin(1);
  ibv_wr_atomic_fetch_add(ex, at_b.rkey, at_b.buffer, 5);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 8);
  next(2);
  ibv_wr_atomic_cmp_swp(ex, at_b.rkey, at_b.buffer, 15, 77);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer + 8, 8);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  auto wcs = wait(2);
  ASSERT_TRUE(completed_all(wcs, {1, 2}, IBV_WC_SUCCESS));
  EXPECT_EQ(wcs[0].opcode, IBV_WC_FETCH_ADD);
  EXPECT_EQ(wcs[1].opcode, IBV_WC_COMP_SWAP);
  EXPECT_EQ(a().load(0, 1)[0], 10);
  EXPECT_EQ(a().load(8, 1)[0], 15);
  EXPECT_EQ(b().load(0, 1)[0], 77);
}

INSTANTIATE_TEST_SUITE_P(Both, WrApiTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, RcWrApiTest, kRc, param_name);

}  // namespace
}  // namespace vt
