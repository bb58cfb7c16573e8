// SPDX-License-Identifier: BSD-2-Clause
// The peer process is killed in the middle of a transfer: whoever waits for it is told, and nothing hangs.
#include "support/pair.h"

namespace vt {
namespace {

using Clock = std::chrono::steady_clock;

class KillTest : public PairTest {
 protected:
  static constexpr unsigned kCount = 40;
  static constexpr uint64_t kSize = 200000;
  Address at_a, at_b;

  KillTest() { options.buffer = 1 << 20; }
  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make_connected();
    at_a = a().address();
    at_b = b().address();
  }

  void kill_peer() { shared_peer()->kill_now(); }

  // The specification's longest wait for a peer that does not answer, and a second.
  static std::chrono::milliseconds budget() { return std::chrono::milliseconds(4 * 67 * 8 + 1000); }

  std::vector<SendWr> chain_of(SendWr one) {
    std::vector<SendWr> chain(kCount, one);
    for (unsigned i = 0; i < kCount; ++i) chain[i].wr.wr_id = i;
    return chain;
  }
  SendWr a_send() { return send_wr(0, {at_a.sge(0, kSize)}); }
  SendWr a_write() { return write_wr(0, {at_a.sge(0, kSize)}, at_b.buffer, at_b.rkey); }
  SendWr a_read() { return read_wr(0, {at_a.sge(0, kSize)}, at_b.buffer, at_b.rkey); }
  SendWr an_atomic() { return fetch_add_wr(0, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 1); }

  // Successes, then one RETRY_EXC_ERR, then flushes; each request once and in order.
  void expect_failure_and_flush(const std::vector<ibv_wc>& wcs, unsigned count) {
    ASSERT_EQ(wcs.size(), count);
    size_t i = 0;
    for (; i < count && wcs[i].status == IBV_WC_SUCCESS; ++i) EXPECT_EQ(wcs[i].wr_id, i);
    ASSERT_LT(i, count) << "nothing failed";
    EXPECT_STATUS(one_of(wcs, i), i, IBV_WC_RETRY_EXC_ERR);
    for (++i; i < count; ++i) EXPECT_STATUS(one_of(wcs, i), i, IBV_WC_WR_FLUSH_ERR);
  }

  // The survivor requests: `one` again and again, and once more after the kill.
  void survive_as_requester(SendWr one) {
    ASSERT_POSTED(a().post_recv({recv_wr(100), recv_wr(101)}));
    ASSERT_POSTED(a().post_send(chain_of(one)));
    auto first = a().wait_send(1);
    ASSERT_DONE(first, 0);
    kill_peer();
    auto killed = Clock::now();
    one.wr.wr_id = kCount;
    auto late = a().post_send(one);
    EXPECT_EQ(late.rc, 0);
    auto wcs = a().wait_send(kCount);
    EXPECT_LT(Clock::now() - killed, budget());
    wcs.insert(wcs.begin(), first[0]);
    expect_failure_and_flush(wcs, kCount + 1);
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
    EXPECT_TRUE(completed_all(a().wait_recv(2), {100, 101}, IBV_WC_WR_FLUSH_ERR));
  }

  // The peer requests; the survivor has a send of its own under way, or none.
  void peer_begins(SendWr one) {
    ASSERT_POSTED(b().post_send(chain_of(std::move(one))));
    ASSERT_EQ(b().wait_send(1).size(), 1u);
  }
  void survive_as_responder(SendWr one) {
    peer_begins(std::move(one));
    kill_peer();
    auto killed = Clock::now();
    ASSERT_POSTED(a().post_send({write_wr(0, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey), send_wr(1, {}, 0)}));
    expect_failure_and_flush(a().wait_send(2), 2);
    EXPECT_LT(Clock::now() - killed, budget());
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
  }
  // Receives that the peer did not use are flushed, whatever it had used before.
  void expect_flush_of_receives(size_t posted) {
    auto wcs = a().wait_recv(static_cast<int>(posted));
    ASSERT_EQ(wcs.size(), posted);
    EXPECT_EQ(wcs.back().status, IBV_WC_WR_FLUSH_ERR);
  }
  void post_receives(size_t count) {
    std::vector<RecvWr> receives;
    for (size_t i = 0; i < count; ++i) receives.push_back(recv_wr(i, {at_a.sge(0, kSize)}));
    ASSERT_POSTED(a().post_recv(receives));
  }
};

TEST_P(KillTest, ASenderIsTold) {
  std::vector<RecvWr> receives;
  for (unsigned i = 0; i < kCount + 1; ++i) receives.push_back(recv_wr(i, {at_b.sge(0, kSize)}));
  ASSERT_POSTED(b().post_recv(receives));
  survive_as_requester(a_send());
}

TEST_P(KillTest, ASenderThatWaitsForAReceiveIsTold) {
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, kSize)})));
  survive_as_requester(a_send());
}

TEST_P(KillTest, AWriterIsTold) { survive_as_requester(a_write()); }
TEST_P(KillTest, AReaderIsTold) { survive_as_requester(a_read()); }
TEST_P(KillTest, AnAdderIsTold) { survive_as_requester(an_atomic()); }

TEST_P(KillTest, AReceiverThatSendsIsTold) {
  post_receives(kCount + 1);
  survive_as_responder(send_wr(0, {at_b.sge(0, kSize)}));
  expect_flush_of_receives(kCount + 1);
}

TEST_P(KillTest, AWrittenProcessThatSendsIsTold) {
  post_receives(1);
  survive_as_responder(write_wr(0, {at_b.sge(0, kSize)}, at_a.buffer, at_a.rkey));
  expect_flush_of_receives(1);
}

TEST_P(KillTest, AReadProcessThatSendsIsTold) {
  post_receives(1);
  survive_as_responder(read_wr(0, {at_b.sge(0, kSize)}, at_a.buffer, at_a.rkey));
  expect_flush_of_receives(1);
}

TEST_P(KillTest, AnAddedProcessThatSendsIsTold) {
  post_receives(1);
  survive_as_responder(fetch_add_wr(0, {at_b.sge(0, 8)}, at_a.buffer, at_a.rkey, 1));
  expect_flush_of_receives(1);
}

TEST_P(KillTest, TheSurvivorConnectsToTheNextPeer) {
  survive_as_requester(a_write());
  ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
  Side next(running_peer(), options);
  Address at_next = next.address();
  ASSERT_EQ(a().connect(at_next, link), 0);
  ASSERT_EQ(next.connect(a().address(), link), 0);
  a().fill(0, 1000, 5);
  ASSERT_POSTED(next.post_recv(recv_wr(1, {at_next.sge(0, 1000)})));
  ASSERT_POSTED(a().post_send(send_wr(2, {at_a.sge(0, 1000)})));
  EXPECT_DONE(a().wait_send(), 2);
  EXPECT_DONE(next.wait_recv(), 1);
  EXPECT_EQ(next.mismatch(0, 1000, 5), -1);
}

// Real hardware never tells a process that only receives; this library does, as its connections are its own.
class KillPureReceiverTest : public KillTest {
 protected:
  void SetUp() override {
    if (!device_is_ours()) GTEST_SKIP() << "this device does not watch over its peers";
    KillTest::SetUp();
  }
  void expect_told() {
    kill_peer();
    auto killed = Clock::now();
    expect_flush_of_receives(kCount + 1);
    EXPECT_LT(Clock::now() - killed, budget());
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
  }
};

TEST_P(KillPureReceiverTest, IsToldInTheMiddleOfSends) {
  post_receives(kCount + 1);
  peer_begins(send_wr(0, {at_b.sge(0, kSize)}));
  expect_told();
}

TEST_P(KillPureReceiverTest, IsToldInTheMiddleOfWrites) {
  post_receives(kCount + 1);
  peer_begins(write_wr(0, {at_b.sge(0, kSize)}, at_a.buffer, at_a.rkey));
  expect_told();
}

TEST_P(KillPureReceiverTest, IsToldInTheMiddleOfReads) {
  post_receives(kCount + 1);
  peer_begins(read_wr(0, {at_b.sge(0, kSize)}, at_a.buffer, at_a.rkey));
  expect_told();
}

TEST_P(KillPureReceiverTest, IsToldWhenNothingMoves) {
  post_receives(kCount + 1);
  peer_begins(fetch_add_wr(0, {at_b.sge(0, 8)}, at_a.buffer, at_a.rkey, 1));
  ASSERT_EQ(b().wait_send(kCount - 1).size(), kCount - 1);
  expect_told();
}

const auto kTwoProcessesOnly = testing::Values(PairParam{Form::kTwoProcesses, IBV_QPT_RC});
INSTANTIATE_TEST_SUITE_P(Both, KillTest, kTwoProcessesOnly, param_name);
INSTANTIATE_TEST_SUITE_P(Both, KillPureReceiverTest, kTwoProcessesOnly, param_name);

}  // namespace
}  // namespace vt
