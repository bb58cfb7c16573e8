// SPDX-License-Identifier: BSD-2-Clause
// Connections that do not come to be.
#include "support/fixture.h"

namespace cm_test {
namespace {

TEST_F(CmTest, NobodyListens) {
  Id listener = listen();
  uint16_t port = listener.port();
  listener.destroy();
  Id client = resolve(port);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.status, 8);
  EXPECT_EQ(event.data.size(), 148u);
  EXPECT_EQ(client.qp_state(), IBV_QPS_ERR);
  EXPECT_NE(rdma_connect(client.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, ABoundPortThatDoesNotListenRefuses) {
  Id bound(passive);
  Address address = device_address();
  ASSERT_EQ(rdma_bind_addr(bound.get(), address.get()), 0);
  Id client = resolve(bound.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.status, 8);
}

TEST_F(CmTest, TheProgramRefuses) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  ASSERT_EQ(server.make_qp(), 0);
  EXPECT_NE(rdma_reject(server.get(), parameters(149).private_data, 149), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(rdma_reject(server.get(), parameters(5).private_data, 5), 0);
  EXPECT_NE(rdma_reject(server.get(), nullptr, 0), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(rdma_accept(server.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.status, 28);
  EXPECT_EQ(event.data.size(), 148u);
  EXPECT_TRUE(is_pattern(event.data, 5));
  EXPECT_EQ(client.qp_state(), IBV_QPS_ERR);
  EXPECT_EQ(rdma_disconnect(client.get()), 0);
}

TEST_F(CmTest, ARequestThatIsDestroyedIsRefused) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  server.destroy();
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.status, 28);
}

TEST_F(CmTest, RequestsGoWithTheirListener) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  // Another connection shows that the first request is queued: it is behind it.
  Id second = resolve(listener.port());
  ASSERT_EQ(rdma_connect(second.get(), &param), 0);
  Id server = request();
  listener.destroy();
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.id, second.get());
  EXPECT_TRUE(passive.silent());
}

TEST_F(CmTest, AWithdrawnRequestCannotBeAccepted) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  client.destroy();
  EXPECT_TRUE(passive.silent()) << "the program is not told";
  EXPECT_NE(rdma_accept(server.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, AFullBacklogDelaysAndLosesNothing) {
  Id listener = listen(RDMA_PS_TCP, 1);
  rdma_conn_param param = parameters();
  std::vector<Id> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(resolve(listener.port()));
    ASSERT_EQ(rdma_connect(clients.back().get(), &param), 0);
  }
  for (int i = 0; i < 3; ++i) {
    Id server = request();
    ASSERT_EQ(rdma_reject(server.get(), nullptr, 0), 0);
    EXPECT_EQ(active.next().type, RDMA_CM_EVENT_REJECTED);
  }
}

}  // namespace
}  // namespace cm_test
