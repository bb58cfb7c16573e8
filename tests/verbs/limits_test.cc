// SPDX-License-Identifier: BSD-2-Clause
// What a post refuses: full queues, too many SGEs, states and operations that do not allow it.
#include "support/pair.h"

namespace vt {
namespace {

class PostLimitTest : public PairTest {
 protected:
  Address at_a, at_b;

  void make_ends(uint32_t send_depth, uint32_t recv_depth) {
    EndOptions for_a = options, for_b = options;
    for_a.max_send_wr = send_depth;
    for_b.max_recv_wr = recv_depth;
    make(for_a, for_b);
    at_a = a().address();
    at_b = b().address();
  }
  std::vector<SendWr> sends(size_t count) {
    std::vector<SendWr> chain;
    for (size_t i = 0; i < count; ++i) chain.push_back(send_wr(i, {at_a.sge(0, 8)}));
    return chain;
  }
  std::vector<RecvWr> recvs(size_t count) {
    std::vector<RecvWr> chain;
    for (size_t i = 0; i < count; ++i) chain.push_back(recv_wr(i, {at_b.sge(0, 8)}));
    return chain;
  }
  ibv_qp_cap caps(Side& side) { return side.query(0, IBV_QP_CAP).init.cap; }
};

class RcPostLimitTest : public PostLimitTest {};

TEST_P(RcPostLimitTest, AFullSendQueueSaysNoMemoryAndKeepsWhatFits) {
  make_ends(16, 512);
  connect();  // no receive is posted, so nothing completes
  uint32_t room = caps(a()).max_send_wr;
  ASSERT_LT(room, 500u);
  PostResult result = a().post_send(sends(room + 3));
  EXPECT_EQ(result.rc, ENOMEM);
  EXPECT_EQ(result.bad, static_cast<int>(room));
  ASSERT_POSTED(b().post_recv(recvs(room)));
  EXPECT_TRUE(completed_all(a().wait_send(static_cast<int>(room)), ids_from(0, room), IBV_WC_SUCCESS));
  EXPECT_TRUE(completed_all(b().wait_recv(static_cast<int>(room)), ids_from(0, room), IBV_WC_SUCCESS));
}

TEST_P(RcPostLimitTest, AFullSendQueueTakesMoreOnceCompletionsWerePolled) {
  make_ends(16, 512);
  connect();
  uint32_t room = caps(a()).max_send_wr;
  ASSERT_POSTED(a().post_send(sends(room)));
  EXPECT_EQ(a().post_send(sends(1)).rc, ENOMEM);
  ASSERT_POSTED(b().post_recv(recvs(room + 1)));
  ASSERT_EQ(a().wait_send(static_cast<int>(room)).size(), room);
  ASSERT_POSTED(a().post_send(sends(1)));
  EXPECT_DONE(a().wait_send(), 0);
}

TEST_P(PostLimitTest, AFullReceiveQueueSaysNoMemory) {
  make_ends(16, 16);
  ASSERT_EQ(b().to_init(link), 0);
  uint32_t room = caps(b()).max_recv_wr;
  PostResult result = b().post_recv(recvs(room + 3));
  EXPECT_EQ(result.rc, ENOMEM);
  EXPECT_EQ(result.bad, static_cast<int>(room));
}

TEST_P(PostLimitTest, TooManySendSgesAreRefusedAndTheEarlierOnesExecuted) {
  make_ends(16, 16);
  connect();
  ASSERT_POSTED(b().post_recv(recvs(3)));
  auto chain = sends(3);
  chain[2].sges = Sges(caps(a()).max_send_sge + 1, at_a.sge(0, 1));
  PostResult result = a().post_send(chain);
  EXPECT_EQ(result.rc, EINVAL);
  EXPECT_EQ(result.bad, 2);
  EXPECT_TRUE(completed_all(a().wait_send(2), ids_from(0, 2), IBV_WC_SUCCESS));
  EXPECT_TRUE(completed_all(b().wait_recv(2), ids_from(0, 2), IBV_WC_SUCCESS));
}

TEST_P(PostLimitTest, TooManyReceiveSgesAreRefused) {
  make_ends(16, 16);
  ASSERT_EQ(b().to_init(link), 0);
  auto chain = recvs(2);
  chain[1].sges = Sges(caps(b()).max_recv_sge + 1, at_b.sge(0, 1));
  PostResult result = b().post_recv(chain);
  EXPECT_EQ(result.rc, EINVAL);
  EXPECT_EQ(result.bad, 1);
}

TEST_P(PostLimitTest, AllSgesThatWereGrantedWork) {
  make_ends(16, 16);
  connect();
  uint32_t count = std::min(caps(a()).max_send_sge, caps(b()).max_recv_sge);
  Sges from, to;
  for (uint32_t i = 0; i < count; ++i) from.push_back(at_a.sge(i * 10, 10)), to.push_back(at_b.sge(i * 10, 10));
  a().fill(0, count * 10, 3);
  ASSERT_POSTED(b().post_recv(recv_wr(1, to)));
  ASSERT_POSTED(a().post_send(send_wr(1, from)));
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(0, count * 10, 3), -1);
}

TEST_P(PostLimitTest, SendsAreRefusedBeforeRts) {
  make_ends(16, 16);
  EXPECT_EQ(a().post_send(sends(1)).rc, EINVAL) << "RESET";
  ASSERT_EQ(a().to_init(link), 0);
  EXPECT_EQ(a().post_send(sends(1)).rc, EINVAL) << "INIT";
  ASSERT_EQ(a().to_rtr(at_b, link), 0);
  EXPECT_EQ(a().post_send(sends(1)).rc, EINVAL) << "RTR";
}

TEST_P(PostLimitTest, ReceivesAreRefusedInReset) {
  make_ends(16, 16);
  EXPECT_EQ(b().post_recv(recvs(2)).rc, EINVAL);
}

TEST_P(PostLimitTest, ARefusalByStateNamesTheFirstRequest) {
  make_ends(16, 16);
  EXPECT_EQ(a().post_send(sends(2)).bad, 0);
  EXPECT_EQ(b().post_recv(recvs(2)).bad, 0);
}

TEST_P(PostLimitTest, ReceivesPostedInInitAreUsed) {
  make_ends(16, 16);
  ASSERT_EQ(b().to_init(link), 0);
  ASSERT_POSTED(b().post_recv(recvs(1)));
  ASSERT_EQ(b().to_rtr(at_a, link), 0);
  ASSERT_EQ(a().connect(at_b, link), 0);
  ASSERT_POSTED(a().post_send(sends(1)));
  EXPECT_DONE(b().wait_recv(), 0);
  EXPECT_DONE(a().wait_send(), 0);
}

TEST_P(PostLimitTest, AnUnknownOpcodeIsRefused) {
  make_ends(16, 16);
  connect();
  for (int opcode : {77, 256 + IBV_WR_SEND}) {
    auto chain = sends(1);
    chain[0].wr.opcode = static_cast<ibv_wr_opcode>(opcode);
    PostResult result = a().post_send(chain);
    EXPECT_TRUE(result.rc == EINVAL || result.rc == EOPNOTSUPP) << result.rc;
    EXPECT_EQ(result.bad, 0);
  }
}

// A device refuses them at once, or their completion says so.
class UcPostLimitTest : public PostLimitTest {
 protected:
  void expect_impossible(Side& side, SendWr request) {
    PostResult result = side.post_send(std::move(request));
    if (result.rc) {
      EXPECT_EQ(result.rc, EINVAL);
      return;
    }
    auto wcs = side.wait_send();
    ASSERT_EQ(wcs.size(), 1u);
    EXPECT_NE(wcs[0].status, IBV_WC_SUCCESS);
  }
};

TEST_P(UcPostLimitTest, UcHasNoRead) {
  make_ends(16, 16);
  connect();
  expect_impossible(a(), read_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey));
}

TEST_P(UcPostLimitTest, UcHasNoAtomics) {
  make_ends(16, 16);
  connect();
  expect_impossible(a(), cas_wr(1, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 0, 0));
  expect_impossible(b(), fetch_add_wr(1, {at_b.sge(0, 8)}, at_a.buffer, at_a.rkey, 0));
}

INSTANTIATE_TEST_SUITE_P(Both, PostLimitTest, kRcAndUc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, RcPostLimitTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, UcPostLimitTest, kUc, param_name);

}  // namespace
}  // namespace vt
