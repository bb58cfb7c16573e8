// SPDX-License-Identifier: BSD-2-Clause
// Messages of every size around the powers of two, up to 8 MiB; inline data.
#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class SizeTest : public ConnectedTest {
 protected:
  SizeTest() { options.buffer = 8 * kMiB + 4096; }

  // UC may lose a message that overruns buffers on its way: keep to sizes that fit in any socket buffer.
  uint64_t largest() const { return is_rc() ? 8 * kMiB : 32 << 10; }

  std::vector<uint64_t> sizes() const {
    std::vector<uint64_t> all = {0, 1};
    for (uint64_t power = 2; power <= largest(); power *= 2)
      for (uint64_t size : {power - 1, power, power + 1})
        if (size > all.back() && size <= largest()) all.push_back(size);
    return all;
  }
};

class OneSidedSizeTest : public SizeTest {};

TEST_P(SizeTest, SendsArriveWhole) {
  for (uint64_t size : sizes()) {
    a().fill(0, size, size);
    ASSERT_POSTED(b().post_recv(recv_wr(size, {at_b.sge(0, size)})));
    ASSERT_POSTED(a().post_send(send_wr(size, {at_a.sge(0, size)})));
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, size);
    ASSERT_EQ(wcs[0].byte_len, size);
    ASSERT_DONE(a().wait_send(), size);
    ASSERT_EQ(b().mismatch(0, size, size), -1) << "of " << size;
  }
}

TEST_P(SizeTest, WritesArriveWhole) {
  for (uint64_t size : sizes()) {
    a().fill(7, size, size);
    ASSERT_POSTED(b().post_recv(recv_wr(size)));
    ASSERT_POSTED(a().post_send(write_imm_wr(size, {at_a.sge(7, size)}, at_b.buffer + 13, at_b.rkey, 1)));
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, size);
    ASSERT_EQ(wcs[0].byte_len, size);
    ASSERT_DONE(a().wait_send(), size);
    ASSERT_EQ(b().mismatch(13, size, size), -1) << "of " << size;
  }
}

TEST_P(OneSidedSizeTest, ReadsArriveWhole) {
  for (uint64_t size : sizes()) {
    b().fill(3, size, size);
    ASSERT_POSTED(a().post_send(read_wr(size, {at_a.sge(11, size)}, at_b.buffer + 3, at_b.rkey)));
    auto wcs = a().wait_send();
    ASSERT_DONE(wcs, size);
    ASSERT_EQ(wcs[0].byte_len, size);
    ASSERT_EQ(a().mismatch(11, size, size), -1) << "of " << size;
  }
}

TEST_P(OneSidedSizeTest, LargeMessagesScatterOverUnevenSges) {
  constexpr uint64_t kSize = 1'000'003;
  a().fill(0, kSize, 5);
  uint64_t cut = 333'333, tail = kSize - 2 * cut;
  ASSERT_POSTED(b().post_recv(
      recv_wr(1, {at_b.sge(3 * kMiB, 1), at_b.sge(0, cut), at_b.sge(2 * kMiB, cut), at_b.sge(kMiB, tail)})));
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, tail), at_a.sge(tail, cut), at_a.sge(tail + cut, cut)})));
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(3 * kMiB, 1, 5), -1);
  EXPECT_EQ(b().mismatch(0, cut, 5, 1), -1);
  EXPECT_EQ(b().mismatch(2 * kMiB, cut, 5, 1 + cut), -1);
  EXPECT_EQ(b().mismatch(kMiB, tail - 1, 5, 1 + 2 * cut), -1);
}

class InlineTest : public ConnectedTest {
 protected:
  InlineTest() { options.max_inline = 64; }
  static constexpr unsigned kInline = IBV_SEND_SIGNALED | IBV_SEND_INLINE;
};

TEST_P(InlineTest, TheBufferIsFreeAsSoonAsPostReturns) {
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_POSTED(b().post_recv(recv_wr(i, {at_b.sge(i * 64, 64)})));
    a().fill(0, 64, i);
    ASSERT_POSTED(a().post_send(send_wr(i, {at_a.sge(0, 64)}, kInline)));
    a().fill(0, 64, 999);
  }
  EXPECT_TRUE(completed_all(b().wait_recv(20), ids_from(0, 20), IBV_WC_SUCCESS));
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(b().mismatch(i * 64, 64, i), -1) << i;
}

TEST_P(InlineTest, NeedsNoRegistration) {
  uint8_t loose[40];
  fill_pattern(loose, 8);
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 64)})));
  ibv_sge sge{reinterpret_cast<uint64_t>(loose), sizeof loose, 0xbadbad};
  ASSERT_POSTED(a().post_send(send_wr(1, {sge}, kInline)));
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(0, sizeof loose, 8), -1);
}

TEST_P(InlineTest, GathersAndWrites) {
  a().fill(0, 60, 4);
  ASSERT_POSTED(b().post_recv(recv_wr(1)));
  ASSERT_POSTED(a().post_send(
      write_imm_wr(1, {at_a.sge(0, 20), at_a.sge(20, 0), at_a.sge(20, 40)}, at_b.buffer + 5, at_b.rkey, 1, kInline)));
  a().fill(0, 60, 999);
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(5, 60, 4), -1);
}

TEST_P(InlineTest, OfNothingIsAnEmptyMessage) {
  ASSERT_POSTED(b().post_recv(recv_wr(1)));
  ASSERT_POSTED(a().post_send(send_wr(1, {}, kInline)));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].byte_len, 0u);
}

TEST_P(InlineTest, BeyondTheLimitIsRefused) {
  uint32_t limit = a().query(0, IBV_QP_CAP).init.cap.max_inline_data;
  PostResult result = a().post_send(send_wr(1, {at_a.sge(0, limit + 1)}, kInline));
  EXPECT_TRUE(result.rc == EINVAL || result.rc == ENOMEM) << result.rc;
  EXPECT_EQ(result.bad, 0);
}

INSTANTIATE_TEST_SUITE_P(Both, SizeTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, OneSidedSizeTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, InlineTest, kRcAndUc, param_name);

}  // namespace
}  // namespace vt
