// SPDX-License-Identifier: BSD-2-Clause
// Multicast groups: who gets a datagram, and what attaching refuses.
#include <unistd.h>

#include <cerrno>

#include "support/datagram.h"

namespace vt {
namespace {

constexpr uint32_t kMulticastQpn = 0xffffff;

// Groups that no other test run uses at the same time.
ibv_gid ipv4_group(uint8_t salt) {
  auto pid = static_cast<uint32_t>(getpid());
  return {
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 239, salt, static_cast<uint8_t>(pid >> 8), static_cast<uint8_t>(pid)}};
}

ibv_gid ipv6_group(uint8_t salt) {
  ibv_gid gid = ipv4_group(salt);
  gid.raw[0] = 0xff;
  gid.raw[1] = 0x0e;
  gid.raw[10] = gid.raw[11] = 0;
  return gid;
}

class MulticastTest : public DatagramTest {
 protected:
  // Everybody attached gets it: `receivers` completions at b.
  void expect_delivered(const ibv_gid& group, size_t receivers) {
    uint64_t handle = a().make_ah(group);
    a().fill(0, 300, 6);
    ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 512)}), 0));
    ASSERT_POSTED(b().post_recv(recv_wr(2, {at_b.sge(512, 512)}), 1));
    ASSERT_POSTED(a().post_send(to(handle, kMulticastQpn, send_imm_wr(3, {at_a.sge(0, 300)}, 99))));
    ASSERT_DONE(a().wait_send(), 3);
    auto wcs = b().wait_recv(static_cast<int>(receivers));
    ASSERT_EQ(wcs.size(), receivers);
    for (const ibv_wc& wc : wcs) {
      EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
      EXPECT_EQ(wc.byte_len, kGrh + 300);
      EXPECT_EQ(wc.src_qp, at_a.qpn);
      EXPECT_EQ(wc.imm_data, 99u);
      EXPECT_EQ(b().mismatch((wc.wr_id - 1) * 512 + kGrh, 300, 6), -1);
    }
  }
};

TEST_P(MulticastTest, ReachesEveryQpOfAnIpv4Group) {
  ASSERT_EQ(b().attach(ipv4_group(1), 0), 0);
  ASSERT_EQ(b().attach(ipv4_group(1), 1), 0);
  expect_delivered(ipv4_group(1), 2);
  EXPECT_EQ(b().detach(ipv4_group(1), 0), 0);
  EXPECT_EQ(b().detach(ipv4_group(1), 1), 0);
}

TEST_P(MulticastTest, ReachesEveryQpOfAnIpv6Group) {
  ASSERT_EQ(b().attach(ipv6_group(2), 0), 0);
  ASSERT_EQ(b().attach(ipv6_group(2), 1), 0);
  expect_delivered(ipv6_group(2), 2);
  EXPECT_EQ(b().detach(ipv6_group(2), 0), 0);
  EXPECT_EQ(b().detach(ipv6_group(2), 1), 0);
}

TEST_P(MulticastTest, AQpMayBeInSeveralGroups) {
  ASSERT_EQ(b().attach(ipv4_group(3), 0), 0);
  ASSERT_EQ(b().attach(ipv4_group(4), 0), 0);
  expect_delivered(ipv4_group(3), 1);
  expect_delivered(ipv4_group(4), 1);
  EXPECT_EQ(b().detach(ipv4_group(3), 0), 0);
  EXPECT_EQ(b().detach(ipv4_group(4), 0), 0);
}

TEST_P(MulticastTest, WhoHasLeftGetsNothing) {
  ASSERT_EQ(b().attach(ipv4_group(5), 0), 0);
  ASSERT_EQ(b().attach(ipv4_group(5), 1), 0);
  ASSERT_EQ(b().detach(ipv4_group(5), 0), 0);
  expect_delivered(ipv4_group(5), 1);
  EXPECT_EQ(b().detach(ipv4_group(5), 1), 0);
}

TEST_P(MulticastTest, AWrongQkeyIsDropped) {
  ASSERT_EQ(b().attach(ipv4_group(6), 0), 0);
  uint64_t handle = a().make_ah(ipv4_group(6));
  ASSERT_POSTED(b().post_recv(room(1, 64)));
  ASSERT_POSTED(a().post_send(to(handle, kMulticastQpn, send_wr(2, {}), kQkey + 1)));
  ASSERT_POSTED(a().post_send(to(handle, kMulticastQpn, send_imm_wr(3, {}, 77))));
  auto wcs = b().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].imm_data, 77u);
  EXPECT_EQ(b().detach(ipv4_group(6), 0), 0);
}

TEST_P(MulticastTest, TheSenderGetsItsOwnWhenItIsAttached) {
  ASSERT_EQ(a().attach(ipv4_group(7), 0), 0);
  uint64_t handle = a().make_ah(ipv4_group(7));
  ASSERT_POSTED(a().post_recv(recv_wr(1, {at_a.sge(0, kGrh)})));
  ASSERT_POSTED(a().post_send(to(handle, kMulticastQpn, send_wr(2, {}))));
  auto wcs = a().wait_recv();
  ASSERT_DONE(wcs, 1);
  EXPECT_EQ(wcs[0].src_qp, at_a.qpn);
  EXPECT_EQ(a().detach(ipv4_group(7), 0), 0);
}

INSTANTIATE_TEST_SUITE_P(Both, MulticastTest, kUd, param_name);

class AttachTest : public PdTest {
 protected:
  CqPtr cq{ibv_create_cq(context.get(), 16, nullptr, nullptr, 0)};
  QpPtr ud = create(IBV_QPT_UD);
  ibv_gid group = ipv4_group(8);

  QpPtr create(ibv_qp_type type) {
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq.get();
    init.cap = {4, 4, 1, 1, 0};
    init.qp_type = type;
    return QpPtr(ibv_create_qp(pd.get(), &init));
  }
};

TEST_F(AttachTest, OtherQpTypesAreRefused) {
  QpPtr rc = create(IBV_QPT_RC);
  EXPECT_EQ(ibv_attach_mcast(rc.get(), &group, 0), EINVAL);
}

TEST_F(AttachTest, AUnicastGidIsRefused) {
  ibv_gid own = gid_at(context.get(), gid_index(context.get()));
  EXPECT_EQ(ibv_attach_mcast(ud.get(), &own, 0), EINVAL);
}

TEST_F(AttachTest, TwiceIsOnce) {
  EXPECT_EQ(ibv_attach_mcast(ud.get(), &group, 0), 0);
  EXPECT_EQ(ibv_attach_mcast(ud.get(), &group, 0), 0);
  EXPECT_EQ(ibv_detach_mcast(ud.get(), &group, 0), 0);
  EXPECT_EQ(ibv_detach_mcast(ud.get(), &group, 0), EINVAL);
}

TEST_F(AttachTest, WhoIsNotAttachedCannotBeDetached) { EXPECT_EQ(ibv_detach_mcast(ud.get(), &group, 0), EINVAL); }

TEST_F(AttachTest, AnAttachedQpIsInUse) {
  ASSERT_EQ(ibv_attach_mcast(ud.get(), &group, 0), 0);
  EXPECT_EQ(ibv_destroy_qp(ud.get()), EBUSY);
  EXPECT_EQ(ibv_detach_mcast(ud.get(), &group, 0), 0);
}

TEST_F(AttachTest, TheDeviceSaysHowMany) {
  ibv_device_attr attr{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_GT(attr.max_mcast_grp, 0);
  EXPECT_GT(attr.max_mcast_qp_attach, 0);
  EXPECT_GE(attr.max_total_mcast_qp_attach, attr.max_mcast_qp_attach);
}

}  // namespace
}  // namespace vt
