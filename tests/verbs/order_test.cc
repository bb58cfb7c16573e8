// SPDX-License-Identifier: BSD-2-Clause
// What a program that polls memory or completions may conclude about what came before.
#include <random>

#include "support/pair.h"

namespace vt {
namespace {

class OrderTest : public ConnectedTest {
 protected:
  OrderTest() {
    options.buffer = 1 << 20;
    options.max_send_wr = options.max_recv_wr = 256;
  }
};

TEST_P(OrderTest, AFlagWrittenAfterTheDataIsSeenAfterTheData) {
  constexpr uint64_t kData = 20000, kFlag = 500000;
  for (uint8_t round = 1; round <= 20; ++round) {
    a().fill(0, kData, round);
    a().store(kFlag, Bytes{round});
    auto seen = b().start<&End::spin_on_byte>(kFlag, round);
    ASSERT_POSTED(a().post_send({write_wr(1, {at_a.sge(0, kData)}, at_b.buffer, at_b.rkey, 0),
                                 write_wr(2, {at_a.sge(kFlag, 1)}, at_b.buffer + kFlag, at_b.rkey)}));
    ASSERT_TRUE(seen.get()) << int{round};
    ASSERT_EQ(b().mismatch(0, kData, round), -1) << int{round};
    ASSERT_DONE(a().wait_send(), 2);
  }
}

TEST_P(OrderTest, TheLastByteOfAWriteIsSeenLast) {
  for (uint64_t size : {2u, 64u, 1000u, 4096u, 5000u, 100000u}) {
    for (uint8_t round = 1; round <= 5; ++round) {
      a().fill(0, size - 1, size + round);
      a().store(size - 1, Bytes{round});
      auto seen = b().start<&End::spin_on_byte>(size - 1, round);
      ASSERT_POSTED(a().post_send(write_wr(1, {at_a.sge(0, size)}, at_b.buffer, at_b.rkey)));
      ASSERT_TRUE(seen.get()) << size;
      ASSERT_EQ(b().mismatch(0, size - 1, size + round), -1) << size;
      ASSERT_DONE(a().wait_send(), 1);
    }
  }
}

TEST_P(OrderTest, ASendAfterAWriteFindsTheData) {
  for (uint64_t i = 1; i <= 20; ++i) {
    uint64_t size = i * 3001;
    a().fill(0, size, i);
    ASSERT_POSTED(b().post_recv(recv_wr(i)));
    ASSERT_POSTED(a().post_send({write_wr(1, {at_a.sge(0, size)}, at_b.buffer, at_b.rkey, 0), send_wr(2, {})}));
    ASSERT_DONE(b().wait_recv(), i);
    ASSERT_EQ(b().mismatch(0, size, i), -1) << i;
    ASSERT_DONE(a().wait_send(), 2);
  }
}

TEST_P(OrderTest, AnImmediateAfterAWriteFindsTheData) {
  for (uint64_t i = 1; i <= 20; ++i) {
    uint64_t size = i * 3001;
    a().fill(0, size, i);
    ASSERT_POSTED(b().post_recv(recv_wr(i)));
    ASSERT_POSTED(a().post_send(
        {write_wr(1, {at_a.sge(0, size)}, at_b.buffer, at_b.rkey, 0), write_imm_wr(2, {}, at_b.buffer, at_b.rkey, 1)}));
    ASSERT_DONE(b().wait_recv(), i);
    ASSERT_EQ(b().mismatch(0, size, i), -1) << i;
    ASSERT_DONE(a().wait_send(), 2);
  }
}

TEST_P(OrderTest, AReadAfterAWriteFetchesWhatWasWritten) {
  for (uint64_t i = 1; i <= 20; ++i) {
    uint64_t size = i * 777;
    a().fill(0, size, i);
    ASSERT_POSTED(a().post_send({write_wr(1, {at_a.sge(0, size)}, at_b.buffer, at_b.rkey, 0),
                                 read_wr(2, {at_a.sge(300000, size)}, at_b.buffer, at_b.rkey)}));
    ASSERT_DONE(a().wait_send(), 2);
    ASSERT_EQ(a().mismatch(300000, size, i), -1) << i;
  }
}

TEST_P(OrderTest, OverlappingWritesLeaveTheLast) {
  for (uint64_t i = 0; i < 32; ++i) a().fill(i * 4096, 4096, i);
  std::vector<SendWr> chain;
  for (uint64_t i = 0; i < 32; ++i) chain.push_back(write_wr(i, {at_a.sge(i * 4096, 4096)}, at_b.buffer, at_b.rkey));
  ASSERT_POSTED(a().post_send(chain));
  ASSERT_TRUE(completed_all(a().wait_send(32), ids_from(0, 32), IBV_WC_SUCCESS));
  fence_by_send();
  EXPECT_EQ(b().mismatch(0, 4096, 31), -1);
}

TEST_P(OrderTest, MixedOperationsCompleteInTheOrderPosted) {
  constexpr unsigned kCount = 200;
  std::mt19937 random(12345);
  std::vector<SendWr> chain;
  std::vector<RecvWr> recvs;
  for (unsigned i = 0; i < kCount; ++i) {
    uint32_t size = random() % 20000;
    Sges local = {at_a.sge(i * 2048, size)};
    uint64_t remote = at_b.buffer + i * 2048;
    switch (random() % 5) {
      case 0:
        chain.push_back(send_wr(i, {at_a.sge(0, size)}));
        recvs.push_back(recv_wr(i, {at_b.sge(600000, 20000)}));
        break;
      case 1: chain.push_back(write_wr(i, local, remote, at_b.rkey)); break;
      case 2:
        chain.push_back(write_imm_wr(i, local, remote, at_b.rkey, i));
        recvs.push_back(recv_wr(i));
        break;
      case 3: chain.push_back(read_wr(i, local, remote, at_b.rkey)); break;
      case 4: chain.push_back(fetch_add_wr(i, {at_a.sge(i * 2048, 8)}, remote, at_b.rkey, 1)); break;
    }
  }
  ASSERT_POSTED(b().post_recv(recvs));
  ASSERT_POSTED(a().post_send(chain));
  EXPECT_TRUE(completed_all(a().wait_send(kCount), ids_from(0, kCount), IBV_WC_SUCCESS));
  std::vector<uint64_t> expected;
  for (const RecvWr& recv : recvs) expected.push_back(recv.wr_id);
  EXPECT_TRUE(completed_all(b().wait_recv(static_cast<int>(recvs.size())), expected, IBV_WC_SUCCESS));
}

INSTANTIATE_TEST_SUITE_P(Both, OrderTest, kRc, param_name);

}  // namespace
}  // namespace vt
