// SPDX-License-Identifier: BSD-2-Clause
// Extended CQs. `a` receives and sends through one; `b` is a plain end.
#include <time.h>

#include <algorithm>

#include "support/missing.h"
#include "support/pair.h"

namespace vt {
namespace {

class CqExTest : public PairTest {
 protected:
  ibv_cq_ex* ex = nullptr;
  QpPtr qp;
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make();
    ex = make_cq(IBV_WC_STANDARD_FLAGS);
    if (!ex) SKIP_ON_OTHERS("this device has no extended CQs");
    make_qp();
    connect_all();
  }
  void connect_all() {
    at_a = a().address();
    at_a.qpn = qp->qp_num;
    at_b = b().address();
    connect_own();
    ASSERT_EQ(b().connect(at_a, link), 0);
  }
  void TearDown() override {
    qp.reset();
    destroy_cq();
    PairTest::TearDown();
  }
  void destroy_cq() {
    if (!ex) return;
    EXPECT_EQ(ibv_destroy_cq(ibv_cq_ex_to_cq(ex)), 0);
    ex = nullptr;
  }
  // The device's clock now, in its ticks: ibv_query_rt_values_ex(3).
  uint64_t ticks() {
    ibv_values_ex values{};
    values.comp_mask = IBV_VALUES_MASK_RAW_CLOCK;
    EXPECT_EQ(ibv_query_rt_values_ex(a().local().context(), &values), 0);
    return static_cast<uint64_t>(values.raw_clock.tv_sec) * 1000000000 +
           static_cast<uint64_t>(values.raw_clock.tv_nsec);
  }
  static uint64_t wall_ns() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
  }
  ibv_cq_ex* make_cq(uint64_t flags) {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 64;
    attr.cq_context = this;
    attr.channel = a().local().channel();
    attr.wc_flags = flags;
    return ibv_create_cq_ex(a().local().context(), &attr);
  }
  void make_qp() {
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = ibv_cq_ex_to_cq(ex);
    init.cap = {64, 64, 4, 4, 0};
    init.qp_type = GetParam().type;
    qp.reset(ibv_create_qp(a().local().pd(), &init));
    ASSERT_NE(qp, nullptr);
  }
  void connect_own() {
    ibv_context* context = a().local().context();
    ibv_qp_attr attr = init_attr(link);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, init_mask()), 0);
    attr = rtr_attr(at_b, link, gid_index(context), active_mtu(context));
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rtr_mask(GetParam().type)), 0);
    attr = rts_attr(at_a.psn, link);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rts_mask(GetParam().type)), 0);
  }
  void post_recv(uint64_t id) {
    ibv_sge sge = at_a.sge(0, 64);
    ibv_recv_wr wr{id, nullptr, &sge, 1}, *bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
  }
  void start_poll() {
    ibv_poll_cq_attr attr{};
    Deadline deadline;
    int rc;
    while ((rc = ibv_start_poll(ex, &attr)) == ENOENT && !deadline.expired()) sched_yield();
    ASSERT_EQ(rc, 0);
  }
  void receive_one_with_imm(uint64_t id) {
    post_recv(id);
    ASSERT_POSTED(b().post_send(send_imm_wr(1, {at_b.sge(0, 40)}, htobe32(0xabcd))));
    ASSERT_DONE(b().wait_send(), 1);
  }
};

TEST_P(CqExTest, AnEmptyCqSaysNoEntry) {
  ibv_poll_cq_attr attr{};
  EXPECT_EQ(ibv_start_poll(ex, &attr), ENOENT);
}

TEST_P(CqExTest, IsAPlainCqToo) {
  ibv_cq* cq = ibv_cq_ex_to_cq(ex);
  EXPECT_EQ(cq->context, a().local().context());
  EXPECT_EQ(cq->cq_context, this);
  EXPECT_GE(cq->cqe, 64);
  receive_one_with_imm(5);
  EXPECT_DONE(wait_cq(cq, 1), 5);
}

TEST_P(CqExTest, ReadsEveryFieldOfAReceive) {
  receive_one_with_imm(0x1122334455667788);
  start_poll();
  EXPECT_EQ(ex->wr_id, 0x1122334455667788u);
  EXPECT_EQ(ex->status, IBV_WC_SUCCESS);
  EXPECT_EQ(ibv_wc_read_opcode(ex), IBV_WC_RECV);
  EXPECT_EQ(ibv_wc_read_byte_len(ex), 40u);
  EXPECT_EQ(ibv_wc_read_imm_data(ex), htobe32(0xabcd));
  EXPECT_EQ(ibv_wc_read_qp_num(ex), qp->qp_num);
  EXPECT_NE(ibv_wc_read_wc_flags(ex) & IBV_WC_WITH_IMM, 0u);
  EXPECT_EQ(ibv_wc_read_vendor_err(ex), 0u);
  EXPECT_EQ(ibv_wc_read_sl(ex), 0);
  EXPECT_EQ(ibv_wc_read_dlid_path_bits(ex), 0);
  (void)ibv_wc_read_slid(ex), (void)ibv_wc_read_src_qp(ex);
  ibv_end_poll(ex);
}

TEST_P(CqExTest, ReadsASend) {
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 64)})));
  ibv_sge sge = at_a.sge(0, 64);
  ibv_send_wr wr = send_wr(3, {}).wr, *bad = nullptr;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  ASSERT_EQ(ibv_post_send(qp.get(), &wr, &bad), 0);
  start_poll();
  EXPECT_EQ(ex->wr_id, 3u);
  EXPECT_EQ(ibv_wc_read_opcode(ex), IBV_WC_SEND);
  EXPECT_EQ(ibv_wc_read_qp_num(ex), qp->qp_num);
  ibv_end_poll(ex);
}

TEST_P(CqExTest, NextPollWalksInOrderToTheEnd) {
  for (uint64_t i = 10; i < 20; ++i) receive_one_with_imm(i);
  start_poll();
  for (uint64_t i = 10; i < 20; ++i) {
    EXPECT_EQ(ex->wr_id, i);
    EXPECT_EQ(ibv_next_poll(ex), i < 19 ? 0 : ENOENT);
  }
  ibv_end_poll(ex);
}

TEST_P(CqExTest, PollingMayStopHalfway) {
  for (uint64_t i = 10; i < 14; ++i) receive_one_with_imm(i);
  start_poll();
  EXPECT_EQ(ibv_next_poll(ex), 0);
  EXPECT_EQ(ex->wr_id, 11u);
  ibv_end_poll(ex);
  start_poll();
  EXPECT_EQ(ex->wr_id, 12u);
  ibv_end_poll(ex);
}

TEST_P(CqExTest, SaysTheStatusOfAFlush) {
  post_recv(6);
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_ERR;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE), 0);
  start_poll();
  EXPECT_EQ(ex->wr_id, 6u);
  EXPECT_EQ(ex->status, IBV_WC_WR_FLUSH_ERR);
  ibv_end_poll(ex);
}

TEST_P(CqExTest, TellsItsChannel) {
  ibv_cq* cq = ibv_cq_ex_to_cq(ex);
  ASSERT_EQ(ibv_req_notify_cq(cq, 0), 0);
  receive_one_with_imm(5);
  ibv_cq* told = nullptr;
  void* cq_context = nullptr;
  ASSERT_EQ(ibv_get_cq_event(a().local().channel(), &told, &cq_context), 0);
  EXPECT_EQ(told, cq);
  EXPECT_EQ(cq_context, this);
  ibv_ack_cq_events(told, 1);
}

TEST_P(CqExTest, CompletionsAreStampedByBothClocks) {
  constexpr uint64_t kStamps = IBV_WC_EX_WITH_COMPLETION_TIMESTAMP | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK;
  constexpr uint64_t kClockStep = 60'000'000'000;  // the wall clock may be set while we look
  qp.reset();
  destroy_cq();
  ex = make_cq(uint64_t{IBV_WC_STANDARD_FLAGS} | kStamps | IBV_WC_EX_WITH_CVLAN | IBV_WC_EX_WITH_FLOW_TAG);
  if (!ex) SKIP_ON_OTHERS("this device has no time stamps");
  ibv_device_attr_ex device{};
  ASSERT_EQ(ibv_query_device_ex(a().local().context(), nullptr, &device), 0);
  EXPECT_GT(device.hca_core_clock, 0u);
  EXPECT_NE(device.completion_timestamp_mask, 0u);
  make_qp();
  ASSERT_EQ(b().move(IBV_QPS_RESET), 0);
  connect_all();
  const uint64_t first_tick = ticks(), first_ns = wall_ns();
  uint64_t last_tick = 0;
  for (uint64_t id : {1, 2}) {
    receive_one_with_imm(id);
    start_poll();
    EXPECT_EQ(ex->wr_id, id);
    const uint64_t tick = ibv_wc_read_completion_ts(ex), ns = ibv_wc_read_completion_wallclock_ns(ex);
    EXPECT_EQ(ibv_wc_read_cvlan(ex), 0);
    EXPECT_EQ(ibv_wc_read_flow_tag(ex), 0u);
    ibv_end_poll(ex);
    EXPECT_GE(tick, std::max(first_tick, last_tick));
    EXPECT_LE(tick, ticks());
    EXPECT_GE(ns + kClockStep, first_ns);
    EXPECT_LE(ns, wall_ns() + kClockStep);
    last_tick = tick;
  }
}

TEST_P(CqExTest, UnknownFlagsAreRefused) {
  EXPECT_EQ(make_cq(uint64_t{1} << 60), nullptr);
  EXPECT_TRUE(errno == EOPNOTSUPP || errno == EINVAL) << errno;
}

INSTANTIATE_TEST_SUITE_P(Both, CqExTest, kRcAndUc, param_name);

}  // namespace
}  // namespace vt
