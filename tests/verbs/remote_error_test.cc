// SPDX-License-Identifier: BSD-2-Clause
// RC requests that the responder refuses, beyond those of error_table_test.cc: each stands in a longer chain here.
#include "support/pair.h"

namespace vt {
namespace {

class RemoteErrorTest : public ConnectedTest {
 protected:
  static constexpr int kReadOnly = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ;
  static constexpr int kWriteOnly = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;

  SendWr write_to(uint64_t address, uint32_t rkey, uint64_t size = 8) {
    return write_wr(1, {at_a.sge(0, size)}, address, rkey);
  }
  SendWr read_from(uint64_t address, uint32_t rkey) { return read_wr(1, {at_a.sge(0, 8)}, address, rkey); }
  SendWr add_to(uint64_t address, uint32_t rkey) { return fetch_add_wr(1, {at_a.sge(0, 8)}, address, rkey, 1); }

  // A good request, then the bad one, then others: success, the error, flush; everything in order.
  void expect_refused(SendWr bad, ibv_wc_status status) {
    bad.wr.wr_id = 1;
    ASSERT_POSTED(b().post_recv({recv_wr(100), recv_wr(101), recv_wr(102)}));
    ASSERT_POSTED(a().post_recv({recv_wr(200), recv_wr(201)}));
    ASSERT_POSTED(a().post_send({send_wr(0, {}), bad, send_wr(2, {}, 0), write_wr(3, {}, 0, 0)}));
    expect_requester(status);
    expect_responder();
  }
  void expect_requester(ibv_wc_status status) {
    auto wcs = a().wait_send(4);
    ASSERT_EQ(wcs.size(), 4u);
    EXPECT_DONE(one_of(wcs, 0), 0);
    EXPECT_STATUS(one_of(wcs, 1), 1, status);
    EXPECT_STATUS(one_of(wcs, 2), 2, IBV_WC_WR_FLUSH_ERR);
    EXPECT_STATUS(one_of(wcs, 3), 3, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
    EXPECT_TRUE(completed_all(a().wait_recv(2), {200, 201}, IBV_WC_WR_FLUSH_ERR));
  }
  void expect_responder() {
    auto wcs = b().wait_recv(3);
    ASSERT_EQ(wcs.size(), 3u);
    EXPECT_DONE(one_of(wcs, 0), 100);
    EXPECT_STATUS(one_of(wcs, 1), 101, IBV_WC_WR_FLUSH_ERR);
    EXPECT_STATUS(one_of(wcs, 2), 102, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(b().state(), IBV_QPS_ERR);
  }
};

TEST_P(RemoteErrorTest, LargeWriteWithAWrongKey) {
  expect_refused(write_to(at_b.buffer, at_b.rkey ^ 0x5a5a5a00, 50000), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, ReadWithAWrongKey) {
  expect_refused(read_from(at_b.buffer, at_b.rkey ^ 0x5a5a5a00), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, AtomicWithAWrongKey) {
  expect_refused(add_to(at_b.buffer, at_b.rkey ^ 0x5a5a5a00), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, ReadWithAKeyOfAnotherPd) {
  Region other = b().reg_in_other_pd(0, 4096, kAllAccess);
  expect_refused(read_from(other.addr, other.rkey), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, WriteBeforeTheRegion) {
  Region part = b().reg(4096, 4096, kAllAccess);
  expect_refused(write_to(part.addr - 1, part.rkey), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, ReadBehindTheRegion) {
  expect_refused(read_from(at_b.buffer + at_b.length - 7, at_b.rkey), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, AddressThatWrapsAround) {
  expect_refused(write_to(~uint64_t{0} - 3, at_b.rkey), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, RefusedWriteChangesNothing) {
  b().fill(at_b.length - 4096, 4096, 6);
  expect_refused(write_to(at_b.buffer + at_b.length - 4000, at_b.rkey, 4096), IBV_WC_REM_ACCESS_ERR);
  EXPECT_EQ(b().mismatch(at_b.length - 4096, 4096, 6), -1);
}

TEST_P(RemoteErrorTest, WriteToADeregisteredRegion) {
  Region region = b().reg(0, 4096, kAllAccess);
  ASSERT_POSTED(a().post_send(write_to(region.addr, region.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  ASSERT_EQ(b().dereg(region.id), 0);
  expect_refused(write_to(region.addr, region.rkey), IBV_WC_REM_ACCESS_ERR);
}

TEST_P(RemoteErrorTest, ReadFromADeregisteredRegion) {
  Region region = b().reg(0, 4096, kAllAccess);
  ASSERT_EQ(b().dereg(region.id), 0);
  expect_refused(read_from(region.addr, region.rkey), IBV_WC_REM_ACCESS_ERR);
}

// What the QP itself allows, whatever the region does.
class QpAccessTest : public RemoteErrorTest {
 protected:
  void SetUp() override { PairTest::SetUp(); }
};

TEST_P(QpAccessTest, SendNeedsNoAccessAtAll) {
  make();
  Link of_b = link;
  of_b.qp_access = 0;
  of_b.dest_rd_atomic = 0;
  connect(link, of_b);
  fence_by_send();
}

INSTANTIATE_TEST_SUITE_P(Both, RemoteErrorTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, QpAccessTest, kRc, param_name);

}  // namespace
}  // namespace vt
