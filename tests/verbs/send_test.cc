// SPDX-License-Identifier: BSD-2-Clause
// SEND and SEND_WITH_IMM: the data and every field of both completions.
#include "support/pair.h"

namespace vt {
namespace {

class SendTest : public ConnectedTest {};

TEST_P(SendTest, CarriesTheData) {
  a().fill(0, 1000, 1);
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(0, 1000)})));
  ASSERT_POSTED(a().post_send(send_wr(20, {at_a.sge(0, 1000)})));
  ASSERT_DONE(a().wait_send(), 20);
  ASSERT_DONE(b().wait_recv(), 10);
  EXPECT_EQ(b().mismatch(0, 1000, 1), -1);
}

TEST_P(SendTest, GoesBothWaysAtOnce) {
  a().fill(0, 500, 1);
  b().fill(0, 500, 2);
  ASSERT_POSTED(a().post_recv(recv_wr(1, {at_a.sge(1000, 500)})));
  ASSERT_POSTED(b().post_recv(recv_wr(2, {at_b.sge(1000, 500)})));
  ASSERT_POSTED(a().post_send(send_wr(3, {at_a.sge(0, 500)})));
  ASSERT_POSTED(b().post_send(send_wr(4, {at_b.sge(0, 500)})));
  EXPECT_DONE(a().wait_recv(), 1);
  EXPECT_DONE(b().wait_recv(), 2);
  EXPECT_DONE(a().wait_send(), 3);
  EXPECT_DONE(b().wait_send(), 4);
  EXPECT_EQ(a().mismatch(1000, 500, 2), -1);
  EXPECT_EQ(b().mismatch(1000, 500, 1), -1);
}

TEST_P(SendTest, FillsTheSenderCompletion) {
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(send_wr(0xfeedfacecafebeef, {at_a.sge(0, 64)})));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 0xfeedfacecafebeef);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_SEND);
  EXPECT_EQ(wcs[0].qp_num, at_a.qpn);
}

TEST_P(SendTest, FillsTheReceiverCompletion) {
  ASSERT_POSTED(b().post_recv(recv_wr(0x123456789abcdef0, {at_b.sge(0, 100)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 64)})));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 0x123456789abcdef0);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV);
  EXPECT_EQ(wcs[0].byte_len, 64u);
  EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
  EXPECT_EQ(wcs[0].wc_flags & (IBV_WC_WITH_IMM | IBV_WC_WITH_INV), 0u);
}

TEST_P(SendTest, CarriesImmediateData) {
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(0, 100)})));
  ASSERT_POSTED(a().post_send(send_imm_wr(1, {at_a.sge(0, 64)}, htobe32(0xdeadbeef))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 10);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV);
  EXPECT_EQ(wcs[0].wc_flags & IBV_WC_WITH_IMM, static_cast<unsigned>(IBV_WC_WITH_IMM));
  EXPECT_EQ(wcs[0].imm_data, htobe32(0xdeadbeef));
  EXPECT_EQ(wcs[0].byte_len, 64u);
  EXPECT_DONE(a().wait_send(), 1);
}

TEST_P(SendTest, WithoutSgesIsAnEmptyMessage) {
  ASSERT_POSTED(b().post_recv(recv_wr(10)));
  ASSERT_POSTED(a().post_send(send_imm_wr(1, {}, 7)));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 10);
  EXPECT_EQ(wcs[0].byte_len, 0u);
  EXPECT_EQ(wcs[0].imm_data, 7u);
  EXPECT_DONE(a().wait_send(), 1);
}

TEST_P(SendTest, AnEmptyMessageLeavesTheReceiveBufferAlone) {
  b().fill(0, 64, 5);
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {})));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 10);
  EXPECT_EQ(wcs[0].byte_len, 0u);
  EXPECT_EQ(b().mismatch(0, 64, 5), -1);
}

TEST_P(SendTest, TouchesNothingBeyondTheMessage) {
  a().fill(0, 100, 1);
  b().fill(0, 400, 2);
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(100, 200)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 100)})));
  ASSERT_DONE(b().wait_recv(), 10);
  EXPECT_EQ(b().mismatch(0, 100, 2), -1);
  EXPECT_EQ(b().mismatch(100, 100, 1), -1);
  EXPECT_EQ(b().mismatch(200, 200, 2, 200), -1);
}

TEST_P(SendTest, GathersAndScatters) {
  a().fill(0, 1000, 1);
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(5000, 1), at_b.sge(3000, 700), at_b.sge(100, 999)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 10), at_a.sge(10, 333), at_a.sge(343, 0), at_a.sge(343, 657)})));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 10);
  EXPECT_EQ(wcs[0].byte_len, 1000u);
  EXPECT_EQ(b().mismatch(5000, 1, 1), -1);
  EXPECT_EQ(b().mismatch(3000, 700, 1, 1), -1);
  EXPECT_EQ(b().mismatch(100, 299, 1, 701), -1);
}

TEST_P(SendTest, FillsReceivesInTheOrderPosted) {
  constexpr int kCount = 50;
  for (int i = 0; i < kCount; ++i) {
    a().fill(static_cast<uint64_t>(i) * 64, 64, 100 + static_cast<uint64_t>(i));
    ASSERT_POSTED(b().post_recv(recv_wr(200u + i, {at_b.sge(static_cast<uint64_t>(i) * 64, 64)})));
  }
  for (int i = 0; i < kCount; ++i)
    ASSERT_POSTED(a().post_send(send_wr(300u + i, {at_a.sge(static_cast<uint64_t>(i) * 64, 64)})));
  EXPECT_TRUE(completed_all(a().wait_send(kCount), ids_from(300, kCount), IBV_WC_SUCCESS));
  EXPECT_TRUE(completed_all(b().wait_recv(kCount), ids_from(200, kCount), IBV_WC_SUCCESS));
  for (int i = 0; i < kCount; ++i)
    EXPECT_EQ(b().mismatch(static_cast<uint64_t>(i) * 64, 64, 100 + static_cast<uint64_t>(i)), -1) << i;
}

INSTANTIATE_TEST_SUITE_P(Both, SendTest, kRcAndUc, param_name);

}  // namespace
}  // namespace vt
