// SPDX-License-Identifier: BSD-2-Clause
// The dynamically connected transport, initiator and targets in one process. Between processes: dc.c.
#include <poll.h>

#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

inline int destroy_dct(ibv_exp_dct* dct) { return ibv_exp_destroy_dct(dct); }
using DctPtr = std::unique_ptr<ibv_exp_dct, VerbsDeleter<destroy_dct>>;

constexpr uint64_t kKey = 0x1122334455667788;

class DcTest : public ExpTest {
 protected:
  CqPtr cq, target_cq;
  Bytes buffer = Bytes(1 << 20);
  MrPtr mr;
  SrqPtr srq;
  AhPtr ah;
  QpPtr dci;

  void SetUp() override {
    ExpTest::SetUp();
    if (IsSkipped()) return;
    cq = make_cq();
    target_cq = make_cq();
    mr.reset(ibv_reg_mr(pd.get(), buffer.data(), buffer.size(), kAllAccess));
    ibv_srq_init_attr srq_init{};
    srq_init.attr = {64, 2, 0};
    srq.reset(ibv_create_srq(pd.get(), &srq_init));
    const int index = gid_index(context.get());
    ibv_ah_attr to{};
    to.grh.dgid = gid_at(context.get(), index);
    to.grh.sgid_index = static_cast<uint8_t>(index);
    to.grh.hop_limit = 64;
    to.is_global = 1;
    to.port_num = kPort;
    ah.reset(ibv_create_ah(pd.get(), &to));
    ASSERT_NE(ah, nullptr);
    dci = make_dci();
    ASSERT_NE(dci, nullptr) << strerror(errno);
  }
  void TearDown() override { dci.reset(); }

  QpPtr make_dci() {
    ibv_exp_qp_init_attr attr = qp_attr(cq.get(), IBV_EXP_QPT_DC_INI);
    QpPtr qp(ibv_exp_create_qp(context.get(), &attr));
    if (!qp) return qp;
    ibv_exp_qp_attr to{};
    to.qp_state = IBV_QPS_INIT, to.port_num = kPort, to.dct_key = kKey;
    EXPECT_EQ(ibv_exp_modify_qp(qp.get(), &to,
                                IBV_EXP_QP_STATE | IBV_EXP_QP_PKEY_INDEX | IBV_EXP_QP_PORT | IBV_EXP_QP_DC_KEY),
              0);
    to.qp_state = IBV_QPS_RTR, to.path_mtu = IBV_MTU_1024;
    EXPECT_EQ(ibv_exp_modify_qp(qp.get(), &to, IBV_EXP_QP_STATE | IBV_EXP_QP_PATH_MTU), 0);
    to.qp_state = IBV_QPS_RTS, to.timeout = 12, to.retry_cnt = 1, to.rnr_retry = 7, to.max_rd_atomic = 16;
    EXPECT_EQ(ibv_exp_modify_qp(qp.get(), &to,
                                IBV_EXP_QP_STATE | IBV_EXP_QP_TIMEOUT | IBV_EXP_QP_RETRY_CNT | IBV_EXP_QP_RNR_RETRY |
                                    IBV_EXP_QP_MAX_QP_RD_ATOMIC),
              0);
    return qp;
  }
  ibv_exp_dct_init_attr dct_attr() {
    ibv_exp_dct_init_attr attr{};
    attr.pd = pd.get(), attr.cq = target_cq.get(), attr.srq = srq.get(), attr.dc_key = kKey, attr.port = kPort;
    attr.access_flags = kAllAccess, attr.min_rnr_timer = 1, attr.mtu = IBV_MTU_1024, attr.hop_limit = 64;
    return attr;
  }
  DctPtr make_dct() {
    ibv_exp_dct_init_attr attr = dct_attr();
    return DctPtr(ibv_exp_create_dct(context.get(), &attr));
  }
  ibv_sge sge(uint64_t offset, uint32_t size) {
    return {reinterpret_cast<uint64_t>(buffer.data()) + offset, size, mr->lkey};
  }
  void post_receive(uint64_t id, uint64_t offset) {
    ibv_sge at = sge(offset, 4096);
    ibv_recv_wr wr{.wr_id = id, .next = nullptr, .sg_list = &at, .num_sge = 1}, *bad;
    ASSERT_EQ(ibv_post_srq_recv(srq.get(), &wr, &bad), 0);
  }
  ibv_exp_send_wr to(ibv_exp_dct* dct, ibv_exp_send_wr wr) {
    wr.dc.ah = ah.get(), wr.dc.dct_number = dct->dct_num, wr.dc.dct_access_key = kKey;
    return wr;
  }
  ibv_exp_send_wr rdma(ibv_exp_wr_opcode opcode, uint64_t id, ibv_sge* at, uint64_t offset) {
    ibv_exp_send_wr wr = exp_wr(opcode, id, at);
    wr.wr.rdma.remote_addr = reinterpret_cast<uint64_t>(buffer.data()) + offset;
    wr.wr.rdma.rkey = mr->rkey;
    return wr;
  }
  int post(ibv_exp_send_wr wr) {
    ibv_exp_send_wr* bad = nullptr;
    return ibv_exp_post_send(dci.get(), &wr, &bad);
  }
  ibv_wc_status status_of(ibv_exp_send_wr wr) {
    EXPECT_EQ(post(wr), 0);
    auto wcs = wait_exp(cq.get());
    return wcs.size() == 1 ? wcs[0].status : IBV_WC_GENERAL_ERR;
  }
};

TEST_F(DcTest, OneInitiatorServesManyTargetsInOrder) {
  DctPtr targets[3] = {make_dct(), make_dct(), make_dct()};
  for (auto& each : targets) ASSERT_NE(each, nullptr) << strerror(errno);
  std::vector<ibv_exp_send_wr> chain;
  std::vector<ibv_sge> sges(30);
  for (uint32_t i = 0; i < 30; ++i) {
    post_receive(100 + i, 65536 + i * 4096);
    buffer[i * 8] = static_cast<uint8_t>(i);
    sges[i] = sge(i * 8, 8);
    ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_SEND_WITH_IMM, i, &sges[i]);
    wr.ex.imm_data = i;
    wr.exp_send_flags |= i % 2 ? uint64_t{IBV_EXP_SEND_INLINE} : 0;
    chain.push_back(to(targets[i % 3].get(), wr));
  }
  for (size_t i = 0; i + 1 < chain.size(); ++i) chain[i].next = &chain[i + 1];
  ibv_exp_send_wr* bad = nullptr;
  ASSERT_EQ(ibv_exp_post_send(dci.get(), chain.data(), &bad), 0);
  auto sent = wait_exp(cq.get(), 30), received = wait_exp(target_cq.get(), 30);
  ASSERT_EQ(sent.size(), 30u);
  ASSERT_EQ(received.size(), 30u);
  for (uint32_t i = 0; i < 30; ++i) {
    EXPECT_EQ(sent[i].status, IBV_WC_SUCCESS);
    EXPECT_EQ(sent[i].wr_id, i);
    EXPECT_EQ(received[i].status, IBV_WC_SUCCESS);
    EXPECT_EQ(received[i].imm_data, i);
    EXPECT_EQ(received[i].qp_num, targets[i % 3]->dct_num);
    EXPECT_EQ(received[i].src_qp, dci->qp_num);
    EXPECT_EQ(buffer[65536 + (received[i].wr_id - 100) * 4096], i);
  }
}

TEST_F(DcTest, ReadsWritesAndAtomicsOfAnySize) {
  DctPtr target = make_dct(), other = make_dct();
  fill_pattern(std::span(buffer).subspan(0, 200000), 3);
  ibv_sge from = sge(0, 200000), back = sge(600000, 200000), word = sge(900000, 8);
  ASSERT_EQ(status_of(to(target.get(), rdma(IBV_EXP_WR_RDMA_WRITE, 1, &from, 300000))), IBV_WC_SUCCESS);
  ASSERT_EQ(status_of(to(other.get(), rdma(IBV_EXP_WR_RDMA_READ, 2, &back, 300000))), IBV_WC_SUCCESS);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(buffer).subspan(600000, 200000), 3), -1);
  uint64_t value = 40;
  std::memcpy(buffer.data() + 800000, &value, sizeof value);
  ibv_exp_send_wr add = exp_wr(IBV_EXP_WR_ATOMIC_FETCH_AND_ADD, 3, &word);
  add.wr.atomic.remote_addr = reinterpret_cast<uint64_t>(buffer.data()) + 800000;
  add.wr.atomic.compare_add = 2, add.wr.atomic.rkey = mr->rkey;
  ASSERT_EQ(status_of(to(target.get(), add)), IBV_WC_SUCCESS);
  ibv_exp_send_wr masked = exp_wr(IBV_EXP_WR_EXT_MASKED_ATOMIC_FETCH_AND_ADD, 4, &word);
  masked.exp_send_flags |= IBV_EXP_SEND_EXT_ATOMIC_INLINE;
  masked.ext_op.masked_atomics.log_arg_sz = 3;
  masked.ext_op.masked_atomics.remote_addr = add.wr.atomic.remote_addr;
  masked.ext_op.masked_atomics.rkey = mr->rkey;
  masked.ext_op.masked_atomics.wr_data.inline_data.op.fetch_add = {0xff, 0x80};
  ASSERT_EQ(status_of(to(other.get(), masked)), IBV_WC_SUCCESS);
  std::memcpy(&value, buffer.data() + 900000, sizeof value);
  EXPECT_EQ(value, 42u);
  std::memcpy(&value, buffer.data() + 800000, sizeof value);
  EXPECT_EQ(value, 41u);
}

TEST_F(DcTest, AReceiverThatIsNotReadyIsWaitedFor) {
  DctPtr target = make_dct();
  ibv_sge at = sge(0, 8);
  ASSERT_EQ(post(to(target.get(), exp_wr(IBV_EXP_WR_SEND, 1, &at))), 0);
  ibv_exp_wc wc;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ibv_exp_poll_cq(cq.get(), 1, &wc, sizeof wc), 0);
  post_receive(2, 65536);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 1);
  ASSERT_EXP_DONE(wait_exp(target_cq.get()), 2);
}

TEST_F(DcTest, AWrongKeyIsRefusedAndCounted) {
  DctPtr target = make_dct();
  ibv_sge at = sge(0, 8);
  ibv_exp_send_wr wr = to(target.get(), rdma(IBV_EXP_WR_RDMA_WRITE, 1, &at, 300000));
  wr.dc.dct_access_key ^= 1;
  EXPECT_EQ(status_of(wr), IBV_WC_REM_ACCESS_ERR);
  ibv_exp_dct_attr attr{};
  ASSERT_EQ(ibv_exp_query_dct(target.get(), &attr), 0);
  EXPECT_EQ(attr.key_violations, 1u);
  EXPECT_EQ(attr.dc_key, kKey);
  EXPECT_EQ(attr.state, IBV_EXP_DCT_STATE_ACTIVE);
  EXPECT_EQ(attr.srq, srq.get());
  pollfd fd{context->async_fd, POLLIN, 0};
  ASSERT_EQ(poll(&fd, 1, 10000), 1);
  ibv_async_event event{};
  ASSERT_EQ(ibv_get_async_event(context.get(), &event), 0);
  EXPECT_EQ(event.event_type, IBV_EXP_EVENT_DCT_KEY_VIOLATION);
  EXPECT_EQ(reinterpret_cast<void*>(event.element.qp), target.get());
  ibv_ack_async_event(&event);
  ibv_exp_arm_attr arm{};
  EXPECT_EQ(ibv_exp_arm_dct(target.get(), &arm), 0);
  // The initiator is in ERR, as any reliable queue pair would be; another one reaches the target.
  dci = make_dci();
  EXPECT_EQ(status_of(to(target.get(), rdma(IBV_EXP_WR_RDMA_WRITE, 2, &at, 300000))), IBV_WC_SUCCESS);
}

TEST_F(DcTest, AnErrorOfOneInitiatorLeavesTheTargetToOthers) {
  DctPtr target = make_dct();
  ibv_sge at = sge(0, 8);
  ibv_exp_send_wr wr = to(target.get(), rdma(IBV_EXP_WR_RDMA_WRITE, 1, &at, 300000));
  wr.wr.rdma.rkey ^= 0x5500;
  EXPECT_EQ(status_of(wr), IBV_WC_REM_ACCESS_ERR);
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(dci.get(), &attr, IBV_QP_STATE, &init), 0);
  EXPECT_EQ(attr.qp_state, IBV_QPS_ERR);
  EXPECT_EQ(status_of(to(target.get(), exp_wr(IBV_EXP_WR_SEND, 2, &at))), IBV_WC_WR_FLUSH_ERR);
  dci = make_dci();
  EXPECT_EQ(status_of(to(target.get(), rdma(IBV_EXP_WR_RDMA_WRITE, 3, &at, 300000))), IBV_WC_SUCCESS);
}

TEST_F(DcTest, WithoutATargetRetriesRunOut) {
  DctPtr target = make_dct();
  ibv_sge at = sge(0, 8);
  ibv_exp_send_wr wr = to(target.get(), rdma(IBV_EXP_WR_RDMA_WRITE, 1, &at, 300000));
  target.reset();
  EXPECT_EQ(status_of(wr), IBV_WC_RETRY_EXC_ERR);
}

TEST_F(DcTest, WhatDoesNotFitIsNotPosted) {
  DctPtr target = make_dct();
  ibv_sge at = sge(0, 8);
  ibv_exp_send_wr wr = to(target.get(), exp_wr(IBV_EXP_WR_SEND, 1, &at));
  wr.dc.ah = nullptr;
  EXPECT_EQ(post(wr), EINVAL);
  wr = to(target.get(), exp_wr(IBV_EXP_WR_SEND, 1, &at));
  wr.dc.dct_number = 1 << 24;
  EXPECT_EQ(post(wr), EINVAL);
  ibv_send_wr plain{}, *bad_plain = nullptr;
  EXPECT_EQ(ibv_post_send(dci.get(), &plain, &bad_plain), EINVAL);
  EXPECT_EQ(bad_plain, &plain);
  ibv_recv_wr receive{}, *bad = nullptr;
  EXPECT_EQ(ibv_post_recv(dci.get(), &receive, &bad), EINVAL);
}

TEST_F(DcTest, ATargetNeedsWhatItIsMadeOf) {
  const auto create = [&](auto change) {
    ibv_exp_dct_init_attr attr = dct_attr();
    change(attr);
    return DctPtr(ibv_exp_create_dct(context.get(), &attr));
  };
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.srq = nullptr; }));
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.cq = nullptr; }));
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.min_rnr_timer = 32; }));
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.comp_mask = IBV_EXP_DCT_INIT_ATTR_RESERVED; }));
  EXPECT_NULL_ERRNO(EINVAL, create([](auto& attr) { attr.create_flags = 2; }));
  EXPECT_NE(create([](auto& attr) { attr.create_flags = IBV_EXP_DCT_OOO_RW_DATA_PLACEMENT; }), nullptr);
  DctPtr target = make_dct();
  EXPECT_EQ(ibv_destroy_srq(srq.get()), EBUSY);
  EXPECT_EQ(ibv_destroy_cq(target_cq.get()), EBUSY);
}

}  // namespace
}  // namespace vt
