// SPDX-License-Identifier: BSD-2-Clause
// Which sends complete visibly; long chains; fence.
#include "support/pair.h"

namespace vt {
namespace {

class SignalingTest : public ConnectedTest {
 protected:
  SignalingTest() {
    options.max_send_wr = 128;
    options.max_recv_wr = 2048;
    options.cqe = 4096;
  }
  void post_recvs(uint64_t first, size_t count) {
    std::vector<RecvWr> chain;
    for (size_t i = 0; i < count; ++i) chain.push_back(recv_wr(first + i, {at_b.sge(0, 64)}));
    ASSERT_POSTED(b().post_recv(chain));
  }
};

TEST_P(SignalingTest, AnUnsignaledSendIsSilent) {
  post_recvs(0, 2);
  ASSERT_POSTED(a().post_send(send_wr(1, {at_a.sge(0, 8)}, 0)));
  ASSERT_POSTED(a().post_send(send_wr(2, {at_a.sge(0, 8)})));
  EXPECT_DONE(a().wait_send(), 2);
  EXPECT_EQ(b().wait_recv(2).size(), 2u);
  EXPECT_TRUE(a().poll_send().empty());
}

TEST_P(SignalingTest, OneCompletionInAHundredKeepsADeepQueueGoing) {
  constexpr int kRounds = 5, kEach = 100;
  for (int round = 0; round < kRounds; ++round) {
    post_recvs(0, kEach);
    std::vector<SendWr> chain;
    for (unsigned i = 1; i <= kEach; ++i) chain.push_back(send_wr(i, {at_a.sge(0, 64)}, i == kEach ? kSignaled : 0u));
    ASSERT_POSTED(a().post_send(chain)) << round;
    ASSERT_DONE(a().wait_send(), kEach);
    ASSERT_TRUE(completed_all(b().wait_recv(kEach), ids_from(0, kEach), IBV_WC_SUCCESS)) << round;
  }
  EXPECT_TRUE(a().poll_send().empty());
}

class SignalAllTest : public SignalingTest {
 protected:
  SignalAllTest() { options.sig_all = true; }
};

TEST_P(SignalAllTest, EverySendCompletesWithoutTheFlag) {
  post_recvs(0, 50);
  std::vector<SendWr> chain;
  for (unsigned i = 0; i < 50; ++i) chain.push_back(send_wr(i, {at_a.sge(0, 64)}, 0));
  ASSERT_POSTED(a().post_send(chain));
  EXPECT_TRUE(completed_all(a().wait_send(50), ids_from(0, 50), IBV_WC_SUCCESS));
}

class ChainTest : public SignalingTest {
 protected:
  ChainTest() { options.max_send_wr = 1024; }
};

TEST_P(ChainTest, AChainOf1024IsExecutedInOrder) {
  constexpr unsigned kCount = 1024;
  std::vector<SendWr> chain;
  for (unsigned i = 0; i < kCount; ++i)
    chain.push_back(write_wr(i, {at_a.sge(i * 8, 8)}, at_b.buffer + i * 8, at_b.rkey));
  a().fill(0, kCount * 8, 1);
  ASSERT_POSTED(a().post_send(chain));
  EXPECT_TRUE(completed_all(a().wait_send(kCount), ids_from(0, kCount), IBV_WC_SUCCESS));
  fence_by_send();
  EXPECT_EQ(b().mismatch(0, kCount * 8, 1), -1);
}

TEST_P(ChainTest, AChainOf1024SendsFillsAChainOf1024Receives) {
  constexpr unsigned kCount = 1024;
  post_recvs(0, kCount);
  std::vector<SendWr> chain;
  for (unsigned i = 0; i < kCount; ++i) chain.push_back(send_imm_wr(i, {at_a.sge(0, 16)}, i));
  ASSERT_POSTED(a().post_send(chain));
  EXPECT_TRUE(completed_all(a().wait_send(kCount), ids_from(0, kCount), IBV_WC_SUCCESS));
  auto wcs = b().wait_recv(kCount);
  ASSERT_TRUE(completed_all(wcs, ids_from(0, kCount), IBV_WC_SUCCESS));
  for (unsigned i = 0; i < kCount; ++i) ASSERT_EQ(wcs[i].imm_data, i);
}

class FenceTest : public SignalingTest {};

TEST_P(FenceTest, AFencedSendCarriesWhatTheReadBeforeItFetched) {
  for (uint64_t i = 0; i < 20; ++i) {
    b().fill(0, 4096, i);
    ASSERT_POSTED(b().post_recv(recv_wr(i, {at_b.sge(8192, 4096)})));
    ASSERT_POSTED(a().post_send({read_wr(1, {at_a.sge(0, 4096)}, at_b.buffer, at_b.rkey, 0),
                                 send_wr(2, {at_a.sge(0, 4096)}, IBV_SEND_SIGNALED | IBV_SEND_FENCE)}));
    ASSERT_DONE(a().wait_send(), 2);
    ASSERT_DONE(b().wait_recv(), i);
    ASSERT_EQ(b().mismatch(8192, 4096, i), -1) << i;
  }
}

TEST_P(FenceTest, AFencedWriteCarriesWhatTheAtomicBeforeItFetched) {
  b().store(0, Bytes{5, 0, 0, 0, 0, 0, 0, 0});
  for (uint8_t i = 5; i < 20; ++i) {
    SendWr write = write_wr(2, {at_a.sge(0, 8)}, at_b.buffer + 64, at_b.rkey, IBV_SEND_SIGNALED | IBV_SEND_FENCE);
    ASSERT_POSTED(a().post_send({fetch_add_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 1), write}));
    ASSERT_TRUE(completed_all(a().wait_send(2), {1, 2}, IBV_WC_SUCCESS));
    fence_by_send();
    ASSERT_EQ(b().load(64, 1)[0], i);
  }
}

INSTANTIATE_TEST_SUITE_P(Both, SignalingTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, SignalAllTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, ChainTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, FenceTest, kRc, param_name);

}  // namespace
}  // namespace vt
