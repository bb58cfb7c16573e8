// SPDX-License-Identifier: BSD-2-Clause
// Cross-channel work: requests that wait for completions of another queue, queues that are let go, lists of both. The
// fixture's queue pair, which is connected to the peer process, is the master; two more of this process are connected
// to each other.
#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

class CrossingTest : public ExpPairTest {
 protected:
  CqPtr left_cq, right_cq;
  QpPtr left, right;

  void TearDown() override {
    left.reset();
    right.reset();
    ExpPairTest::TearDown();
    left_cq.reset();
    right_cq.reset();
  }
  CqPtr make_crossing_cq() {
    ibv_exp_cq_init_attr attr{};
    attr.comp_mask = IBV_EXP_CQ_INIT_ATTR_FLAGS, attr.flags = IBV_EXP_CQ_CREATE_CROSS_CHANNEL;
    return make_cq(attr);
  }
  QpPtr make_crossing_qp(ibv_cq* own, uint32_t flags) {
    ibv_exp_qp_init_attr attr = qp_attr(own);
    attr.exp_create_flags = IBV_EXP_QP_CREATE_CROSS_CHANNEL | flags;
    return QpPtr(ibv_exp_create_qp(context.get(), &attr));
  }
  void join(ibv_qp* from, ibv_qp* to) {
    Link link;
    const int index = gid_index(context.get());
    const Address there_of_it{.gid = gid_at(context.get(), index), .qpn = to->qp_num, .psn = 7};
    ibv_qp_attr init = init_attr(link), rtr = rtr_attr(there_of_it, link, index, active_mtu(context.get())),
                rts = rts_attr(7, link);
    ASSERT_EQ(ibv_modify_qp(from, &init, init_mask()), 0);
    ASSERT_EQ(ibv_modify_qp(from, &rtr, rtr_mask(IBV_QPT_RC)), 0);
    ASSERT_EQ(ibv_modify_qp(from, &rts, rts_mask(IBV_QPT_RC)), 0);
  }
  void make_couple(uint32_t left_flags = 0, uint32_t right_flags = 0) {
    left_cq = make_crossing_cq();
    right_cq = make_crossing_cq();
    ASSERT_TRUE(left_cq && right_cq);
    left = make_crossing_qp(left_cq.get(), left_flags);
    right = make_crossing_qp(right_cq.get(), right_flags);
    ASSERT_TRUE(left && right) << strerror(errno);
    ASSERT_NO_FATAL_FAILURE(join(left.get(), right.get()));
    ASSERT_NO_FATAL_FAILURE(join(right.get(), left.get()));
  }
  static int post_to(ibv_qp* to, ibv_exp_send_wr wr) {
    ibv_exp_send_wr* bad;
    return ibv_exp_post_send(to, &wr, &bad);
  }
  ibv_exp_send_wr wait_wr(uint64_t id, ibv_cq* of, int32_t count, bool last = true) {
    ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_CQE_WAIT, id, nullptr);
    wr.task.cqe_wait.cq = of, wr.task.cqe_wait.cq_count = count;
    if (last) wr.exp_send_flags |= IBV_EXP_SEND_WAIT_EN_LAST;
    return wr;
  }
  ibv_exp_send_wr enable_wr(uint64_t id, ibv_exp_wr_opcode opcode, ibv_qp* of, int32_t count, bool last = true) {
    ibv_exp_send_wr wr = exp_wr(opcode, id, nullptr);
    wr.task.wqe_enable.qp = of, wr.task.wqe_enable.wqe_count = count;
    if (last) wr.exp_send_flags |= IBV_EXP_SEND_WAIT_EN_LAST;
    return wr;
  }
  /// Sends eight bytes of the buffer from `from`, or takes as many at `at`.
  int send(ibv_qp* from, uint64_t id, size_t at = 0) {
    ibv_sge bytes = sge(at, 8);
    return post_to(from, exp_wr(IBV_EXP_WR_SEND, id, &bytes));
  }
  int receive(ibv_qp* to, uint64_t id, size_t at) {
    ibv_sge bytes = sge(at, 8);
    ibv_recv_wr wr{id, nullptr, &bytes, 1}, *bad;
    return ibv_post_recv(to, &wr, &bad);
  }
  void expect_nothing(ibv_cq* of) {
    ibv_exp_wc wc;
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(ibv_exp_poll_cq(of, 1, &wc, sizeof wc), 0);
  }
  void expect_done(ibv_cq* of, std::vector<uint64_t> ids) {
    auto wcs = wait_exp(of, ids.size());
    ASSERT_EQ(wcs.size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(wcs[i].wr_id, ids[i]);
      EXPECT_EQ(wcs[i].status, IBV_WC_SUCCESS) << ids[i];
    }
  }
};

TEST_F(CrossingTest, TheDeviceSaysSo) {
  ibv_exp_device_attr attr{};
  attr.comp_mask = IBV_EXP_DEVICE_ATTR_EXP_CAP_FLAGS;
  ASSERT_EQ(ibv_exp_query_device(context.get(), &attr), 0);
  EXPECT_TRUE(attr.exp_device_cap_flags & IBV_EXP_DEVICE_CROSS_CHANNEL);
}

TEST_F(CrossingTest, WhatIsBehindAWaitGoesAfterTheCompletions) {
  ASSERT_NO_FATAL_FAILURE(make_couple());
  for (uint64_t i = 0; i < 3; ++i) ASSERT_EQ(receive(right.get(), i, 100 * i), 0);
  ASSERT_POSTED(peer->post_recv(recv_wr(1, {there.sge(0, 8)})));
  ASSERT_EQ(post(wait_wr(10, right_cq.get(), 2)), 0);
  ASSERT_EQ(send(qp.get(), 11), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing(cq.get()));
  EXPECT_EQ(ibv_destroy_cq(right_cq.get()), EBUSY);
  ASSERT_EQ(send(left.get(), 20), 0);
  expect_done(left_cq.get(), {20});
  ASSERT_NO_FATAL_FAILURE(expect_nothing(cq.get()));
  ASSERT_EQ(send(left.get(), 21), 0);
  expect_done(cq.get(), {10, 11});
  ASSERT_DONE(peer->wait_recv(), 1);
  // Turns are counted on: one completion more is what this waits for.
  ASSERT_EQ(post(wait_wr(12, right_cq.get(), 1)), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing(cq.get()));
  ASSERT_EQ(send(left.get(), 22), 0);
  expect_done(cq.get(), {12});
}

TEST_F(CrossingTest, OneMessageSetsAChainOff) {
  ASSERT_NO_FATAL_FAILURE(make_couple());
  ASSERT_EQ(receive(right.get(), 1, 100), 0);
  ASSERT_EQ(receive(left.get(), 2, 200), 0);
  ASSERT_POSTED(peer->post_recv(recv_wr(1, {there.sge(0, 8)})));
  buffer[0] = 77;
  // right answers with what it has got, and then the master sends on what left has got.
  ASSERT_EQ(post_to(right.get(), wait_wr(30, right_cq.get(), 1)), 0);
  ASSERT_EQ(send(right.get(), 31, 100), 0);
  ASSERT_EQ(post(wait_wr(10, left_cq.get(), 2)), 0);  // left's own send, and the answer
  ASSERT_EQ(send(qp.get(), 11, 200), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing(cq.get()));
  ASSERT_EQ(send(left.get(), 20), 0);
  expect_done(cq.get(), {10, 11});
  ASSERT_DONE(peer->wait_recv(), 1);
  EXPECT_EQ(peer->load(0, 1)[0], 77);
}

TEST_F(CrossingTest, ManagedSendsGoWhenTheyAreEnabled) {
  ASSERT_NO_FATAL_FAILURE(make_couple(IBV_EXP_QP_CREATE_MANAGED_SEND));
  for (uint64_t i = 0; i < 4; ++i) ASSERT_EQ(receive(right.get(), i, 100 * i), 0);
  for (uint64_t i = 0; i < 4; ++i) ASSERT_EQ(send(left.get(), 20 + i), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing(left_cq.get()));
  EXPECT_EQ(post(enable_wr(9, IBV_EXP_WR_SEND_ENABLE, left.get(), 5)), EINVAL) << "so many are not posted";
  ASSERT_EQ(post(enable_wr(10, IBV_EXP_WR_SEND_ENABLE, left.get(), 1)), 0);
  expect_done(cq.get(), {10});
  expect_done(left_cq.get(), {20});
  ASSERT_NO_FATAL_FAILURE(expect_nothing(left_cq.get()));
  // Within a group the counts are from the same place.
  ASSERT_EQ(post(enable_wr(11, IBV_EXP_WR_SEND_ENABLE, left.get(), 1, false)), 0);
  expect_done(left_cq.get(), {21});
  ASSERT_EQ(post(enable_wr(12, IBV_EXP_WR_SEND_ENABLE, left.get(), 2)), 0);
  expect_done(left_cq.get(), {22});
  ASSERT_EQ(post(enable_wr(13, IBV_EXP_WR_SEND_ENABLE, left.get(), 0)), 0);  // whatever there is
  expect_done(left_cq.get(), {23});
  expect_done(cq.get(), {11, 12, 13});
}

TEST_F(CrossingTest, ManagedReceivesTakeWhenTheyAreEnabled) {
  ASSERT_NO_FATAL_FAILURE(make_couple(0, IBV_EXP_QP_CREATE_MANAGED_RECV));
  for (uint64_t i = 0; i < 2; ++i) ASSERT_EQ(receive(right.get(), i, 100 + 100 * i), 0);
  ASSERT_EQ(send(left.get(), 20), 0);
  ASSERT_EQ(send(left.get(), 21), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing(right_cq.get()));
  ASSERT_EQ(post(enable_wr(10, IBV_EXP_WR_RECV_ENABLE, right.get(), 1)), 0);
  expect_done(right_cq.get(), {0});
  ASSERT_NO_FATAL_FAILURE(expect_nothing(right_cq.get()));
  ASSERT_EQ(post(enable_wr(11, IBV_EXP_WR_RECV_ENABLE, right.get(), 0)), 0);
  expect_done(right_cq.get(), {1});
  expect_done(left_cq.get(), {20, 21});
  expect_done(cq.get(), {10, 11});
}

TEST_F(CrossingTest, ATaskIsListsOfSeveralQueues) {
  ASSERT_NO_FATAL_FAILURE(make_couple(IBV_EXP_QP_CREATE_MANAGED_SEND));
  ibv_sge to = sge(300, 8), from = sge(0, 8);
  ibv_recv_wr receive_it{1, nullptr, &to, 1};
  ibv_exp_send_wr send_it = exp_wr(IBV_EXP_WR_SEND, 20, &from);
  ibv_exp_send_wr wait = wait_wr(11, right_cq.get(), 1), enable = enable_wr(10, IBV_EXP_WR_SEND_ENABLE, left.get(), 1);
  enable.next = &wait;
  ibv_exp_task tasks[3]{};
  tasks[0].task_type = IBV_EXP_TASK_RECV, tasks[0].item.qp = right.get(), tasks[0].item.recv_wr = &receive_it;
  tasks[1].task_type = IBV_EXP_TASK_SEND, tasks[1].item.qp = left.get(), tasks[1].item.send_wr = &send_it;
  tasks[2].task_type = IBV_EXP_TASK_SEND, tasks[2].item.qp = qp.get(), tasks[2].item.send_wr = &enable;
  tasks[0].next = &tasks[1], tasks[1].next = &tasks[2];
  ibv_exp_task* bad = nullptr;
  ASSERT_EQ(ibv_exp_post_task(context.get(), tasks, &bad), 0);
  expect_done(cq.get(), {10, 11});
  expect_done(right_cq.get(), {1});
  tasks[1].comp_mask = IBV_EXP_TASK_RESERVED;
  EXPECT_EQ(ibv_exp_post_task(context.get(), &tasks[1], &bad), EINVAL);
  EXPECT_EQ(bad, &tasks[1]);
}

TEST_F(CrossingTest, WhatWaitsIsFlushed) {
  ASSERT_NO_FATAL_FAILURE(make_couple(IBV_EXP_QP_CREATE_MANAGED_SEND, IBV_EXP_QP_CREATE_MANAGED_RECV));
  ASSERT_EQ(post(wait_wr(10, right_cq.get(), 1)), 0);
  ASSERT_EQ(send(left.get(), 20), 0);
  ASSERT_EQ(receive(right.get(), 30, 100), 0);
  ibv_qp_attr error{};
  error.qp_state = IBV_QPS_ERR;
  const auto flushes = [&](ibv_qp* which, ibv_cq* of, uint64_t id) {
    ASSERT_EQ(ibv_modify_qp(which, &error, IBV_QP_STATE), 0);
    auto wcs = wait_exp(of);
    ASSERT_EQ(wcs.size(), 1u);
    EXPECT_EQ(wcs[0].wr_id, id);
    EXPECT_EQ(wcs[0].status, IBV_WC_WR_FLUSH_ERR);
  };
  flushes(qp.get(), cq.get(), 10);
  flushes(left.get(), left_cq.get(), 20);
  flushes(right.get(), right_cq.get(), 30);
  left.reset();
  right.reset();
  EXPECT_EQ(ibv_destroy_cq(right_cq.release()), 0) << "nothing waits for it any more";
}

TEST_F(CrossingTest, WhatDoesNotFitIsRefused) {
  ASSERT_NO_FATAL_FAILURE(make_couple());
  ASSERT_EQ(receive(right.get(), 1, 100), 0);
  EXPECT_EQ(post(enable_wr(1, IBV_EXP_WR_SEND_ENABLE, left.get(), 0)), EINVAL) << "not managed";
  EXPECT_EQ(post(enable_wr(1, IBV_EXP_WR_RECV_ENABLE, right.get(), 1)), EINVAL);
  EXPECT_EQ(post(enable_wr(1, IBV_EXP_WR_RECV_ENABLE, nullptr, 1)), EINVAL);
  EXPECT_EQ(post(wait_wr(1, nullptr, 1)), EINVAL);
  EXPECT_EQ(post(wait_wr(1, left_cq.get(), -1)), EINVAL);
  ibv_exp_send_wr calculates = exp_wr(IBV_EXP_WR_SEND, 1, nullptr);
  calculates.exp_send_flags |= IBV_EXP_SEND_WITH_CALC;
  EXPECT_EQ(post(calculates), EOPNOTSUPP);
  ibv_exp_qp_init_attr attr = qp_attr(cq.get(), IBV_QPT_UD);
  attr.exp_create_flags = IBV_EXP_QP_CREATE_MANAGED_SEND;
  EXPECT_NULL_ERRNO(EOPNOTSUPP, QpPtr(ibv_exp_create_qp(context.get(), &attr)));
}

}  // namespace
}  // namespace vt
