// SPDX-License-Identifier: BSD-2-Clause
// RC errors that are found in a program's own memory and receives, beyond those of error_table_test.cc: each stands in
// a longer chain here.
#include "support/pair.h"

namespace vt {
namespace {

class LocalErrorTest : public ConnectedTest {
 protected:
  static constexpr int kNoLocalWrite = IBV_ACCESS_REMOTE_READ;

  static ibv_sge sge_of(const Region& region, uint32_t size = 64) { return {region.addr, size, region.lkey}; }
  ibv_sge bad_key(const Address& at) { return {at.buffer, 64, at.lkey ^ 0x5a5a5a00}; }

  void expect_states(ibv_qp_state of_a, ibv_qp_state of_b) {
    EXPECT_EQ(a().state(), of_a);
    EXPECT_EQ(b().state(), of_b);
  }
  // The bad request of a fails alone; b never hears of it.
  void expect_local_failure(SendWr bad, ibv_wc_status status = IBV_WC_LOC_PROT_ERR) {
    bad.wr.wr_id = 1;
    ASSERT_POSTED(b().post_recv(recv_wr(100)));
    ASSERT_POSTED(a().post_recv(recv_wr(200)));
    ASSERT_POSTED(a().post_send({send_wr(0, {}), bad, send_wr(2, {}, 0), write_wr(3, {}, 0, 0)}));
    auto wcs = a().wait_send(4);
    ASSERT_EQ(wcs.size(), 4u);
    EXPECT_DONE(one_of(wcs, 0), 0);
    EXPECT_STATUS(one_of(wcs, 1), 1, status);
    EXPECT_STATUS(one_of(wcs, 2), 2, IBV_WC_WR_FLUSH_ERR);
    EXPECT_STATUS(one_of(wcs, 3), 3, IBV_WC_WR_FLUSH_ERR);
    EXPECT_STATUS(a().wait_recv(), 200, IBV_WC_WR_FLUSH_ERR);
    EXPECT_DONE(b().wait_recv(), 100);
    expect_states(IBV_QPS_ERR, IBV_QPS_RTS);
  }
  // The receive of b fails and the send of a with it; everything behind them flushes.
  void expect_receive_failure(RecvWr bad, SendWr request, ibv_wc_status at_receiver, ibv_wc_status at_sender) {
    bad.wr_id = 100;
    request.wr.wr_id = 1;
    ASSERT_POSTED(b().post_recv({bad, recv_wr(101)}));
    ASSERT_POSTED(a().post_recv(recv_wr(200)));
    ASSERT_POSTED(a().post_send({request, send_wr(2, {}, 0)}));
    auto wcs = b().wait_recv(2);
    ASSERT_EQ(wcs.size(), 2u);
    EXPECT_STATUS(one_of(wcs, 0), 100, at_receiver);
    EXPECT_STATUS(one_of(wcs, 1), 101, IBV_WC_WR_FLUSH_ERR);
    wcs = a().wait_send(2);
    ASSERT_EQ(wcs.size(), 2u);
    EXPECT_STATUS(one_of(wcs, 0), 1, at_sender);
    EXPECT_STATUS(one_of(wcs, 1), 2, IBV_WC_WR_FLUSH_ERR);
    EXPECT_STATUS(a().wait_recv(), 200, IBV_WC_WR_FLUSH_ERR);
    expect_states(IBV_QPS_ERR, IBV_QPS_ERR);
  }
};

class LocalSendErrorTest : public LocalErrorTest {};
class LocalReceiveErrorTest : public LocalErrorTest {};

TEST_P(LocalSendErrorTest, SendWhoseSecondSgeHasAWrongKey) {
  expect_local_failure(send_wr(1, {at_a.sge(0, 8), bad_key(at_a)}));
}

TEST_P(LocalSendErrorTest, WriteFromAWrongKey) {
  expect_local_failure(write_wr(1, {bad_key(at_a)}, at_b.buffer, at_b.rkey));
}

TEST_P(LocalSendErrorTest, SendFromBeforeTheRegion) {
  Region region = a().reg(4096, 4096, kAllAccess);
  expect_local_failure(send_wr(1, {{region.addr - 1, 64, region.lkey}}));
}

TEST_P(LocalSendErrorTest, SendFromADeregisteredRegion) {
  Region region = a().reg(0, 4096, kAllAccess);
  ASSERT_EQ(a().dereg(region.id), 0);
  expect_local_failure(send_wr(1, {sge_of(region)}));
}

TEST_P(LocalSendErrorTest, UnsignaledSendFailsVisibly) { expect_local_failure(send_wr(1, {bad_key(at_a)}, 0)); }

TEST_P(LocalSendErrorTest, ReadIntoAWrongKey) {
  expect_local_failure(read_wr(1, {bad_key(at_a)}, at_b.buffer, at_b.rkey));
}

TEST_P(LocalSendErrorTest, AtomicIntoARegionWithoutLocalWrite) {
  Region region = a().reg(0, 4096, kNoLocalWrite);
  expect_local_failure(fetch_add_wr(1, {sge_of(region, 8)}, at_b.buffer, at_b.rkey, 1));
}

TEST_P(LocalSendErrorTest, SendFromARegionWithoutLocalWriteIsFine) {
  Region region = a().reg(0, 4096, kNoLocalWrite);
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {sge_of(region)})));
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 1);
}

TEST_P(LocalSendErrorTest, AnEmptySgeIsNotChecked) {
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 8), {0, 0, 0}})));
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 1);
}

TEST_P(LocalReceiveErrorTest, ReceiveTooSmallForALargeMessage) {
  expect_receive_failure(recv_wr(1, {at_b.sge(0, 30000)}), send_wr(1, {at_a.sge(0, 50000)}), IBV_WC_LOC_LEN_ERR,
                         IBV_WC_REM_INV_REQ_ERR);
}

TEST_P(LocalReceiveErrorTest, ReceiveWithoutRoomAtAll) {
  expect_receive_failure(recv_wr(1), send_wr(1, {at_a.sge(0, 1)}), IBV_WC_LOC_LEN_ERR, IBV_WC_REM_INV_REQ_ERR);
}

TEST_P(LocalReceiveErrorTest, ReceiveWithAKeyOfAnotherPd) {
  Region other = b().reg_in_other_pd(0, 4096, kAllAccess);
  expect_receive_failure(recv_wr(1, {sge_of(other)}), send_wr(1, {at_a.sge(0, 64)}), IBV_WC_LOC_PROT_ERR,
                         IBV_WC_REM_OP_ERR);
}

TEST_P(LocalReceiveErrorTest, ReceiveIntoADeregisteredRegion) {
  Region region = b().reg(0, 4096, kAllAccess);
  ASSERT_EQ(b().dereg(region.id), 0);
  expect_receive_failure(recv_wr(1, {sge_of(region)}), send_wr(1, {at_a.sge(0, 64)}), IBV_WC_LOC_PROT_ERR,
                         IBV_WC_REM_OP_ERR);
}

TEST_P(LocalReceiveErrorTest, ReceiveBehindTheRegion) {
  expect_receive_failure(recv_wr(1, {at_b.sge(at_b.length - 32, 64)}), send_wr(1, {at_a.sge(0, 64)}),
                         IBV_WC_LOC_PROT_ERR, IBV_WC_REM_OP_ERR);
}

TEST_P(LocalReceiveErrorTest, AWrongKeyDoesNotMatterForAnEmptyMessage) {
  ASSERT_POSTED(b().post_recv(recv_wr(1, {bad_key(at_b)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {})));
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 1);
}

INSTANTIATE_TEST_SUITE_P(Both, LocalSendErrorTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, LocalReceiveErrorTest, kRc, param_name);

}  // namespace
}  // namespace vt
