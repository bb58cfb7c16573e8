// SPDX-License-Identifier: BSD-2-Clause
// XRC: `a` has initiators, `b` targets in a domain and an SRQ. Some tests add a member of the domain in this process.
#include <unistd.h>

#include <cstdlib>

#include "support/pair.h"

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
    ContextPtr context = open_device();
    ibv_device_attr attr{};
    ibv_query_device(context.get(), &attr);
    if (!(attr.device_cap_flags & IBV_DEVICE_XRC)) GTEST_SKIP() << "this device has no XRC";
    char name[] = "/tmp/verbs_xrc_XXXXXX";
    close(mkstemp(name));
    file_ = name;
    for_b = options;
    for_b.type = IBV_QPT_XRC_RECV;
    std::snprintf(for_b.xrc_file, sizeof for_b.xrc_file, "%s", name);
    make(options, for_b);
    connect();
    at_a = a().address();
    at_b = b().address();
    srq = b().srq_number();
  }
  void TearDown() override {
    if (!file_.empty()) unlink(file_.c_str());
    PairTest::TearDown();
  }
  void receive_at(Side& side, const Address& at, uint64_t id, uint64_t length = 4096) {
    ASSERT_POSTED(side.post_recv(recv_wr(id, {at.sge(0, length)})));
  }

 private:
  std::string file_;
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

}  // namespace
}  // namespace vt
