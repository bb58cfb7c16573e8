// SPDX-License-Identifier: BSD-2-Clause
// Datagram services: an inquiry and its answer.
#include <arpa/inet.h>

#include <cstring>

#include "support/fixture.h"

namespace cm_test {
namespace {

class DatagramTest : public CmTest {
 protected:
  void SetUp() override {
    CmTest::SetUp();
    if (IsSkipped()) return;
    Id probe = resolve(7999, false, RDMA_PS_UDP);
    if (probe.make_qp() != 0 && errno == EOPNOTSUPP) SKIP_ON_OTHERS("the device has no UD queue pairs");
  }
};

TEST_F(DatagramTest, TheAnswerSaysWhereToSend) {
  Id listener = listen(RDMA_PS_UDP);
  Id client = resolve(listener.port(), true, RDMA_PS_UDP);
  rdma_conn_param param = parameters(181);
  EXPECT_NE(rdma_connect(client.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
  param = parameters(180);
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Event event;
  Id server = request(&event);
  EXPECT_EQ(event.data.size(), 180u);
  EXPECT_TRUE(is_pattern(event.data, 180));
  ASSERT_EQ(server.make_qp(), 0);
  EXPECT_EQ(server.qp_state(), IBV_QPS_RTS);
  param = parameters(3);
  param.qp_num = server->qp->qp_num;
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_ESTABLISHED);
  EXPECT_EQ(event.ud.qp_num, server->qp->qp_num);
  EXPECT_EQ(event.ud.qkey, static_cast<uint32_t>(RDMA_UDP_QKEY));
  EXPECT_TRUE(event.ud.ah_attr.is_global);
  EXPECT_EQ(event.ud.ah_attr.port_num, 1);
  EXPECT_EQ(event.data.size(), 136u);
  EXPECT_TRUE(is_pattern(event.data, 3));
  EXPECT_TRUE(passive.silent()) << "the service hears of nothing more";
}

TEST_F(DatagramTest, ARefusalIsUnreachable) {
  Id listener = listen(RDMA_PS_UDP);
  Id client = resolve(listener.port(), true, RDMA_PS_UDP);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  ASSERT_EQ(rdma_reject(server.get(), nullptr, 0), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_UNREACHABLE);
}

TEST_F(DatagramTest, NobodyServes) {
  Id client = resolve(7998, true, RDMA_PS_UDP);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_UNREACHABLE);
  EXPECT_NE(event.status, 0);
}

TEST_F(DatagramTest, JoiningAGroupSaysWhereToSend) {
  Id id(active, RDMA_PS_UDP);
  Address address = device_address(7999);
  ASSERT_EQ(rdma_resolve_addr(id.get(), nullptr, address.get(), 2000), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_ADDR_RESOLVED);
  ASSERT_EQ(id.make_qp(), 0);
  Address group = make_address("239.1.2.3");
  const int joined = rdma_join_multicast(id.get(), group.get(), this);
  if (joined != 0 && errno == EOPNOTSUPP) SKIP_ON_OTHERS("the device has no multicast");
  ASSERT_EQ(joined, 0) << strerror(errno);
  Event event = active.next();
  ASSERT_EQ(event.type, RDMA_CM_EVENT_MULTICAST_JOIN);
  EXPECT_EQ(event.ud.private_data, this);
  EXPECT_EQ(event.ud.qp_num, 0xffffffu);
  EXPECT_EQ(event.ud.qkey, static_cast<uint32_t>(RDMA_UDP_QKEY));
  EXPECT_TRUE(event.ud.ah_attr.is_global);
  EXPECT_EQ(rdma_leave_multicast(id.get(), group.get()), 0);
  EXPECT_NE(rdma_leave_multicast(id.get(), group.get()), 0);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
}

TEST_F(DatagramTest, WhoGoesOnToASingleHostJoinsNoGroup) {
  Id id = resolve(7999, true, RDMA_PS_UDP);
  Address group = make_address("239.1.2.3");
  EXPECT_NE(rdma_join_multicast(id.get(), group.get(), nullptr), 0);
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
}  // namespace cm_test
