// SPDX-License-Identifier: BSD-2-Clause
// Another path for a connection that stands: ibv_modify_qp with an address vector in SQD; and no alternate paths.
#include "support/missing.h"
#include "support/pair.h"

namespace vt {
namespace {

class PathTest : public ConnectedTest {
 protected:
  PathTest() {
    // Where a path leads nowhere that is to be known soon; emulated adapters are slower.
    if (device_is_ours()) link.timeout = 8, link.retry_cnt = 3;
  }

  void drain() { drain(a()); }
  void drain(Side& side) {
    ASSERT_EQ(side.move(IBV_QPS_SQD), 0);
    for (Deadline deadline; side.query().attr.sq_draining && !deadline.expired();) {
    }
  }
  // What leads to the other end, from the GID with this index: one port is both ends'.
  ibv_ah_attr to_b(int index) {
    Address peer = at_b;
    peer.gid = gid_at(a().local().context(), index);
    return rtr_attr(peer, link, index, IBV_MTU_1024).ah_attr;
  }
  int take(const ibv_ah_attr& path) { return take(a(), path); }
  static int take(Side& side, const ibv_ah_attr& path) {
    ibv_qp_attr attr{};
    attr.ah_attr = path;
    return ibv_modify_qp(side.local().qp(0), &attr, IBV_QP_AV);
  }
  void exchange() {
    ASSERT_POSTED(b().post_recv(recv_wr(1, {at_b.sge(0, 8192)})));
    ASSERT_POSTED(a().post_recv(recv_wr(2, {at_a.sge(0, 8192)})));
    ASSERT_POSTED(a().post_send(send_wr(3, {at_a.sge(0, 8192)})));
    ASSERT_POSTED(b().post_send(send_wr(4, {at_b.sge(0, 8192)})));
    ASSERT_DONE(a().wait_send(), 3);
    ASSERT_DONE(b().wait_send(), 4);
    ASSERT_DONE(b().wait_recv(), 1);
    ASSERT_DONE(a().wait_recv(), 2);
  }
};

TEST_P(PathTest, TrafficGoesOnOverAnother) {
  std::vector<Side*> movers{&a()};
  if (GetParam().form == Form::kOneProcess) movers.push_back(&b());
  if (movers.size() < 2 && !device_is_ours()) GTEST_SKIP() << "adapters look where packets come from: both ends move";
  const int own = gid_index(a().local().context());
  exchange();
  for (int index : {0, own, 0}) {
    for (Side* side : movers) drain(*side);
    for (Side* side : movers) {
      ASSERT_EQ(take(*side, to_b(index)), 0) << index;
      EXPECT_EQ(side->query(0, IBV_QP_AV).attr.ah_attr.grh.sgid_index, index);
      ASSERT_EQ(side->move(IBV_QPS_RTS), 0);
    }
    exchange();
  }
}

TEST_P(PathTest, ItIsTheOneThatIsTaken) {
  if (!device_is_ours()) GTEST_SKIP() << "of an address where nobody listens";
  const int own = gid_index(a().local().context());
  exchange();
  drain();
  ibv_ah_attr path = to_b(own);
  path.grh.dgid.raw[15] ^= 0x40;  // of loopback's network, but not the device's
  ASSERT_EQ(take(path), 0);
  ASSERT_EQ(a().move(IBV_QPS_RTS), 0);
  ASSERT_POSTED(a().post_send(send_wr(5, {})));
  EXPECT_STATUS(a().wait_send(), 5, IBV_WC_RETRY_EXC_ERR);
}

TEST_P(PathTest, OneThatLeadsNowhereIsRefusedAndTheOldOneStays) {
  const int own = gid_index(a().local().context());
  exchange();
  drain();
  ibv_ah_attr path = to_b(own);
  path.grh.dgid = {};
  EXPECT_NE(take(path), 0);
  path = to_b(own);
  path.is_global = 0;
  EXPECT_NE(take(path), 0);
  ASSERT_EQ(a().move(IBV_QPS_RTS), 0);
  exchange();
}

TEST_P(PathTest, WithoutAutomaticMigrationThereIsNoAlternate) {
  ibv_device_attr device{};
  ASSERT_EQ(ibv_query_device(a().local().context(), &device), 0);
  const bool announced = device.device_cap_flags & IBV_DEVICE_AUTO_PATH_MIG;
  // rxe announces it, and refuses alternate paths all the same, as the kernel does for Ethernet ports.
  if (announced && !device_is_rxe()) SKIP_ON_OTHERS("this device migrates");
  ibv_qp* qp = a().local().qp(0);
  ibv_qp_attr attr{};
  attr.alt_ah_attr = to_b(0);
  attr.alt_port_num = kPort;
  attr.alt_timeout = 12;
  EXPECT_EQ(ibv_modify_qp(qp, &attr, IBV_QP_ALT_PATH), EINVAL);
  for (ibv_mig_state state : {IBV_MIG_ARMED, IBV_MIG_REARM}) {
    attr.path_mig_state = state;
    EXPECT_EQ(ibv_modify_qp(qp, &attr, IBV_QP_ALT_PATH | IBV_QP_PATH_MIG_STATE), EINVAL) << state;
    if (device_is_ours()) EXPECT_EQ(ibv_modify_qp(qp, &attr, IBV_QP_PATH_MIG_STATE), EINVAL) << state;
  }
  attr.path_mig_state = IBV_MIG_MIGRATED;
  EXPECT_EQ(ibv_modify_qp(qp, &attr, IBV_QP_PATH_MIG_STATE), 0);
  const ibv_qp_attr now = a().query(0, IBV_QP_STATE | IBV_QP_PATH_MIG_STATE | IBV_QP_ALT_PATH).attr;
  EXPECT_EQ(now.qp_state, IBV_QPS_RTS);
  EXPECT_EQ(now.path_mig_state, IBV_MIG_MIGRATED);
  EXPECT_EQ(now.alt_port_num, 0);
  exchange();
}

INSTANTIATE_TEST_SUITE_P(Both, PathTest, kRc, param_name);

}  // namespace
}  // namespace vt
