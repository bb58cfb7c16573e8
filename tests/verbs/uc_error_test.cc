// SPDX-License-Identifier: BSD-2-Clause
// UC: what the responder refuses is dropped without a word, and the connection goes on.
#include "support/pair.h"

namespace vt {
namespace {

class UcErrorTest : public ConnectedTest {
 protected:
  // What a sent before is at its end, received or dropped: a write behind it has reached the last byte of b's buffer.
  void fence_by_write() {
    const uint64_t last = at_b.length - 1;
    const uint8_t other = static_cast<uint8_t>(~b().load(last, 1)[0]);
    a().store(0, {other});
    ASSERT_POSTED(a().post_send(write_wr(9002, {at_a.sge(0, 1)}, at_b.buffer + last, at_b.rkey)));
    ASSERT_DONE(a().wait_send(), 9002);
    ASSERT_TRUE(b().spin_on_byte(last, other));
  }

  // The sender succeeds, the receiver sees nothing, and what follows arrives.
  void expect_dropped(SendWr request) {
    b().fill(0, at_b.length, 7);
    request.wr.wr_id = 1;
    ASSERT_POSTED(a().post_send(std::move(request)));
    ASSERT_DONE(a().wait_send(), 1);
    fence_by_write();
    ASSERT_POSTED(b().post_recv(recv_wr(5)));
    ASSERT_POSTED(a().post_send(send_imm_wr(2, {}, 77)));
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, 5);
    EXPECT_EQ(wcs[0].imm_data, 77u);
    ASSERT_DONE(a().wait_send(), 2);
    EXPECT_EQ(b().mismatch(0, at_b.length - 1, 7), -1);
    EXPECT_EQ(a().state(), IBV_QPS_RTS);
    EXPECT_EQ(b().state(), IBV_QPS_RTS);
  }
  SendWr write_to(uint64_t address, uint32_t rkey) { return write_wr(1, {at_a.sge(0, 64)}, address, rkey); }
};

TEST_P(UcErrorTest, ASendThatFindsNoReceiveIsDropped) { expect_dropped(send_wr(1, {at_a.sge(0, 64)})); }

TEST_P(UcErrorTest, AWriteWithImmediateThatFindsNoReceiveIsDropped) {
  ASSERT_POSTED(a().post_send(write_imm_wr(1, {}, at_b.buffer, at_b.rkey, 1)));
  ASSERT_DONE(a().wait_send(), 1);
  fence_by_write();
  fence_by_send();
}

TEST_P(UcErrorTest, AWriteWithAKeyOfAnotherPdIsDropped) {
  Region other = b().reg_in_other_pd(0, 4096, kAllAccess);
  expect_dropped(write_to(other.addr, other.rkey));
}

TEST_P(UcErrorTest, AWriteBehindTheRegionIsDropped) {
  expect_dropped(write_to(at_b.buffer + at_b.length - 32, at_b.rkey));
}

TEST_P(UcErrorTest, AWriteToARegionWithoutRemoteWriteIsDropped) {
  Region region = b().reg(0, 4096, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ);
  expect_dropped(write_to(region.addr, region.rkey));
}

TEST_P(UcErrorTest, AMessageForNobodyIsDropped) {
  ASSERT_EQ(b().destroy_qp(), 0);
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 64)})));
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_EQ(a().state(), IBV_QPS_RTS);
}

TEST_P(UcErrorTest, AMessageTooLongForItsReceiveIsDroppedAndTheReceiveStays) {
  b().fill(0, 4096, 7);
  ASSERT_POSTED(b().post_recv(recv_wr(5, {at_b.sge(0, 32)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 64)})));
  ASSERT_DONE(a().wait_send(), 1);
  ASSERT_POSTED(a().post_send(send_imm_wr(2, {at_a.sge(0, 16)}, 77)));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 5);
  EXPECT_EQ(wcs[0].imm_data, 77u);
  EXPECT_EQ(wcs[0].byte_len, 16u);
  EXPECT_EQ(b().state(), IBV_QPS_RTS);
}

TEST_P(UcErrorTest, ASendErrorLeavesTheReceiveQueueAtWork) {
  ASSERT_POSTED(a().post_send(send_wr(1, {{at_a.buffer, 64, at_a.lkey ^ 0x5a5a5a00}})));
  ASSERT_STATUS(a().wait_send(), 1, IBV_WC_LOC_PROT_ERR);
  ASSERT_EQ(a().state(), IBV_QPS_SQE);
  ASSERT_POSTED(a().post_recv(recv_wr(5)));
  ASSERT_POSTED(b().post_send(send_wr(6, {})));
  EXPECT_DONE(a().wait_recv(), 5);
  EXPECT_EQ(a().move(IBV_QPS_RTS), 0);
  fence_by_send();
}

INSTANTIATE_TEST_SUITE_P(Both, UcErrorTest, kUc, param_name);

}  // namespace
}  // namespace vt
