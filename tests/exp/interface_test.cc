// SPDX-License-Identifier: BSD-2-Clause
// Tables of functions for queue pairs and completion queues: ibv_exp_query_intf.
#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

class InterfaceTest : public ExpPairTest {
 protected:
  static constexpr uint32_t kSignaled = IBV_EXP_QP_BURST_SIGNALED;

  template <class Family>
  Family* ask(uint32_t intf, void* obj, ibv_exp_query_intf_status wanted = IBV_EXP_INTF_STAT_OK, uint32_t version = 1) {
    ibv_exp_query_intf_params params{};
    params.intf_scope = IBV_EXP_INTF_GLOBAL, params.intf = intf, params.intf_version = version, params.obj = obj;
    ibv_exp_query_intf_status status = IBV_EXP_INTF_STAT_INVAL_PARARM;
    auto* family = static_cast<Family*>(ibv_exp_query_intf(context.get(), &params, &status));
    EXPECT_EQ(status, wanted);
    EXPECT_EQ(family != nullptr, wanted == IBV_EXP_INTF_STAT_OK);
    return family;
  }
  ibv_exp_qp_burst_family_v1* burst() { return ask<ibv_exp_qp_burst_family_v1>(IBV_EXP_INTF_QP_BURST, qp.get()); }
  ibv_exp_cq_family_v1* polling() { return ask<ibv_exp_cq_family_v1>(IBV_EXP_INTF_CQ, cq.get()); }

  /// What poll_cnt gives until `count` are there.
  int32_t count_up_to(ibv_exp_cq_family_v1* family, int32_t count) {
    int32_t all = 0;
    for (Deadline deadline; all < count && !deadline.expired();) {
      const int32_t found = family->poll_cnt(cq.get(), static_cast<uint32_t>(count - all));
      if (found < 0) return found;
      all += found;
    }
    return all;
  }
  template <class Poll>
  int32_t until_there(Poll poll) {
    int32_t length = 0;
    for (Deadline deadline; length == 0 && !deadline.expired();) length = poll();
    return length;
  }
};

TEST_F(InterfaceTest, WhatWaitsGoesTogether) {
  auto* family = burst();
  auto* poll = polling();
  ASSERT_TRUE(family && poll);
  fill_pattern(std::span(buffer).first(400), 2);
  for (uint64_t i = 0; i < 4; ++i) ASSERT_POSTED(peer->post_recv(recv_wr(i, {there.sge(i * 100, 100)})));
  char text[100];
  std::memcpy(text, buffer.data() + 100, sizeof text);
  ibv_sge halves[] = {sge(200, 60), sge(260, 40)};
  ASSERT_EQ(family->send_pending(qp.get(), sge(0, 100).addr, 100, mr->lkey, kSignaled), 0);
  ASSERT_EQ(family->send_pending_inline(qp.get(), text, 50, kSignaled), 0);
  std::memset(text, 0, sizeof text);
  ASSERT_EQ(family->send_pending_sg_list(qp.get(), halves, 2, kSignaled), 0);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(poll->poll_cnt(cq.get(), 4), 0) << "nothing goes before it is flushed";
  ASSERT_EQ(family->send_flush(qp.get()), 0);
  ASSERT_EQ(peer->wait_recv(3).size(), 3u);
  EXPECT_EQ(count_up_to(poll, 3), 3);
  EXPECT_EQ(peer->mismatch(0, 150, 2), -1);
  EXPECT_EQ(peer->mismatch(200, 100, 2, 200), -1);
}

TEST_F(InterfaceTest, ABurstIsAMessageForEachEntry) {
  auto* family = burst();
  auto* poll = polling();
  ASSERT_TRUE(family && poll);
  fill_pattern(std::span(buffer).first(300), 3);
  for (uint64_t i = 0; i < 3; ++i) ASSERT_POSTED(peer->post_recv(recv_wr(i, {there.sge(i * 100, 100)})));
  ibv_sge messages[] = {sge(0, 100), sge(100, 100), sge(200, 100)};
  ASSERT_EQ(family->send_burst(qp.get(), messages, 3, kSignaled), 0);
  ASSERT_EQ(peer->wait_recv(3).size(), 3u);
  EXPECT_EQ(peer->mismatch(0, 300, 3), -1);
  EXPECT_EQ(count_up_to(poll, 3), 3);
  EXPECT_EQ(family->send_pending(qp.get(), 0, 0, 0, IBV_EXP_QP_BURST_TUNNEL), EOPNOTSUPP);
}

TEST_F(InterfaceTest, AReceiveIsItsLength) {
  auto* family = burst();
  auto* poll = polling();
  ASSERT_TRUE(family && poll);
  ibv_sge slots[] = {sge(0, 1000), sge(1000, 1000), sge(2000, 1000)};
  ASSERT_EQ(family->recv_burst(qp.get(), slots, 3), 0);
  peer->fill(0, 700, 4);
  for (uint32_t length : {700u, 20u, 33u}) {
    ASSERT_POSTED(peer->post_send(send_wr(1, {there.sge(0, length)})));
    ASSERT_DONE(peer->wait_send(), 1);
  }
  uint32_t inl = 1, flags = 0, offset = 1;
  EXPECT_EQ(until_there([&] { return poll->poll_length(cq.get(), nullptr, &inl); }), 700);
  EXPECT_EQ(inl, 0u);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(buffer).first(700), 4), -1);
  EXPECT_EQ(until_there([&] { return poll->poll_length_flags(cq.get(), nullptr, &inl, &flags); }), 20);
  EXPECT_EQ(until_there([&] { return poll->poll_length_flags_mp_rq(cq.get(), &offset, &flags); }), 33);
  EXPECT_EQ(offset, 0u);
  EXPECT_TRUE(flags & IBV_EXP_CQ_RX_MULTI_PACKET_LAST_V1);
  EXPECT_EQ(poll->poll_length(cq.get(), nullptr, &inl), 0) << "empty";
}

TEST_F(InterfaceTest, WhatDoesNotFitStays) {
  auto* family = burst();
  auto* poll = polling();
  ASSERT_TRUE(family && poll);
  ASSERT_POSTED(peer->post_recv(recv_wr(0, {there.sge(0, 100)})));
  ASSERT_EQ(family->send_pending(qp.get(), sge(0, 10).addr, 10, mr->lkey, kSignaled), 0);
  ASSERT_EQ(family->send_flush(qp.get()), 0);
  uint32_t inl = 0;
  EXPECT_EQ(until_there([&] { return poll->poll_length(cq.get(), nullptr, &inl); }), -1) << "a send";
  EXPECT_EQ(count_up_to(poll, 1), 1);
  ASSERT_EQ(family->send_pending(qp.get(), sge(0, 10).addr, 10, mr->lkey + 1, kSignaled), 0);
  ASSERT_EQ(family->send_flush(qp.get()), 0);
  EXPECT_EQ(count_up_to(poll, 1), -1) << "an error";
  auto wcs = wait_exp(cq.get());
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_EQ(wcs[0].status, IBV_WC_LOC_PROT_ERR);
}

TEST_F(InterfaceTest, TheClockIsReadWhereTheQueueKeepsIt) {
  ibv_exp_cq_init_attr attr{};
  attr.comp_mask = IBV_EXP_CQ_INIT_ATTR_FLAGS, attr.flags = IBV_EXP_CQ_TIMESTAMP;
  CqPtr stamped = make_cq(attr);
  ASSERT_NE(stamped, nullptr);
  auto* family = ask<ibv_exp_cq_family_v1>(IBV_EXP_INTF_CQ, stamped.get());
  uint32_t inl, flags = 0;
  uint64_t time = 0;
  EXPECT_EQ(family->poll_length_flags_ts(stamped.get(), nullptr, &inl, &flags, &time), 0);
}

TEST_F(InterfaceTest, WhatIsNotThereIsSaid) {
  ask<void>(IBV_EXP_INTF_QP_BURST, nullptr, IBV_EXP_INTF_STAT_INVAL_OBJ);
  ask<void>(IBV_EXP_INTF_CQ, cq.get(), IBV_EXP_INTF_STAT_VERSION_NOT_SUPPORTED, 2);
  ask<void>(IBV_EXP_INTF_WQ, cq.get(), IBV_EXP_INTF_STAT_VERSION_NOT_SUPPORTED, 1);
  ask<void>(IBV_EXP_INTF_RESERVED, cq.get(), IBV_EXP_INTF_STAT_INTF_NOT_SUPPORTED);
  ibv_exp_qp_init_attr init = qp_attr(cq.get());
  QpPtr fresh(ibv_exp_create_qp(context.get(), &init));
  ask<void>(IBV_EXP_INTF_QP_BURST, fresh.get(), IBV_EXP_INTF_STAT_INVAL_OBJ_STATE);
  init = qp_attr(cq.get(), IBV_QPT_UD);
  QpPtr datagrams(ibv_exp_create_qp(context.get(), &init));
  ask<void>(IBV_EXP_INTF_QP_BURST, datagrams.get(), IBV_EXP_INTF_STAT_INVAL_OBJ);
  ibv_exp_query_intf_params params{};
  params.intf_scope = IBV_EXP_INTF_VENDOR, params.intf = IBV_EXP_INTF_CQ, params.obj = cq.get();
  ibv_exp_query_intf_status status = IBV_EXP_INTF_STAT_OK;
  EXPECT_EQ(ibv_exp_query_intf(context.get(), &params, &status), nullptr);
  EXPECT_EQ(status, IBV_EXP_INTF_STAT_VENDOR_NOT_SUPPORTED);
  EXPECT_EQ(ibv_exp_release_intf(context.get(), &status, nullptr), EINVAL);
  EXPECT_EQ(ibv_exp_release_intf(context.get(), burst(), nullptr), 0);
  EXPECT_EQ(ibv_exp_release_intf(context.get(), polling(), nullptr), 0);
}

}  // namespace
}  // namespace vt
