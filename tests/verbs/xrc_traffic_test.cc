// SPDX-License-Identifier: BSD-2-Clause
// XRC: `a` has initiators, `b` targets in a domain and an SRQ. Some tests add a member of the domain in this process.
#include "support/xrc_fixture.h"

namespace vt {
namespace {

const auto kForms =
    testing::Values(PairParam{Form::kOneProcess, IBV_QPT_XRC_SEND}, PairParam{Form::kTwoProcesses, IBV_QPT_XRC_SEND});

std::string form_name(const testing::TestParamInfo<PairParam>& info) {
  return info.param.form == Form::kOneProcess ? "one_process" : "two_processes";
}

class XrcTrafficTest : public PairTest {
 protected:
  Address at_a, at_b;
  uint32_t srq = 0;
  EndOptions for_b = options;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    if (!device_has_xrc()) SKIP_ON_OTHERS("this device has no XRC");
    for_b = options;
    for_b.type = IBV_QPT_XRC_RECV;
    files_.use_new(for_b);
    make(options, for_b);
    connect();
    at_a = a().address();
    at_b = b().address();
    srq = b().srq_number();
  }
  void receive_at(Side& side, const Address& at, uint64_t id, uint64_t length = 4096) {
    ASSERT_POSTED(side.post_recv(recv_wr(id, {at.sge(0, length)})));
  }

 private:
  XrcFiles files_;
};

TEST_P(XrcTrafficTest, ASendArrivesInTheSrqThatItNames) {
  for (uint64_t length : {0u, 1u, 64u, 4096u, 65536u}) {
    a().fill(0, length, length);
    ASSERT_POSTED(b().post_recv(recv_wr(length, {at_b.sge(0, 65536)})));
    ASSERT_POSTED(a().post_send(to_srq(send_wr(1, {at_a.sge(0, length)}), srq)));
    ASSERT_DONE(a().wait_send(), 1);
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, length);
    EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV);
    EXPECT_EQ(wcs[0].byte_len, length);
    EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
    EXPECT_EQ(b().mismatch(0, length, length), -1);
  }
}

TEST_P(XrcTrafficTest, EveryOperationWorks) {
  a().fill(0, 128, 5);
  receive_at(b(), at_b, 3);
  ASSERT_POSTED(a().post_send(to_srq(write_imm_wr(1, {at_a.sge(0, 128)}, at_b.buffer, at_b.rkey, 77), srq)));
  ASSERT_DONE(a().wait_send(), 1);
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 3);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV_RDMA_WITH_IMM);
  EXPECT_EQ(wcs[0].imm_data, 77u);
  EXPECT_EQ(b().mismatch(0, 128, 5), -1);
  ASSERT_POSTED(a().post_send(to_srq(read_wr(2, {at_a.sge(1024, 128)}, at_b.buffer, at_b.rkey), srq)));
  ASSERT_DONE(a().wait_send(), 2);
  EXPECT_EQ(a().mismatch(1024, 128, 5), -1);
  b().store(0, Bytes(8, 0));
  ASSERT_POSTED(a().post_send(to_srq(fetch_add_wr(4, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey, 9), srq)));
  ASSERT_DONE(a().wait_send(), 4);
  ASSERT_POSTED(a().post_send(to_srq(cas_wr(5, {at_a.sge(8, 8)}, at_b.buffer, at_b.rkey, 9, 11), srq)));
  ASSERT_DONE(a().wait_send(), 5);
  EXPECT_EQ(b().load(0, 8), (Bytes{11, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(a().load(8, 8), (Bytes{9, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_P(XrcTrafficTest, AnEmptySrqMakesTheSenderWait) {
  ASSERT_POSTED(a().post_send(to_srq(send_wr(1, {at_a.sge(0, 8)}), srq)));
  EXPECT_TRUE(a().poll_send().empty());
  receive_at(b(), at_b, 3);
  EXPECT_DONE(a().wait_send(), 1);
  EXPECT_DONE(b().wait_recv(), 3);
}

TEST_P(XrcTrafficTest, AnSrqThatDoesNotExistIsAnInvalidRequest) {
  ASSERT_POSTED(a().post_send(to_srq(send_wr(1, {at_a.sge(0, 8)}), srq ^ 0x3ff)));
  EXPECT_STATUS(a().wait_send(), 1, IBV_WC_REM_INV_REQ_ERR);
  EXPECT_EQ(a().state(), IBV_QPS_ERR);
  EXPECT_EQ(b().state(), IBV_QPS_ERR);
  EXPECT_EQ(b().wait_event().type, IBV_EVENT_QP_REQ_ERR);
}

TEST_P(XrcTrafficTest, AKeyThatIsNotTheSrqsPdIsAnAccessError) {
  Region foreign = b().reg_in_other_pd(0, 64, kAllAccess);
  ASSERT_EQ(foreign.error, 0);
  ASSERT_POSTED(a().post_send(to_srq(write_wr(1, {at_a.sge(0, 8)}, foreign.addr, foreign.rkey), srq)));
  EXPECT_STATUS(a().wait_send(), 1, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(XrcTrafficTest, TheLimitEventIsTheSrqs) {
  for (uint64_t id : {1, 2, 3}) receive_at(b(), at_b, id);
  ASSERT_EQ(b().set_srq_limit(3), 0);
  ASSERT_POSTED(a().post_send(to_srq(send_wr(1, {at_a.sge(0, 8)}), srq)));
  ASSERT_DONE(a().wait_send(), 1);
  AsyncEvent event = b().wait_event();
  EXPECT_EQ(event.type, IBV_EVENT_SRQ_LIMIT_REACHED);
  EXPECT_TRUE(event.srq);
}

INSTANTIATE_TEST_SUITE_P(Both, XrcTrafficTest, kForms, form_name);

// An SRQ of a third end, `c`, that has opened the targets' domain: of another process than the target, where there are
// two. It is in this one, or, in the form "at_the_peer", `c` is in the peer and the target here.
struct SharedForm {
  const char* name;
  bool target_at_peer, srq_at_peer;
};

class XrcSharedTest : public XrcThreeEndsTest, public testing::WithParamInterface<SharedForm> {
 protected:
  static constexpr uint64_t kBuffer = 1 << 21;
  uint32_t srq = 0;

  void SetUp() override {
    XrcThreeEndsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    EndOptions options{.type = IBV_QPT_XRC_SEND, .buffer = kBuffer};
    a = std::make_unique<Side>(options);
    options.type = IBV_QPT_XRC_RECV;
    files.use_new(options);
    b = end(options, GetParam().target_at_peer);
    options.qps = 0;
    c = end(options, GetParam().srq_at_peer);
    at_a = a->address();
    at_b = b->address();
    at_c = c->reg(0, kBuffer, kAllAccess);
    srq = c->srq_number();
    connect();
  }
  void connect() {
    ASSERT_EQ(a->connect(at_b, link), 0);
    ASSERT_EQ(b->connect(at_a, link), 0);
  }
  ibv_sge in_c(uint64_t offset, uint64_t length) {
    return {at_c.addr + offset, static_cast<uint32_t>(length), at_c.lkey};
  }
  void receive_at_c(uint64_t id, uint64_t length = 4096) {
    ASSERT_POSTED(c->post_recv(recv_wr(id, {in_c(0, length)})));
  }
};

TEST_P(XrcSharedTest, ASendToTheTargetArrivesInTheMembersSrq) {
  for (uint64_t length : {0u, 1u, 64u, 4096u, 20000u, 1u << 20}) {
    SCOPED_TRACE(length);
    a->fill(0, length, length);
    receive_at_c(length, kBuffer);
    ASSERT_POSTED(a->post_send(to_srq(send_wr(1, {at_a.sge(0, length)}), srq)));
    ASSERT_DONE(a->wait_send(), 1);
    auto wcs = c->wait_recv();
    ASSERT_DONE(wcs, length);
    EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV);
    EXPECT_EQ(wcs[0].byte_len, length);
    EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
    EXPECT_EQ(c->mismatch(0, length, length), -1);
  }
}

TEST_P(XrcSharedTest, EveryOperationReachesTheMembersMemory) {
  for (uint64_t length : {128u, 1u << 20}) {
    SCOPED_TRACE(length);
    a->fill(0, length, 5);
    receive_at_c(3);
    ASSERT_POSTED(a->post_send(to_srq(write_imm_wr(1, {at_a.sge(0, length)}, at_c.addr, at_c.rkey, 77), srq)));
    ASSERT_DONE(a->wait_send(), 1);
    auto wcs = c->wait_recv();
    ASSERT_DONE(wcs, 3);
    EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV_RDMA_WITH_IMM);
    EXPECT_EQ(wcs[0].imm_data, 77u);
    EXPECT_EQ(c->mismatch(0, length, 5), -1);
    a->fill(0, length, 9);
    ASSERT_POSTED(a->post_send(to_srq(read_wr(2, {at_a.sge(0, length)}, at_c.addr, at_c.rkey), srq)));
    ASSERT_DONE(a->wait_send(), 2);
    EXPECT_EQ(a->mismatch(0, length, 5), -1);
  }
  c->store(0, Bytes(8, 0));
  ASSERT_POSTED(a->post_send(to_srq(fetch_add_wr(4, {at_a.sge(0, 8)}, at_c.addr, at_c.rkey, 9), srq)));
  ASSERT_DONE(a->wait_send(), 4);
  ASSERT_POSTED(a->post_send(to_srq(cas_wr(5, {at_a.sge(8, 8)}, at_c.addr, at_c.rkey, 9, 11), srq)));
  ASSERT_DONE(a->wait_send(), 5);
  EXPECT_EQ(c->load(0, 8), (Bytes{11, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(a->load(8, 8), (Bytes{9, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_P(XrcSharedTest, MessagesToSeveralMembersKeepTheirOrder) {
  const uint32_t srqs[] = {b->srq_number(), srq};
  for (uint32_t i = 0; i < 25; ++i) {
    receive_at_c(i);
    ASSERT_POSTED(b->post_recv(recv_wr(i, {at_b.sge(0, 64)})));
  }
  std::vector<SendWr> requests;
  for (uint32_t i = 0; i < 50; ++i) requests.push_back(to_srq(send_imm_wr(i, {at_a.sge(0, 64)}, i), srqs[i % 2]));
  ASSERT_POSTED(a->post_send(requests));
  ASSERT_TRUE(completed_all(a->wait_send(50), ids_from(0, 50), IBV_WC_SUCCESS));
  Side* sides[] = {b.get(), c.get()};
  for (uint32_t side : {0u, 1u}) {
    auto wcs = sides[side]->wait_recv(25);
    ASSERT_TRUE(completed_all(wcs, ids_from(0, 25), IBV_WC_SUCCESS));
    for (uint32_t i = 0; i < 25; ++i) EXPECT_EQ(wcs[i].imm_data, 2 * i + side);
  }
}

TEST_P(XrcSharedTest, AnEmptySrqMakesTheSenderWait) {
  ASSERT_POSTED(a->post_send({to_srq(send_wr(1, {at_a.sge(0, 8)}), srq), to_srq(send_wr(2, {at_a.sge(0, 8)}), srq)}));
  EXPECT_TRUE(a->poll_send().empty());
  receive_at_c(3);
  EXPECT_DONE(a->wait_send(), 1);
  receive_at_c(4);
  EXPECT_DONE(a->wait_send(), 2);
  EXPECT_TRUE(completed_all(c->wait_recv(2), {3, 4}, IBV_WC_SUCCESS));
}

TEST_P(XrcSharedTest, WithoutARetryAnEmptySrqEndsTheSenderOnly) {
  ASSERT_EQ(a->move(IBV_QPS_RESET), 0);
  ASSERT_EQ(b->move(IBV_QPS_RESET), 0);
  link.rnr_retry = 0;
  connect();
  ASSERT_POSTED(a->post_send(to_srq(send_wr(1, {at_a.sge(0, 8)}), srq)));
  EXPECT_STATUS(a->wait_send(), 1, IBV_WC_RNR_RETRY_EXC_ERR);
  EXPECT_EQ(b->state(), IBV_QPS_RTS);
}

TEST_P(XrcSharedTest, AWrongKeyIsAnAccessErrorOfTheTarget) {
  ASSERT_POSTED(a->post_send(to_srq(write_wr(1, {at_a.sge(0, 8)}, at_c.addr, at_c.rkey ^ 0x5a5a00), srq)));
  EXPECT_STATUS(a->wait_send(), 1, IBV_WC_REM_ACCESS_ERR);
  EXPECT_EQ(b->state(), IBV_QPS_ERR);
  EXPECT_EQ(b->wait_event().type, IBV_EVENT_QP_ACCESS_ERR);
}

TEST_P(XrcSharedTest, AnSrqThatIsGoneIsAnInvalidRequest) {
  receive_at_c(3);
  ASSERT_POSTED(a->post_send(to_srq(send_wr(1, {at_a.sge(0, 8)}), srq)));
  ASSERT_DONE(a->wait_send(), 1);
  c.reset();
  if (GetParam().srq_at_peer) shared_peer()->drop_end();
  ASSERT_POSTED(a->post_send(to_srq(send_wr(2, {at_a.sge(0, 8)}), srq)));
  EXPECT_STATUS(a->wait_send(), 2, IBV_WC_REM_INV_REQ_ERR);
  EXPECT_EQ(b->wait_event().type, IBV_EVENT_QP_REQ_ERR);
}

TEST_P(XrcSharedTest, ATargetMayGoWhileItHandsOn) {
  for (int i = 0; i < 20; ++i) ASSERT_POSTED(a->post_send(to_srq(send_wr(1, {at_a.sge(0, 1 << 20)}), srq)));
  receive_at_c(3, kBuffer);
  EXPECT_EQ(b->destroy_qp(), 0);
  ASSERT_EQ(a->move(IBV_QPS_ERR), 0);
  EXPECT_EQ(a->wait_send(20).size(), 20u);
}

INSTANTIATE_TEST_SUITE_P(Both, XrcSharedTest,
                         testing::Values(SharedForm{"one_process", false, false},
                                         SharedForm{"target_at_the_peer", true, false},
                                         SharedForm{"srq_at_the_peer", false, true}),
                         [](const testing::TestParamInfo<SharedForm>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vt
