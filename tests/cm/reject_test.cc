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

// Here the promise is more than the kernel's: the time that hardware takes hides the moment without a listener.
TEST_F(ConnectedCmTest, AListenerThatIsMadeAnewIsWaitedFor) {
  uint16_t port = listener.port();
  listener.destroy();
  Id second = resolve(port);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(second.get(), &param), 0);
  Id another(passive);
  Address address = device_address(port);
  ASSERT_EQ(rdma_bind_addr(another.get(), address.get()), 0);
  EXPECT_TRUE(active.silent()) << "bound, and asked again before it listens";
  ASSERT_EQ(rdma_listen(another.get(), 1), 0);
  Id server = request();
  ASSERT_NE(server.get(), nullptr);
  ASSERT_EQ(server.make_qp(), 0);
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_ESTABLISHED);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_ESTABLISHED);
}

TEST_F(ConnectedCmTest, AListenerThatDoesNotComeBackRefuses) {
  uint16_t port = listener.port();
  listener.destroy();
  Id second = resolve(port);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(second.get(), &param), 0);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.id, second.get());
  EXPECT_EQ(event.status, 8);
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

TEST_F(CmTest, ARequestMayBeDestroyedBeforeItsEventIsGivenBack) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  rdma_cm_event* event = nullptr;
  ASSERT_EQ(rdma_get_cm_event(passive.get(), &event), 0);
  ASSERT_EQ(event->event, RDMA_CM_EVENT_CONNECT_REQUEST);
  EXPECT_EQ(rdma_destroy_id(event->id), 0);
  EXPECT_EQ(rdma_ack_cm_event(event), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_REJECTED);
}

TEST_F(CmTest, RequestsGoWithTheirListener) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id second = resolve(listener.port());
  ASSERT_EQ(rdma_connect(second.get(), &param), 0);
  Id server = request();
  ASSERT_TRUE(passive.waits());
  listener.destroy();
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.id, second.get());
  EXPECT_TRUE(passive.silent());
}

TEST_F(CmTest, ARequestThatWasTakenOutlivesItsListener) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  listener.destroy();
  EXPECT_TRUE(active.silent()) << "asked again meanwhile";
  ASSERT_EQ(server.make_qp(), 0);
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_ESTABLISHED);
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
