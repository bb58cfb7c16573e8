// SPDX-License-Identifier: BSD-2-Clause
// query_qp returns what was set; modify_qp refuses values out of range.
#include <cstring>
#include <functional>

#include "support/missing.h"
#include "support/qp_fixture.h"

namespace vt {
namespace {

class QpQueryTest : public LoneQpTest {
 protected:
  void expect_bad_value(ibv_qp_state from, ibv_qp_state to, const char* what, std::function<void(ibv_qp_attr&)> spoil) {
    drive_to(from);
    ibv_qp_attr attr = good_attr(from, to);
    spoil(attr);
    EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, find_transition(from, to)->required(type())), EINVAL) << what;
    EXPECT_EQ(state(), from) << what;
  }
  void expect_bad_init(const char* what, std::function<void(ibv_qp_attr&)> spoil) {
    expect_bad_value(IBV_QPS_RESET, IBV_QPS_INIT, what, spoil);
  }
  void expect_bad_rtr(const char* what, std::function<void(ibv_qp_attr&)> spoil) {
    expect_bad_value(IBV_QPS_INIT, IBV_QPS_RTR, what, spoil);
  }
  void expect_bad_rts(const char* what, std::function<void(ibv_qp_attr&)> spoil) {
    expect_bad_value(IBV_QPS_RTR, IBV_QPS_RTS, what, spoil);
  }
};

TEST_P(QpQueryTest, SaysHowTheQpWasMade) {
  ibv_qp_init_attr init{};
  query(&init);
  EXPECT_EQ(init.send_cq, cq.get());
  EXPECT_EQ(init.recv_cq, cq.get());
  EXPECT_EQ(init.qp_type, type());
  EXPECT_EQ(init.srq, nullptr);
  EXPECT_EQ(init.sq_sig_all, 0);
}

TEST_P(QpQueryTest, SaysWhatInitWasGiven) {
  link.qp_access = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
  drive_to(IBV_QPS_INIT);
  ibv_qp_attr attr = query();
  EXPECT_EQ(attr.qp_state, IBV_QPS_INIT);
  EXPECT_EQ(attr.port_num, kPort);
  EXPECT_EQ(attr.pkey_index, 0);
  EXPECT_EQ(attr.qp_access_flags, static_cast<unsigned>(link.qp_access));
}

TEST_P(QpQueryTest, SaysTheCurrentStateToo) {
  for (ibv_qp_state state : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_ERR}) {
    drive_to(state);
    EXPECT_EQ(query().cur_qp_state, state);
  }
}

TEST_P(QpQueryTest, SaysWhatRtrWasGiven) {
  drive_to(IBV_QPS_RTR);
  ibv_qp_attr attr = query();
  int index = gid_index(context.get());
  ibv_gid gid = gid_at(context.get(), index);
  EXPECT_EQ(attr.path_mtu, active_mtu(context.get()));
  EXPECT_EQ(attr.dest_qp_num, qp->qp_num);
  EXPECT_EQ(attr.rq_psn, 17u);
  EXPECT_EQ(attr.ah_attr.is_global, 1);
  EXPECT_EQ(attr.ah_attr.port_num, kPort);
  EXPECT_EQ(attr.ah_attr.grh.sgid_index, index);
  EXPECT_EQ(attr.ah_attr.grh.hop_limit, 64);
  EXPECT_EQ(std::memcmp(attr.ah_attr.grh.dgid.raw, gid.raw, 16), 0);
}

TEST_P(QpQueryTest, SaysTheReliableAttributesOfRtrAndRts) {
  if (type() != IBV_QPT_RC) GTEST_SKIP() << "RC only";
  link = {.timeout = 13, .retry_cnt = 5, .rnr_retry = 3, .min_rnr_timer = 9, .rd_atomic = 4, .dest_rd_atomic = 8};
  drive_to(IBV_QPS_RTS);
  ibv_qp_attr attr = query();
  EXPECT_EQ(attr.timeout, 13);
  EXPECT_EQ(attr.retry_cnt, 5);
  EXPECT_EQ(attr.rnr_retry, 3);
  EXPECT_EQ(attr.min_rnr_timer, 9);
  EXPECT_EQ(attr.max_rd_atomic, 4);
  EXPECT_EQ(attr.max_dest_rd_atomic, 8);
}

TEST_P(QpQueryTest, SaysTheSendPsn) {
  drive_to(IBV_QPS_RTS);
  EXPECT_EQ(query().sq_psn, 17u);
}

TEST_P(QpQueryTest, EveryPsnIsAccepted) {
  for (uint32_t psn : {0u, 1u, 0x7fffffu, 0xffffffu}) {
    drive_to(IBV_QPS_INIT);
    ibv_qp_attr attr = good_attr(IBV_QPS_INIT, IBV_QPS_RTR);
    attr.rq_psn = psn;
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rtr_mask(type())), 0) << psn;
    EXPECT_EQ(query().rq_psn, psn);
  }
}

TEST_P(QpQueryTest, EveryMtuUpToTheActiveOneIsAccepted) {
  for (int mtu = IBV_MTU_256; mtu <= active_mtu(context.get()); ++mtu) {
    drive_to(IBV_QPS_INIT);
    ibv_qp_attr attr = good_attr(IBV_QPS_INIT, IBV_QPS_RTR);
    attr.path_mtu = static_cast<ibv_mtu>(mtu);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rtr_mask(type())), 0) << mtu;
    EXPECT_EQ(query().path_mtu, mtu);
  }
}

TEST_P(QpQueryTest, ResetForgetsTheConnection) {
  drive_to(IBV_QPS_RTS);
  ASSERT_EQ(step(IBV_QPS_RTS, IBV_QPS_RESET), 0);
  EXPECT_EQ(query().qp_state, IBV_QPS_RESET);
  ASSERT_EQ(step(IBV_QPS_RESET, IBV_QPS_INIT), 0);
  EXPECT_EQ(modify(IBV_QPS_INIT, IBV_QPS_RTS, rts_mask(type())), EINVAL);
}

TEST_P(QpQueryTest, BadInitValuesAreRefused) {
  expect_bad_init("port 0", [](auto& attr) { attr.port_num = 0; });
  expect_bad_init("port 2", [](auto& attr) { attr.port_num = 2; });
}

TEST_P(QpQueryTest, APkeyIndexBeyondTheTableIsRefused) {
  expect_bad_init("pkey index", [](auto& attr) { attr.pkey_index = 60000; });
}

TEST_P(QpQueryTest, BadRtrValuesAreRefused) {
  expect_bad_rtr("MTU too large", [](auto& attr) { attr.path_mtu = static_cast<ibv_mtu>(IBV_MTU_4096 + 1); });
  expect_bad_rtr("AH port", [](auto& attr) { attr.ah_attr.port_num = 2; });
}

TEST_P(QpQueryTest, AnMtuOfZeroIsRefused) {
  expect_bad_rtr("MTU zero", [](auto& attr) { attr.path_mtu = static_cast<ibv_mtu>(0); });
}

TEST_P(QpQueryTest, ARoceAddressNeedsAGlobalRoute) {
  expect_bad_rtr("no GRH", [](auto& attr) { attr.ah_attr.is_global = 0; });
}

TEST_P(QpQueryTest, AnEmptySourceGidIsRefused) {
  constexpr int kEmpty = 250;
  ibv_gid gid{};
  bool beyond = ibv_query_gid(context.get(), kPort, kEmpty, &gid) != 0;
  drive_to(IBV_QPS_INIT);
  ibv_qp_attr attr = good_attr(IBV_QPS_INIT, IBV_QPS_RTR);
  attr.ah_attr.grh.sgid_index = kEmpty;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, rtr_mask(type())), beyond ? EINVAL : ENODATA);
  EXPECT_EQ(state(), IBV_QPS_INIT);
}

TEST_P(QpQueryTest, BadReliableValuesAreRefused) {
  if (type() != IBV_QPT_RC) GTEST_SKIP() << "RC only";
  expect_bad_rts("initiator depth", [](auto& attr) { attr.max_rd_atomic = 255; });
  expect_bad_rts("timeout", [](auto& attr) { attr.timeout = 32; });
}

TEST_P(QpQueryTest, MoreResponderResourcesThanTheDeviceHasAreRefused) {
  if (type() != IBV_QPT_RC) GTEST_SKIP() << "RC only";
  ibv_device_attr device{};
  ibv_query_device(context.get(), &device);
  if (device.max_qp_rd_atom >= 255) SKIP_ON_OTHERS("any value is in range");
  expect_bad_rtr("responder resources", [](auto& attr) { attr.max_dest_rd_atomic = 255; });
}

INSTANTIATE_TEST_SUITE_P(Both, QpQueryTest, kConnectedTypes, type_name);

}  // namespace
}  // namespace vt
