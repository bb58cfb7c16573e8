// SPDX-License-Identifier: BSD-2-Clause
// Unreliable datagrams: data, headers, Q_Keys, and what is lost without a word.
#include <netinet/in.h>
#include <poll.h>

#include "support/datagram.h"
#include "support/missing.h"

namespace vt {
namespace {

class UdTest : public DatagramTest {
 protected:
  // A datagram of this size arrives whole, behind its header.
  void exchange(uint32_t size) {
    a().fill(0, size, size);
    b().fill(0, kGrh + size, 999);
    ASSERT_POSTED(b().post_recv(room(1, size)));
    ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, size)}))));
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, 1) << size << " bytes";
    EXPECT_EQ(wcs[0].byte_len, kGrh + size);
    EXPECT_EQ(b().mismatch(kGrh, size, size), -1) << size << " bytes";
    ASSERT_DONE(a().wait_send(), 2);
  }
};

TEST_P(UdTest, CarriesEverySizeUpToTheMtu) {
  for (uint32_t size : {0u, 1u, 64u, mtu / 2, mtu - 89, mtu - 88, mtu - 1, mtu}) exchange(size);
}

TEST_P(UdTest, TheCompletionTellsWhoSent) {
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_imm_wr(2, {at_a.sge(0, 8)}, 0x01020304))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_RECV);
  EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
  EXPECT_EQ(wcs[0].src_qp, at_a.qpn);
  EXPECT_EQ(wcs[0].wc_flags & (IBV_WC_GRH | IBV_WC_WITH_IMM), unsigned{IBV_WC_GRH | IBV_WC_WITH_IMM});
  EXPECT_EQ(wcs[0].imm_data, 0x01020304u);
  auto sent = a().wait_send();
  ASSERT_DONE(sent, 2);
  EXPECT_EQ(sent[0].opcode, IBV_WC_SEND);
  EXPECT_EQ(sent[0].qp_num, at_a.qpn);
}

// There is no service level on the wire. Instead `sl` says, as with adapters of RoCE v2, how to read the 40 bytes in
// front: 8 for UDP, and 2 for IPv4 or 1 for IPv6.
TEST_P(UdTest, TheServiceLevelTellsTheKindOfHeader) {
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 8)}))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].sl, is_v4_mapped(at_a.gid) ? 10 : 9);
}

TEST_P(UdTest, AnIpv4HeaderStandsInFront) {
  if (!is_v4_mapped(at_a.gid)) SKIP_ON_OTHERS("the device has no IPv4-mapped GID");
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 8)}))));
  ASSERT_DONE(b().wait_recv(), 1);
  Bytes grh = b().load(0, kGrh);
  EXPECT_EQ(Bytes(grh.begin(), grh.begin() + 20), Bytes(20, 0));
  EXPECT_EQ(grh[20], 0x45);
  EXPECT_EQ(grh[21], kTrafficClass);
  EXPECT_EQ(grh[22] << 8 | grh[23], 20 + 8 + 12 + 8 + 8 + 4);
  EXPECT_EQ(grh[28], 64);
  EXPECT_EQ(grh[29], IPPROTO_UDP);
  EXPECT_TRUE(std::equal(grh.begin() + 32, grh.begin() + 36, at_a.gid.raw + 12));
  EXPECT_TRUE(std::equal(grh.begin() + 36, grh.end(), at_b.gid.raw + 12));
  uint32_t sum = 0;
  for (size_t i = 20; i < kGrh; i += 2) sum += static_cast<uint32_t>(grh[i] << 8 | grh[i + 1]);
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
}

// What an adapter sends it has read soon after the post, whether or not it knows the peer yet. Libraries trust that:
// they reuse the memory when they hear from the peer, though the completion has not come.
TEST_P(UdTest, TheFirstDatagramIsWhatWasPosted) {
  a().fill(0, 64, 1);
  ASSERT_POSTED(a().post_recv({recv_wr(3, {at_a.sge(128, kGrh + 8)})}));
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 64)}))));
  ASSERT_POSTED(b().post_send(to_a(send_wr(4, {at_b.sge(512, 8)}))));
  ASSERT_DONE(a().wait_recv(), 3);
  a().fill(0, 64, 2);
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(kGrh, 64, 1), -1);
  ASSERT_DONE(a().wait_send(), 2);
}

TEST_P(UdTest, OnlyASolicitedDatagramWakesWhoAskedForThose) {
  End& own = a().local();
  pollfd fd{.fd = own.channel()->fd, .events = POLLIN, .revents = 0};
  ASSERT_EQ(ibv_req_notify_cq(own.recv_cq(), 1), 0);
  ASSERT_POSTED(a().post_recv({recv_wr(5, {at_a.sge(0, kGrh)}), recv_wr(6, {at_a.sge(64, kGrh)})}));
  ASSERT_POSTED(b().post_send(to_a(send_wr(1, {}))));
  ASSERT_DONE(a().wait_recv(), 5);
  EXPECT_EQ(poll(&fd, 1, 100), 0);
  ASSERT_POSTED(b().post_send(to_a(send_wr(2, {}, kSignaled | IBV_SEND_SOLICITED))));
  ASSERT_EQ(poll(&fd, 1, 20000), 1);
  ibv_cq* cq = nullptr;
  void* cookie = nullptr;
  ASSERT_EQ(ibv_get_cq_event(own.channel(), &cq, &cookie), 0);
  EXPECT_EQ(cq, own.recv_cq());
  ibv_ack_cq_events(cq, 1);
  EXPECT_DONE(a().wait_recv(), 6);
}

TEST_P(UdTest, TheAnswerFindsItsWayByTheHeader) {
  ASSERT_POSTED(a().post_recv(recv_wr(5, {at_a.sge(0, kGrh)})));
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(64, 8)}))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  uint64_t back = b().make_ah_from(wcs[0], 0);
  ASSERT_POSTED(b().post_send(to(back, wcs[0].src_qp, send_wr(3, {}))));
  EXPECT_DONE(a().wait_recv(), 5);
}

TEST_P(UdTest, WithoutAReceiveADatagramIsLost) {
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 64)}))));
  ASSERT_DONE(a().wait_send(), 2);
  expect_nothing_came();
}

TEST_P(UdTest, AWrongQkeyIsDroppedAndCounted) {
  uint32_t before = b().qkey_violations();
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 8)}), kQkey + 1)));
  ASSERT_DONE(a().wait_send(), 2);
  ASSERT_POSTED(a().post_send(to_b(send_imm_wr(3, {}, 77))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].imm_data, 77u);
  EXPECT_GT(b().qkey_violations(), before);
}

TEST_P(UdTest, TheHighBitAsksForTheQpsOwnQkey) {
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 8)}), 0x80000000)));
  EXPECT_DONE(b().wait_recv(), 1);
}

TEST_P(UdTest, ADatagramForNobodyIsSentAndLost) {
  // A number that no QP of the process has: b has a second one beside its first.
  ASSERT_POSTED(a().post_send(to(a_to_b, at_b.qpn ^ 0x550, send_wr(2, {at_a.sge(0, 64)}))));
  EXPECT_DONE(a().wait_send(), 2);
  ASSERT_POSTED(a().post_send(to(a_to_b, at_b.qpn ^ 0x7ff000, send_wr(3, {at_a.sge(0, 64)}))));
  EXPECT_DONE(a().wait_send(), 3);
  expect_nothing_came();
}

TEST_P(UdTest, MoreThanTheMtuIsALengthError) {
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, mtu + 1)}))));
  EXPECT_STATUS(a().wait_send(), 2, IBV_WC_LOC_LEN_ERR);
}

TEST_P(UdTest, ASendErrorStopsTheSendQueueOnly) {
  ASSERT_POSTED(
      a().post_send({to_b(send_wr(2, {{at_a.buffer, 64, at_a.lkey ^ 0x5a5a5a00}})), to_b(send_wr(3, {}, 0))}));
  auto wcs = a().wait_send(2);
  ASSERT_EQ(wcs.size(), 2u);
  EXPECT_STATUS(one_of(wcs, 0), 2, IBV_WC_LOC_PROT_ERR);
  EXPECT_STATUS(one_of(wcs, 1), 3, IBV_WC_WR_FLUSH_ERR);
  EXPECT_EQ(a().state(), IBV_QPS_SQE);
  ASSERT_POSTED(a().post_recv(recv_wr(5, {at_a.sge(0, kGrh)})));
  ASSERT_POSTED(b().post_send(to_a(send_wr(6, {}))));
  EXPECT_DONE(a().wait_recv(), 5);
  ASSERT_EQ(a().move(IBV_QPS_RTS), 0);
  expect_nothing_came();
}

TEST_P(UdTest, AReceiveThatIsTooSmallIsALengthErrorAndEndsTheQp) {
  ASSERT_POSTED(b().post_recv({room(1, 63), room(4, 64, 4096)}));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 64)}))));
  ASSERT_DONE(a().wait_send(), 2);
  auto wcs = b().wait_recv(2);
  ASSERT_EQ(wcs.size(), 2u);
  EXPECT_STATUS(one_of(wcs, 0), 1, IBV_WC_LOC_LEN_ERR);
  EXPECT_STATUS(one_of(wcs, 1), 4, IBV_WC_WR_FLUSH_ERR);
  EXPECT_EQ(b().state(), IBV_QPS_ERR);
}

TEST_P(UdTest, InErrorBothQueuesFlush) {
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_EQ(b().move(IBV_QPS_ERR), 0);
  EXPECT_STATUS(b().wait_recv(), 1, IBV_WC_WR_FLUSH_ERR);
  ASSERT_POSTED(b().post_send(to_a(send_wr(2, {}))));
  EXPECT_STATUS(b().wait_send(), 2, IBV_WC_WR_FLUSH_ERR);
}

TEST_P(UdTest, SeveralSgesMakeOneDatagram) {
  a().fill(0, 300, 5);
  ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 17), at_b.sge(17, 23), at_b.sge(40, 100), at_b.sge(140, 500)})));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 100), at_a.sge(100, 1), at_a.sge(101, 199)}))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].byte_len, kGrh + 300);
  EXPECT_EQ(b().mismatch(kGrh, 300, 5), -1);
}

TEST_P(UdTest, AQpCanSendToItself) {
  uint64_t self = b().make_ah(at_b.gid);
  b().fill(1024, 64, 3);
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(b().post_send(to(self, at_b.qpn, send_wr(2, {at_b.sge(1024, 64)}))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].src_qp, at_b.qpn);
  EXPECT_EQ(b().mismatch(kGrh, 64, 3), -1);
}

TEST_P(UdTest, AnAddressHandleMayGoWhenTheSendIsComplete) {
  uint64_t handle = a().make_ah(at_b.gid);
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to(handle, at_b.qpn, send_wr(2, {at_a.sge(0, 8)}))));
  ASSERT_DONE(a().wait_send(), 2);
  a().drop_handles();
  EXPECT_DONE(b().wait_recv(), 1);
}

TEST_P(UdTest, WhatADatagramCannotDoIsRefused) {
  EXPECT_EQ(a().post_send(to_b(make_wr(IBV_WR_RDMA_WRITE, 2, {}, kSignaled))).rc, EINVAL);
  EXPECT_EQ(a().post_send(to_b(make_wr(IBV_WR_RDMA_READ, 2, {}, kSignaled))).rc, EINVAL);
  EXPECT_EQ(a().post_send(to(0, at_b.qpn, send_wr(2, {}))).rc, EINVAL);
}

TEST_P(UdTest, AnAddressHandleOfAnotherPdIsAnOperationError) {
  uint64_t foreign = a().make_ah_in_other_pd(at_b.gid);
  ASSERT_POSTED(a().post_send(to(foreign, at_b.qpn, send_wr(2, {at_a.sge(0, 8)}))));
  EXPECT_STATUS(a().wait_send(), 2, IBV_WC_LOC_QP_OP_ERR);
}

TEST_P(UdTest, QueryTellsTheQkey) { EXPECT_EQ(a().query(0, IBV_QP_QKEY).attr.qkey, kQkey); }

TEST_P(UdTest, DatagramsToOneQpKeepTheirOrder) {
  for (uint64_t i = 0; i < 50; ++i) ASSERT_POSTED(b().post_recv(room(100 + i, 64, i * 128)));
  std::vector<SendWr> requests;
  for (uint32_t i = 0; i < 50; ++i) requests.push_back(to_b(send_imm_wr(i, {at_a.sge(0, 64)}, i)));
  ASSERT_POSTED(a().post_send(requests));
  auto wcs = b().wait_recv(50);
  ASSERT_TRUE(completed_all(wcs, ids_from(100, 50), IBV_WC_SUCCESS));
  for (uint32_t i = 0; i < 50; ++i) EXPECT_EQ(wcs[i].imm_data, i);
}

INSTANTIATE_TEST_SUITE_P(Both, UdTest, kUd, param_name);

// Between GIDs that are IPv6 addresses.
class UdIpv6Test : public DatagramTest {
 protected:
  void SetUp() override {
    options.gid_index = ipv6_gid_index(open_device().get());
    if (options.gid_index < 0) SKIP_ON_OTHERS("no GID is an IPv6 address");
    DatagramTest::SetUp();
  }
};

TEST_P(UdIpv6Test, AnIpv6HeaderStandsInFront) {
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_imm_wr(2, {at_a.sge(0, 8)}, 5))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  Bytes grh = b().load(0, kGrh);
  EXPECT_EQ(grh[0] >> 4, 6);
  EXPECT_EQ((grh[0] & 15) << 4 | grh[1] >> 4, kTrafficClass);
  EXPECT_EQ(grh[4] << 8 | grh[5], 8 + 12 + 8 + 4 + 8 + 4);  // UDP, BTH, DETH, ImmDt, the data, ICRC
  EXPECT_EQ(grh[6], IPPROTO_UDP);
  EXPECT_EQ(grh[7], 64);
  EXPECT_TRUE(std::equal(grh.begin() + 8, grh.begin() + 24, at_a.gid.raw));
  EXPECT_TRUE(std::equal(grh.begin() + 24, grh.end(), at_b.gid.raw));
}

TEST_P(UdIpv6Test, TheAnswerFindsItsWayByTheHeader) {
  ASSERT_POSTED(a().post_recv(recv_wr(5, {at_a.sge(0, kGrh)})));
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(64, 8)}))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  uint64_t back = b().make_ah_from(wcs[0], 0);
  ASSERT_POSTED(b().post_send(to(back, wcs[0].src_qp, send_wr(3, {}))));
  EXPECT_DONE(a().wait_recv(), 5);
}

INSTANTIATE_TEST_SUITE_P(Both, UdIpv6Test, kUd, param_name);

class UdSrqTest : public DatagramTest {
 protected:
  UdSrqTest() { options.srq = true; }
};

TEST_P(UdSrqTest, TakesReceivesOfTheSrq) {
  a().fill(0, 64, 4);
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {at_a.sge(0, 64)}))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].qp_num, at_b.qpn);
  EXPECT_EQ(b().mismatch(kGrh, 64, 4), -1);
}

INSTANTIATE_TEST_SUITE_P(Both, UdSrqTest, kUd, param_name);

class UdInlineTest : public DatagramTest {
 protected:
  UdInlineTest() { options.max_inline = 64; }
};

TEST_P(UdInlineTest, InlineDataNeedsNoKey) {
  a().fill(0, 64, 4);
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to_b(send_wr(2, {{at_a.buffer, 64, 0}}, kSignaled | IBV_SEND_INLINE))));
  ASSERT_DONE(b().wait_recv(), 1);
  EXPECT_EQ(b().mismatch(kGrh, 64, 4), -1);
}

INSTANTIATE_TEST_SUITE_P(Both, UdInlineTest, kUd, param_name);

}  // namespace
}  // namespace vt
