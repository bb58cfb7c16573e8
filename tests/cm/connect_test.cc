// SPDX-License-Identifier: BSD-2-Clause
// A connection's life: what each event says, in which order they come, which states the QPs are in.
#include <thread>

#include "support/fixture.h"

namespace cm_test {
namespace {

TEST_F(CmTest, EachSideLearnsWhatTheOtherOffers) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param asked = parameters(10);
  asked.responder_resources = 3;
  asked.initiator_depth = 5;
  asked.flow_control = 1;
  asked.retry_count = 6;
  asked.rnr_retry_count = 4;
  ASSERT_EQ(rdma_connect(client.get(), &asked), 0);
  Event event;
  Id server = request(&event);
  EXPECT_EQ(event.listener, listener.get());
  EXPECT_EQ(server->context, this);
  EXPECT_EQ(event.conn.responder_resources, 5);
  EXPECT_EQ(event.conn.initiator_depth, 3);
  EXPECT_EQ(event.conn.flow_control, 1);
  EXPECT_EQ(event.conn.retry_count, 6);
  EXPECT_EQ(event.conn.rnr_retry_count, 4);
  EXPECT_EQ(event.conn.qp_num, client->qp->qp_num);
  EXPECT_EQ(event.data.size(), 56u);
  EXPECT_TRUE(is_pattern(event.data, 10));
  EXPECT_EQ(ntohs(rdma_get_dst_port(server.get())), client.port());
  EXPECT_EQ(server.port(), listener.port());
  EXPECT_EQ(server->verbs, client->verbs);
  EXPECT_EQ(server->route.num_paths, 1);

  ASSERT_EQ(server.make_qp(), 0);
  rdma_conn_param given = parameters(20);
  given.responder_resources = 2;
  given.initiator_depth = 1;
  given.rnr_retry_count = 2;
  ASSERT_EQ(rdma_accept(server.get(), &given), 0);
  event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_ESTABLISHED);
  EXPECT_EQ(event.conn.responder_resources, 1);
  EXPECT_EQ(event.conn.initiator_depth, 2);
  EXPECT_EQ(event.conn.rnr_retry_count, 2);
  EXPECT_EQ(event.conn.qp_num, server->qp->qp_num);
  EXPECT_EQ(event.data.size(), 196u);
  EXPECT_TRUE(is_pattern(event.data, 20));
  event = passive.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_ESTABLISHED);
  EXPECT_EQ(event.conn.qp_num, 0u);
  EXPECT_TRUE(event.data.empty());
  EXPECT_EQ(client.qp_state(), IBV_QPS_RTS);
  EXPECT_EQ(server.qp_state(), IBV_QPS_RTS);

  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(client->qp, &attr, IBV_QP_STATE | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY, &init), 0);
  EXPECT_EQ(attr.retry_cnt, 6);
  EXPECT_EQ(attr.rnr_retry, 2);
  EXPECT_EQ(attr.dest_qp_num, server->qp->qp_num);
  ASSERT_EQ(ibv_query_qp(server->qp, &attr, IBV_QP_STATE | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY, &init), 0);
  EXPECT_EQ(attr.retry_cnt, 6);
  EXPECT_EQ(attr.rnr_retry, 4);
}

TEST_F(CmTest, PrivateDataOfARequestIsLimited) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters(57);
  EXPECT_NE(rdma_connect(client.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
  param = parameters(56);
  EXPECT_EQ(rdma_connect(client.get(), &param), 0);
  Event event;
  Id server = request(&event);
  EXPECT_TRUE(is_pattern(event.data, 56));
}

TEST_F(CmTest, AnAcceptanceThatDoesNotFitRefuses) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  ASSERT_EQ(server.make_qp(), 0);
  param = parameters(197);
  EXPECT_NE(rdma_accept(server.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.status, 28);
  EXPECT_EQ(server.qp_state(), IBV_QPS_ERR);
}

TEST_F(CmTest, CallsOutOfTurnAreRefused) {
  Id listener = listen();
  Id client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  EXPECT_NE(rdma_connect(client.get(), &param), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(rdma_resolve_route(client.get(), 100), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(rdma_listen(client.get(), 1), 0);
  EXPECT_EQ(errno, EINVAL);
  Id server = request();
}

TEST_F(ConnectedCmTest, BothSidesHearOfTheEnd) {
  ASSERT_EQ(rdma_disconnect(client.get()), 0);
  EXPECT_EQ(client.qp_state(), IBV_QPS_ERR);
  Event event = passive.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_DISCONNECTED);
  EXPECT_EQ(event.id, server.get());
  EXPECT_EQ(event.status, 0);
  EXPECT_EQ(server.qp_state(), IBV_QPS_RTS);
  EXPECT_TRUE(active.silent()) << "the answer is the program's";
  ASSERT_EQ(rdma_disconnect(server.get()), 0);
  EXPECT_EQ(server.qp_state(), IBV_QPS_ERR);
  event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_DISCONNECTED);
  EXPECT_EQ(event.id, client.get());
  EXPECT_EQ(event.status, 0);
  EXPECT_EQ(rdma_disconnect(client.get()), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_TIMEWAIT_EXIT);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_TIMEWAIT_EXIT);
}

TEST_F(ConnectedCmTest, ADestroyedIdentifierAnswers) {
  ASSERT_EQ(rdma_disconnect(client.get()), 0);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_DISCONNECTED);
  server.destroy();
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_DISCONNECTED);
  EXPECT_EQ(event.status, 0);
}

TEST_F(ConnectedCmTest, BothMayEndItAtOnce) {
  std::thread other([&] { EXPECT_EQ(rdma_disconnect(server.get()), 0); });
  EXPECT_EQ(rdma_disconnect(client.get()), 0);
  other.join();
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_DISCONNECTED);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_DISCONNECTED);
}

TEST_F(ConnectedCmTest, ADestroyedIdentifierDisconnects) {
  client.destroy();
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_DISCONNECTED);
}

TEST_F(ConnectedCmTest, TheListenerMayGoBeforeItsConnections) {
  uint16_t port = listener.port();
  listener.destroy();
  Id another(passive);
  Address address = device_address(port);
  EXPECT_EQ(rdma_bind_addr(another.get(), address.get()), 0) << "the port is free at once";
  ASSERT_EQ(rdma_disconnect(client.get()), 0);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_DISCONNECTED);
}

TEST_F(CmTest, AProgramMayMoveItsOwnQp) {
  Id listener = listen();
  Id client = resolve(listener.port(), false);
  rdma_conn_param param = parameters();
  param.qp_num = 0x1234;
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Event event;
  Id server = request(&event);
  EXPECT_EQ(event.conn.qp_num, 0x1234u);
  param.qp_num = 0x4321;
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_CONNECT_RESPONSE);
  EXPECT_EQ(event.conn.qp_num, 0x4321u);
  for (auto [state, needed] : {std::pair{IBV_QPS_INIT, 0x39}, {IBV_QPS_RTR, 0x129181}, {IBV_QPS_RTS, 0x12e01}}) {
    ibv_qp_attr attr{};
    int mask = 0;
    attr.qp_state = state;
    ASSERT_EQ(rdma_init_qp_attr(client.get(), &attr, &mask), 0);
    EXPECT_EQ(mask, needed) << state;
    if (state == IBV_QPS_RTR) {
      EXPECT_EQ(attr.dest_qp_num, 0x4321u);
      EXPECT_TRUE(attr.ah_attr.is_global);
    }
  }
  EXPECT_TRUE(passive.silent());
  EXPECT_EQ(rdma_establish(client.get()), 0);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_ESTABLISHED);
  EXPECT_NE(rdma_establish(client.get()), 0);
  EXPECT_EQ(errno, EINVAL);
  client.destroy();
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_DISCONNECTED);
}

TEST_F(CmTest, AQpMayGoWhileAnotherThreadTakesTheEventThatMovesIt) {
  Id listener = listen();
  for (int round = 0; round < 30; ++round) {
    Id client = resolve(listener.port());
    rdma_conn_param param = parameters();
    ASSERT_EQ(rdma_connect(client.get(), &param), 0);
    Id server = request();
    ASSERT_EQ(server.make_qp(), 0);
    ASSERT_EQ(rdma_accept(server.get(), &param), 0);
    ASSERT_TRUE(active.waits());
    Event event;
    std::thread taker([&] { event = active.next(); });
    rdma_destroy_qp(client.get());
    taker.join();
    EXPECT_EQ(event.id, client.get());
    if (event.type == RDMA_CM_EVENT_ESTABLISHED || event.type == RDMA_CM_EVENT_CONNECT_RESPONSE) {
      EXPECT_EQ(event.status, 0);
    } else {
      EXPECT_EQ(event.type, RDMA_CM_EVENT_CONNECT_ERROR);
      EXPECT_LT(event.status, 0);
    }
  }
}

// Two ends of one device with the same QP number would be one connection to the kernel, and the second a stale one.
TEST_F(CmTest, SeenDataEstablishes) {
  Id listener = listen();
  Id client = resolve(listener.port(), false);
  rdma_conn_param param = parameters();
  param.qp_num = 0x1234;
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  ASSERT_NE(server.get(), nullptr);
  param.qp_num = 0x4321;
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_CONNECT_RESPONSE);
  EXPECT_EQ(rdma_notify(server.get(), IBV_EVENT_COMM_EST), 0);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_ESTABLISHED);
  EXPECT_NE(rdma_notify(server.get(), IBV_EVENT_COMM_EST), 0);
  EXPECT_EQ(errno, EISCONN);
}

}  // namespace
}  // namespace cm_test
