// SPDX-License-Identifier: BSD-2-Clause
// Raw packet queue pairs: whole Ethernet frames out and in.
#include <sys/mman.h>

#include "support/raw_fixture.h"

namespace vt {
namespace {

TEST_F(RawPairTest, AFrameArrivesAsItWasSent) {
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(1)));
  const Frame frame = frame_to(1);
  send(frame);
  const Received received = receive(cq.get());
  EXPECT_EQ(received.wc.status, IBV_WC_SUCCESS);
  EXPECT_EQ(received.wc.opcode, IBV_WC_RECV);
  EXPECT_EQ(received.wc.qp_num, receiver->qp_num);
  EXPECT_EQ(received.frame, frame);
}

TEST_F(RawPairTest, InlineAndGatheredFramesToo) {
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(2)));
  const Frame frame = frame_to(2);
  send(frame, IBV_SEND_INLINE);
  EXPECT_EQ(receive(cq.get()).frame, frame);
  std::copy(frame.begin(), frame.end(), memory.begin());
  ibv_sge halves[2] = {slot(0, 20), slot(0, frame.size() - 20)};
  halves[1].addr += 20;
  ibv_send_wr wr{};
  wr.sg_list = halves;
  wr.num_sge = 2;
  wr.opcode = IBV_WR_SEND;
  ibv_send_wr* bad = nullptr;
  ASSERT_EQ(ibv_post_send(sender.get(), &wr, &bad), 0);
  EXPECT_EQ(poll(send_cq.get()).status, IBV_WC_SUCCESS);
  EXPECT_EQ(receive(cq.get()).frame, frame);
}

TEST_F(RawPairTest, WithoutARuleNothingArrives) {
  send(frame_to(3));
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(3)));
  const Frame behind = frame_to(3, kExperimental, 60);
  send(behind);
  EXPECT_EQ(receive(cq.get()).frame, behind);
}

TEST_F(RawPairTest, ARuleIsForWhatItSays) {
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(4)));
  send(frame_to(5));
  const Frame frame = frame_to(4);
  send(frame);
  EXPECT_EQ(receive(cq.get()).frame, frame);
}

TEST_F(RawPairTest, AVlanTagStaysInTheFrame) {
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(6)));
  Frame frame = frame_to(6, 0x8100);
  frame[14] = 0x20, frame[15] = 5, frame[16] = kExperimental >> 8, frame[17] = kExperimental & 0xff;
  send(frame);
  EXPECT_EQ(receive(cq.get()).frame, frame);
}

TEST_F(RawPairTest, AReceiveThatIsTooSmallFails) {
  CqPtr small_cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  QpPtr small = make_qp(small_cq.get());
  ASSERT_NE(small, nullptr);
  ASSERT_EQ(to_rts(small.get()), 0);
  post_receives(small.get(), 1, 32);
  FlowPtr flow(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(7)).create(small.get()));
  ASSERT_NE(flow, nullptr);
  send(frame_to(7));
  EXPECT_EQ(poll(small_cq.get()).status, IBV_WC_LOC_LEN_ERR);
}

TEST_F(RawPairTest, AForeignKeyIsALocalProtectionError) {
  const Frame frame = frame_to(8);
  std::copy(frame.begin(), frame.end(), memory.begin());
  ibv_sge sge = slot(0, frame.size());
  sge.lkey ^= 0x5a5a00;
  ibv_send_wr wr{};
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_SEND;
  ibv_send_wr* bad = nullptr;
  ASSERT_EQ(ibv_post_send(sender.get(), &wr, &bad), 0);
  EXPECT_EQ(poll(send_cq.get()).status, IBV_WC_LOC_PROT_ERR);
}

TEST_F(RawPairTest, OpcodesOfConnectionsAreRefused) {
  ibv_send_wr wr{};
  wr.opcode = IBV_WR_RDMA_WRITE;
  ibv_send_wr* bad = nullptr;
  EXPECT_EQ(ibv_post_send(sender.get(), &wr, &bad), EINVAL);
  EXPECT_EQ(bad, &wr);
}

TEST_F(RawPairTest, WhatWasPostedFlushesInError) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_ERR;
  ASSERT_EQ(ibv_modify_qp(receiver.get(), &attr, IBV_QP_STATE), 0);
  for (uint64_t i = 0; i < 8; ++i) {
    const ibv_wc wc = poll(cq.get());
    EXPECT_EQ(wc.status, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(wc.wr_id, 8 + i);
  }
}

/// An IPv4 and UDP header in front of `payload` bytes, without checksums.
Frame udp_to(unsigned char which, uint16_t port, size_t payload) {
  Frame frame = frame_to(which, 0x0800, 28 + payload);
  const unsigned char header[28] = {0x45,
                                    0,
                                    0,
                                    static_cast<unsigned char>(28 + payload),
                                    0,
                                    1,
                                    0,
                                    0,
                                    64,
                                    17,
                                    0,
                                    0,
                                    10,
                                    1,
                                    1,
                                    1,
                                    10,
                                    1,
                                    1,
                                    2,
                                    0x40,
                                    0,
                                    static_cast<unsigned char>(port >> 8),
                                    static_cast<unsigned char>(port),
                                    0,
                                    static_cast<unsigned char>(8 + payload),
                                    0,
                                    0};
  std::copy(std::begin(header), std::end(header), frame.begin() + 14);
  return frame;
}

TEST_F(RawPairTest, ChecksumsAreFilledInAndChecked) {
  ibv_flow_spec_tcp_udp port{};
  port.val.dst_port = htons(4321);
  port.mask.dst_port = 0xffff;
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(9)).add(IBV_FLOW_SPEC_UDP, port));
  const Frame frame = udp_to(9, 4321, 40);
  send(frame, IBV_SEND_IP_CSUM);
  Received received = receive(cq.get());
  EXPECT_TRUE(received.wc.wc_flags & IBV_WC_IP_CSUM_OK);
  ASSERT_EQ(received.frame.size(), frame.size());
  EXPECT_NE(received.frame[24] | received.frame[25], 0);
  received.frame[30] ^= 1;
  send(received.frame);
  EXPECT_FALSE(receive(cq.get()).wc.wc_flags & IBV_WC_IP_CSUM_OK);
}

TEST_F(RawPairTest, MemoryThatIsNotThereIsALocalProtectionError) {
  if (!device_is_ours()) GTEST_SKIP() << "hardware keeps the pages of registered memory";
  constexpr size_t kPage = 4096;
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  MrPtr gone(ibv_reg_mr(pd.get(), page, kPage, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(gone, nullptr);
  munmap(page, kPage);
  ibv_sge sge{reinterpret_cast<uint64_t>(page), 100, gone->lkey};
  QpPtr fresh = make_qp(cq.get());
  ASSERT_EQ(to_rts(fresh.get()), 0);
  ibv_recv_wr receive{.wr_id = 3, .next = nullptr, .sg_list = &sge, .num_sge = 1};
  ibv_recv_wr* bad_receive = nullptr;
  ASSERT_EQ(ibv_post_recv(fresh.get(), &receive, &bad_receive), 0);
  FlowPtr flow(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(12)).create(fresh.get()));
  ASSERT_NE(flow, nullptr);
  send(frame_to(12));
  EXPECT_EQ(poll(cq.get()).status, IBV_WC_LOC_PROT_ERR);
  for (unsigned flags : {0u, unsigned{IBV_SEND_IP_CSUM}}) {
    QpPtr failing = make_qp(cq.get());
    ASSERT_EQ(to_rts(failing.get()), 0);
    ibv_send_wr wr{};
    wr.sg_list = &sge;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = flags;
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(failing.get(), &wr, &bad), 0);
    EXPECT_EQ(poll(cq.get()).status, IBV_WC_LOC_PROT_ERR) << flags;
  }
}

class TsoTest : public RawPairTest {
 protected:
  // 2500 bytes of memory's beginning in three segments, each behind a header of this size.
  void expect_segments(size_t header) {
    Frame message;
    for (int i = 0; i < 3; ++i) {
      const Received received = receive(cq.get());
      ASSERT_GT(received.frame.size(), header);
      EXPECT_TRUE(received.wc.wc_flags & IBV_WC_IP_CSUM_OK);
      EXPECT_EQ(received.frame[47] & 1, i == 2 ? 1 : 0) << "FIN stands in the last one";
      message.insert(message.end(), received.frame.begin() + static_cast<ptrdiff_t>(header), received.frame.end());
    }
    EXPECT_EQ(message, Frame(memory.begin(), memory.begin() + 2500));
  }
};

TEST_F(TsoTest, ALargeTcpMessageIsCutIntoSegments) {
  ibv_qp_init_attr_ex init{};
  init.send_cq = init.recv_cq = send_cq.get();
  init.cap = {16, 1, 2, 1, 0};
  init.qp_type = IBV_QPT_RAW_PACKET;
  init.sq_sig_all = 1;
  init.pd = pd.get();
  init.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_MAX_TSO_HEADER | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  init.max_tso_header = 64;
  init.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_TSO;
  QpPtr large(ibv_create_qp_ex(context.get(), &init));
  ASSERT_NE(large, nullptr) << strerror(errno);
  ASSERT_EQ(to_rts(large.get()), 0);
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(10)));
  Frame header = frame_to(10, 0x0800, 40);
  const unsigned char ip[40] = {0x45, 0, 0, 40, 0, 9, 0, 0,    64, 6, 0, 0, 10,   1,    1, 1, 10, 1, 1, 2,
                                0,    1, 0, 2,  0, 0, 3, 0xe8, 0,  0, 0, 0, 0x50, 0x11, 4, 0, 0,  0, 0, 0};
  std::copy(std::begin(ip), std::end(ip), header.begin() + 14);
  for (size_t i = 0; i < 2500; ++i) memory[i] = static_cast<unsigned char>(i % 251);
  ibv_sge sge = slot(0, 2500);
  ibv_send_wr wr{};
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_TSO;
  wr.tso.hdr = header.data();
  wr.tso.hdr_sz = static_cast<uint16_t>(header.size());
  wr.tso.mss = 1000;
  ibv_send_wr* bad = nullptr;
  ibv_qp_ex* ex = ibv_qp_to_qp_ex(large.get());
  for (bool built : {false, true}) {
    if (built) {
      ibv_wr_start(ex);
      ex->wr_flags = IBV_SEND_SIGNALED;
      ibv_wr_send_tso(ex, header.data(), wr.tso.hdr_sz, wr.tso.mss);
      ibv_wr_set_sge(ex, sge.lkey, sge.addr, sge.length);
      ASSERT_EQ(ibv_wr_complete(ex), 0);
    } else {
      ASSERT_EQ(ibv_post_send(large.get(), &wr, &bad), 0);
    }
    const ibv_wc wc = poll(send_cq.get());
    EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    EXPECT_EQ(wc.opcode, IBV_WC_TSO);
    expect_segments(header.size());
    if (HasFatalFailure()) return;
  }
}

TEST_F(RawPairTest, ARateLimitHoldsFramesBack) {
  FlowPtr flow = steer(FlowAttr().add(IBV_FLOW_SPEC_ETH, to_address(11)));
  ibv_qp_rate_limit_attr limit{};
  limit.rate_limit = 80;  // 10 bytes in a millisecond
  ASSERT_EQ(ibv_modify_qp_rate_limit(sender.get(), &limit), 0);
  const auto start = std::chrono::steady_clock::now();
  const Frame frame = frame_to(11, kExperimental, 486);
  for (int i = 0; i < 3; ++i) send(frame);
  // Two waits for 500 bytes each, less the first burst.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(80));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(receive(cq.get()).frame.size(), frame.size());
}

TEST_F(RawTest, ARateLimitIsForRtsAndRawPackets) {
  QpPtr fresh = make_qp(send_cq.get());
  ibv_qp_rate_limit_attr limit{};
  limit.rate_limit = 1000;
  EXPECT_EQ(ibv_modify_qp_rate_limit(fresh.get(), &limit), EINVAL);
}

}  // namespace
}  // namespace vt
