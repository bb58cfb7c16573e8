// SPDX-License-Identifier: BSD-2-Clause
// Who is connected to whom: a QP to itself, QPs of one context to each other, either GID, many QPs on one CQ.
#include <map>

#include "support/pair.h"

namespace vt {
namespace {

// One end in this process whose QPs are connected among themselves.
class SelfTest : public VerbsTest, public testing::WithParamInterface<ibv_qp_type> {
 protected:
  EndOptions options{.type = GetParam(), .qps = 2};
  std::unique_ptr<End> end;
  Link link;
  Address at;

  void SetUp() override {
    VerbsTest::SetUp();
    if (IsSkipped()) return;
    end = std::make_unique<End>(options);
    at = end->address(0);
  }
  void connect(int from, int to) { ASSERT_EQ(end->connect(end->address(to), link, from), 0); }
  void send(int from, int to) {
    end->fill(0, 3000, 1, 0);
    ASSERT_POSTED(end->post_recv({recv_wr(1, {at.sge(5000, 3000)})}, to));
    ASSERT_POSTED(end->post_send({send_wr(2, {at.sge(0, 3000)})}, from));
    ASSERT_DONE(end->wait_send(1), 2);
    auto wcs = end->wait_recv(1);
    ASSERT_DONE(wcs, 1);
    EXPECT_EQ(wcs[0].qp_num, end->address(to).qpn);
    EXPECT_EQ(end->mismatch(5000, 3000, 1, 0), -1);
    end->fill(5000, 3000, 9, 0);
  }
  void write(int from) {
    end->fill(0, 3000, 2, 0);
    ASSERT_POSTED(end->post_send({write_wr(3, {at.sge(0, 3000)}, at.buffer + 10000, at.rkey)}, from));
    ASSERT_DONE(end->wait_send(1), 3);
  }
};

TEST_P(SelfTest, AQpConnectedToItselfSendsAndWrites) {
  connect(0, 0);
  for (int i = 0; i < 5; ++i) {
    send(0, 0);
    write(0);
  }
  send(0, 0);  // behind the write
  EXPECT_EQ(end->mismatch(10000, 3000, 2, 0), -1);
}

TEST_P(SelfTest, AQpConnectedToItselfReadsAndAdds) {
  if (GetParam() != IBV_QPT_RC) GTEST_SKIP() << "RC only";
  connect(0, 0);
  end->fill(0, 100, 3, 0);
  ASSERT_POSTED(end->post_send({read_wr(1, {at.sge(1000, 100)}, at.buffer, at.rkey),
                                fetch_add_wr(2, {at.sge(2000, 8)}, at.buffer + 64, at.rkey, 0)},
                               0));
  EXPECT_TRUE(completed_all(end->wait_send(2), {1, 2}, IBV_WC_SUCCESS));
  EXPECT_EQ(end->mismatch(1000, 100, 3, 0), -1);
  EXPECT_EQ(end->load(2000, 8), end->load(64, 8));
}

TEST_P(SelfTest, TwoQpsOfOneContextTalkBothWays) {
  connect(0, 1);
  connect(1, 0);
  for (int i = 0; i < 5; ++i) {
    send(0, 1);
    send(1, 0);
  }
}

TEST_P(SelfTest, AQpConnectedToItselfFlushes) {
  connect(0, 0);
  ASSERT_POSTED(end->post_recv({recv_wr(1), recv_wr(2)}, 0));
  ASSERT_EQ(end->move(IBV_QPS_ERR, 0), 0);
  EXPECT_TRUE(completed_all(end->wait_recv(2), {1, 2}, IBV_WC_WR_FLUSH_ERR));
}

class GidTest : public PairTest {
 protected:
  void exchange_over(int index) {
    options.gid_index = index;
    make_connected();
    Address at_a = a().address(), at_b = b().address();
    a().fill(0, 5000, 1);
    ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 5000)})));
    ASSERT_POSTED(a().post_send(send_wr(2, {at_a.sge(0, 5000)})));
    ASSERT_DONE(a().wait_send(), 2);
    ASSERT_DONE(b().wait_recv(), 1);
    EXPECT_EQ(b().mismatch(0, 5000, 1), -1);
  }
};

TEST_P(GidTest, IndexZeroReaches) { exchange_over(0); }
TEST_P(GidTest, IndexOneReaches) { exchange_over(1); }

class ManyQpsTest : public PairTest {
 protected:
  static constexpr int kQps = 256;
  ManyQpsTest() {
    options.qps = kQps;
    options.max_send_wr = options.max_recv_wr = 4;
    options.max_sge = 1;
  }
};

TEST_P(ManyQpsTest, ShareOneCq) {
  make();
  for (int i = 0; i < kQps; ++i) connect(i);
  Address at_a = a().address(), at_b = b().address();
  std::map<uint32_t, uint64_t> expected;  // number of b's QP, id of its receive
  for (int i = 0; i < kQps; ++i) {
    auto id = static_cast<uint64_t>(i);
    expected[b().address(i).qpn] = id;
    ASSERT_POSTED(b().post_recv(recv_wr(id, {at_b.sge(id * 8, 8)}), i));
  }
  a().fill(0, kQps * 8, 1);
  for (int i = 0; i < kQps; ++i)
    ASSERT_POSTED(a().post_send(send_wr(7, {at_a.sge(static_cast<uint64_t>(i) * 8, 8)}), i));
  EXPECT_EQ(a().wait_send(kQps).size(), static_cast<size_t>(kQps));
  for (const ibv_wc& wc : b().wait_recv(kQps)) {
    EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    EXPECT_EQ(expected.at(wc.qp_num), wc.wr_id);
    expected.erase(wc.qp_num);
  }
  EXPECT_TRUE(expected.empty());
  EXPECT_EQ(b().mismatch(0, kQps * 8, 1), -1);
}

INSTANTIATE_TEST_SUITE_P(Both, SelfTest, testing::Values(IBV_QPT_RC, IBV_QPT_UC),
                         [](const auto& info) { return info.param == IBV_QPT_RC ? "RC" : "UC"; });
INSTANTIATE_TEST_SUITE_P(Both, GidTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, ManyQpsTest, kRc, param_name);

}  // namespace
}  // namespace vt
