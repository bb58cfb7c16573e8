// SPDX-License-Identifier: BSD-2-Clause
// RDMA WRITE, WRITE_WITH_IMM and READ, and atomics, that are allowed.
#include <cstring>

#include "support/pair.h"

namespace vt {
namespace {

class RdmaTest : public ConnectedTest {
 protected:
  static Bytes bytes_of(uint64_t word) {
    Bytes bytes(8);
    std::memcpy(bytes.data(), &word, 8);
    return bytes;
  }
  uint64_t word(Side& side, uint64_t offset) {
    uint64_t value;
    std::memcpy(&value, side.load(offset, 8).data(), 8);
    return value;
  }
};

class WriteTest : public RdmaTest {};
class ReadTest : public RdmaTest {};  // RC only: UC has neither READ nor atomics
class AtomicTest : public RdmaTest {};

TEST_P(WriteTest, CarriesTheDataAndTellsOnlyTheWriter) {
  a().fill(0, 1000, 1);
  b().fill(0, 2000, 2);
  ASSERT_POSTED(b().post_recv(recv_wr(1)));
  ASSERT_POSTED(a().post_send(write_wr(20, {at_a.sge(0, 1000)}, at_b.buffer + 500, at_b.rkey)));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 20);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RDMA_WRITE);
  EXPECT_EQ(wcs[0].qp_num, at_a.qpn);
  EXPECT_TRUE(b().poll_recv().empty());
  ASSERT_POSTED(a().post_send(send_wr(21, {})));
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(0, 500, 2), -1);
  EXPECT_EQ(b().mismatch(500, 1000, 1), -1);
  EXPECT_EQ(b().mismatch(1500, 500, 2, 1500), -1);
}

TEST_P(WriteTest, GathersFromSeveralSges) {
  a().fill(0, 600, 1);
  ASSERT_POSTED(a().post_send(write_wr(1, {at_a.sge(0, 1), at_a.sge(1, 99), at_a.sge(100, 0), at_a.sge(100, 500)},
                                       at_b.buffer + 3, at_b.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  fence_by_send();
  EXPECT_EQ(b().mismatch(3, 600, 1), -1);
}

TEST_P(WriteTest, OfNothingSucceedsWhateverTheKey) {
  ASSERT_POSTED(a().post_send(write_wr(1, {}, at_b.buffer, at_b.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  ASSERT_POSTED(a().post_send(write_wr(2, {}, 0, 0)));  // spec: the R_Key is not checked for zero length
  ASSERT_DONE(a().wait_send(), 2);
  fence_by_send();
}

TEST_P(WriteTest, WithImmediateTellsTheReceiver) {
  a().fill(0, 300, 1);
  b().fill(0, 64, 2);
  ASSERT_POSTED(b().post_recv(recv_wr(10, {at_b.sge(0, 64)})));
  ASSERT_POSTED(a().post_send(write_imm_wr(20, {at_a.sge(0, 300)}, at_b.buffer + 1000, at_b.rkey, htobe32(42))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 10);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV_RDMA_WITH_IMM);
  EXPECT_EQ(wcs[0].imm_data, htobe32(42));
  EXPECT_NE(wcs[0].wc_flags & IBV_WC_WITH_IMM, 0u);
  EXPECT_EQ(wcs[0].byte_len, 300u);
  EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
  EXPECT_EQ(b().mismatch(1000, 300, 1), -1);
  EXPECT_EQ(b().mismatch(0, 64, 2), -1);  // the receive's own buffer is not used
  wcs = a().wait_send();
  ASSERT_DONE(wcs, 20);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RDMA_WRITE);
}

TEST_P(WriteTest, OfNothingWithImmediateTellsTheReceiver) {
  ASSERT_POSTED(b().post_recv(recv_wr(10)));
  ASSERT_POSTED(a().post_send(write_imm_wr(20, {}, 0, 0, htobe32(43))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 10);
  EXPECT_EQ(wcs[0].byte_len, 0u);
  EXPECT_EQ(wcs[0].imm_data, htobe32(43));
  EXPECT_DONE(a().wait_send(), 20);
}

TEST_P(WriteTest, ReachesTheVeryEndsOfTheRegion) {
  a().fill(0, 8, 1);
  ASSERT_POSTED(a().post_send(write_wr(1, {at_a.sge(0, 1)}, at_b.buffer, at_b.rkey)));
  ASSERT_POSTED(a().post_send(write_wr(2, {at_a.sge(1, 1)}, at_b.buffer + at_b.length - 1, at_b.rkey)));
  ASSERT_EQ(a().wait_send(2).size(), 2u);
  fence_by_send();
  EXPECT_EQ(b().mismatch(0, 1, 1), -1);
  EXPECT_EQ(b().mismatch(at_b.length - 1, 1, 1, 1), -1);
}

TEST_P(WriteTest, ThroughASmallerRegionUsesItsOwnKey) {
  Region part = b().reg(1000, 100, kAllAccess);
  ASSERT_EQ(part.error, 0);
  a().fill(0, 100, 1);
  ASSERT_POSTED(a().post_send(write_wr(1, {at_a.sge(0, 100)}, part.addr, part.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  fence_by_send();
  EXPECT_EQ(b().mismatch(1000, 100, 1), -1);
}

TEST_P(WriteTest, AnIovaRegionIsReachedAtItsIova) {
  constexpr uint64_t kIova = 0x7000'0000'0000;
  uint64_t skew = at_b.buffer % 4096;
  Region region = b().reg_iova(0, 8192, kIova + skew, kAllAccess);
  ASSERT_EQ(region.error, 0);
  a().fill(0, 100, 1);
  ASSERT_POSTED(a().post_send(write_wr(1, {at_a.sge(0, 100)}, kIova + skew + 50, region.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  fence_by_send();
  EXPECT_EQ(b().mismatch(50, 100, 1), -1);
  ASSERT_POSTED(b().post_send(write_wr(1, {{kIova + skew + 50, 100, region.lkey}}, at_a.buffer + 3000, at_a.rkey)));
  ASSERT_DONE(b().wait_send(), 1);
  ASSERT_POSTED(a().post_recv(recv_wr(2)));
  ASSERT_POSTED(b().post_send(send_wr(3, {})));
  ASSERT_DONE(a().wait_recv(), 2);
  EXPECT_EQ(a().mismatch(3000, 100, 1), -1);
}

TEST_P(ReadTest, FetchesTheData) {
  b().fill(0, 1000, 3);
  a().fill(0, 2000, 4);
  ASSERT_POSTED(a().post_send(read_wr(20, {at_a.sge(500, 1000)}, at_b.buffer, at_b.rkey)));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 20);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RDMA_READ);
  EXPECT_EQ(wcs[0].byte_len, 1000u);
  EXPECT_EQ(wcs[0].qp_num, at_a.qpn);
  EXPECT_EQ(a().mismatch(0, 500, 4), -1);
  EXPECT_EQ(a().mismatch(500, 1000, 3), -1);
  EXPECT_EQ(a().mismatch(1500, 500, 4, 1500), -1);
  EXPECT_TRUE(b().poll_recv().empty());
}

TEST_P(ReadTest, ScattersOverSeveralSges) {
  b().fill(0, 600, 3);
  ASSERT_POSTED(a().post_send(
      read_wr(1, {at_a.sge(9000, 1), at_a.sge(5000, 99), at_a.sge(1, 0), at_a.sge(100, 500)}, at_b.buffer, at_b.rkey)));
  ASSERT_DONE(a().wait_send(), 1);
  EXPECT_EQ(a().mismatch(9000, 1, 3), -1);
  EXPECT_EQ(a().mismatch(5000, 99, 3, 1), -1);
  EXPECT_EQ(a().mismatch(100, 500, 3, 100), -1);
}

TEST_P(ReadTest, OfNothingSucceedsWhateverTheKey) {
  ASSERT_POSTED(a().post_send(read_wr(1, {}, 0, 0)));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RDMA_READ);
}

TEST_P(ReadTest, MoreAtOnceThanTheInitiatorDepthAllDone) {
  b().fill(0, 6400, 3);
  for (unsigned i = 0; i < 60; ++i)
    ASSERT_POSTED(a().post_send(read_wr(i, {at_a.sge(i * 100, 100)}, at_b.buffer + i * 100, at_b.rkey)));
  EXPECT_TRUE(completed_all(a().wait_send(60), ids_from(0, 60), IBV_WC_SUCCESS));
  EXPECT_EQ(a().mismatch(0, 6000, 3), -1);
}

TEST_P(AtomicTest, CompareAndSwapSwapsWhenEqual) {
  b().store(64, bytes_of(1111));
  ASSERT_POSTED(a().post_send(cas_wr(1, {at_a.sge(0, 8)}, at_b.buffer + 64, at_b.rkey, 1111, 2222)));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_COMP_SWAP);
  EXPECT_EQ(wcs[0].byte_len, 8u);
  EXPECT_EQ(word(a(), 0), 1111u);
  EXPECT_EQ(word(b(), 64), 2222u);
}

TEST_P(AtomicTest, CompareAndSwapKeepsWhenDifferent) {
  b().store(64, bytes_of(1111));
  ASSERT_POSTED(a().post_send(cas_wr(1, {at_a.sge(0, 8)}, at_b.buffer + 64, at_b.rkey, 5, 2222)));
  ASSERT_DONE(a().wait_send(), 1);
  EXPECT_EQ(word(a(), 0), 1111u);
  EXPECT_EQ(word(b(), 64), 1111u);
}

TEST_P(AtomicTest, FetchAndAddAddsAndWraps) {
  b().store(64, bytes_of(~uint64_t{0} - 1));
  ASSERT_POSTED(a().post_send(fetch_add_wr(1, {at_a.sge(0, 8)}, at_b.buffer + 64, at_b.rkey, 5)));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_FETCH_ADD);
  EXPECT_EQ(wcs[0].byte_len, 8u);
  EXPECT_EQ(word(a(), 0), ~uint64_t{0} - 1);
  EXPECT_EQ(word(b(), 64), 3u);
}

TEST_P(AtomicTest, ResultMayBeSplitOverSges) {
  b().store(64, bytes_of(0x1122334455667788));
  ASSERT_POSTED(a().post_send(fetch_add_wr(1, {at_a.sge(0, 3), at_a.sge(100, 5)}, at_b.buffer + 64, at_b.rkey, 0)));
  ASSERT_DONE(a().wait_send(), 1);
  EXPECT_EQ(a().load(0, 3), (Bytes{0x88, 0x77, 0x66}));
  EXPECT_EQ(a().load(100, 5), (Bytes{0x55, 0x44, 0x33, 0x22, 0x11}));
}

TEST_P(AtomicTest, FromBothEndsAreNotLost) {
  b().store(64, bytes_of(0));
  std::vector<SendWr> from_a, from_b;
  for (unsigned i = 0; i < 60; ++i) {
    from_a.push_back(fetch_add_wr(i, {at_a.sge(i * 8, 8)}, at_b.buffer + 64, at_b.rkey, 1));
    from_b.push_back(fetch_add_wr(i, {at_b.sge(1000 + i * 8, 8)}, at_a.buffer + 2048, at_a.rkey, 2));
  }
  a().store(2048, bytes_of(0));
  ASSERT_POSTED(a().post_send(from_a));
  ASSERT_POSTED(b().post_send(from_b));
  EXPECT_TRUE(completed_all(a().wait_send(60), ids_from(0, 60), IBV_WC_SUCCESS));
  EXPECT_TRUE(completed_all(b().wait_send(60), ids_from(0, 60), IBV_WC_SUCCESS));
  EXPECT_EQ(word(b(), 64), 60u);
  EXPECT_EQ(word(a(), 2048), 120u);
  for (unsigned i = 0; i < 60; ++i) EXPECT_EQ(word(a(), i * 8), i);
}

INSTANTIATE_TEST_SUITE_P(Both, WriteTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, ReadTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, AtomicTest, kRc, param_name);

}  // namespace
}  // namespace vt
