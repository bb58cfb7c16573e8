// SPDX-License-Identifier: BSD-2-Clause
// The peer process is stopped (SIGSTOP) in the middle of a transfer: it lives, and says nothing. Whoever wants to be
// rid of it is not kept waiting for ever.
#include "support/pair.h"

namespace vt {
namespace {

using Clock = std::chrono::steady_clock;

class StoppedTest : public PairTest {
 protected:
  static constexpr unsigned kCount = 40;
  static constexpr uint64_t kSize = 1 << 20;
  Address at_a, at_b;
  Region target;  // of a, beside the buffer's own registration

  StoppedTest() { options.buffer = kSize; }
  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make_connected();
    at_a = a().address();
    at_b = b().address();
    target = a().reg(0, kSize, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
    ASSERT_EQ(target.error, 0);
  }
  void TearDown() override {
    if (shared_peer()) shared_peer()->kill_now();  // first: it cannot take part in the end
    PairTest::TearDown();
  }

  void stop_peer() { shared_peer()->stop_now(); }
  std::vector<SendWr> chain_of(const SendWr& one) { return std::vector<SendWr>(kCount, one); }

  void expect_traffic_between_new_ends() {
    make_connected();
    const Address new_a = a().address(), new_b = b().address();
    ASSERT_POSTED(a().post_send({write_wr(1, {new_a.sge(0, kSize)}, new_b.buffer, new_b.rkey)}));
    ASSERT_DONE(a().wait_send(), 1);
    ASSERT_POSTED(b().post_send({write_wr(2, {new_b.sge(0, kSize)}, new_a.buffer, new_a.rkey)}));
    ASSERT_DONE(b().wait_send(), 2);
  }

  // Twice the patience that docs/waiting.md promises, for each of the two calls, and a second.
  void expect_freedom() {
    auto begin = Clock::now();
    EXPECT_EQ(a().dereg(target.id), 0);
    EXPECT_EQ(a().destroy_qp(), 0);
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(21));
  }
};

TEST_P(StoppedTest, MemoryThatItWritesIsFreed) {
  ASSERT_POSTED(b().post_send(chain_of(write_wr(0, {at_b.sge(0, kSize)}, target.addr, target.rkey))));
  ASSERT_GE(b().wait_send(1).size(), 1u);
  stop_peer();
  expect_freedom();
}

TEST_P(StoppedTest, MemoryThatItReadsIsFreed) {
  ASSERT_POSTED(b().post_send(chain_of(read_wr(0, {at_b.sge(0, kSize)}, target.addr, target.rkey))));
  ASSERT_GE(b().wait_send(1).size(), 1u);
  stop_peer();
  expect_freedom();
}

TEST_P(StoppedTest, AQueuePairThatWaitsForItIsDestroyedAndOthersServeWhenItGoesOn) {
  ASSERT_POSTED(a().post_send(chain_of(write_wr(0, {at_a.sge(0, kSize)}, at_b.buffer, at_b.rkey))));
  ASSERT_GE(a().wait_send(1).size(), 1u);
  stop_peer();
  expect_freedom();
  shared_peer()->go_on();
  expect_traffic_between_new_ends();
  shared_peer()->kill_now();
  expect_traffic_between_new_ends();  // with a process that has not met us before
}

INSTANTIATE_TEST_SUITE_P(Both, StoppedTest, testing::Values(PairParam{Form::kTwoProcesses, IBV_QPT_RC}), param_name);

}  // namespace
}  // namespace vt
