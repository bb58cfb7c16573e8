// SPDX-License-Identifier: BSD-2-Clause
// Threads that connect and part beside each other, each with a channel of its own, served by one.
#include <map>
#include <thread>

#include "support/fixture.h"

namespace cm_test {
namespace {

class CmThreadsTest : public CmTest {
 protected:
  static constexpr size_t kThreads = 4, kRounds = 8;

  /// Takes every request, and lets go of every connection that its client has ended.
  void serve() {
    std::map<rdma_cm_id*, Id> connected;
    for (size_t parted = 0; parted < kThreads * kRounds;) {
      const Event event = passive.next();
      if (event.type == RDMA_CM_EVENT_CONNECT_REQUEST) {
        Id& server = connected[event.id] = Id(event.id);
        rdma_conn_param param = parameters();
        ASSERT_EQ(server.make_qp(), 0);
        ASSERT_EQ(rdma_accept(server.get(), &param), 0);
      } else if (event.type == RDMA_CM_EVENT_DISCONNECTED) {
        ASSERT_EQ(connected.erase(event.id), 1u);
        ++parted;
      } else {
        ASSERT_TRUE(event.type == RDMA_CM_EVENT_ESTABLISHED || event.type == RDMA_CM_EVENT_TIMEWAIT_EXIT) << event.type;
      }
    }
  }

  static void connect_and_part(Channel& channel, uint16_t port) {
    Id id(channel);
    Address address = device_address(port);
    ASSERT_EQ(rdma_resolve_addr(id.get(), nullptr, address.get(), 2000), 0);
    ASSERT_EQ(channel.next().type, RDMA_CM_EVENT_ADDR_RESOLVED);
    ASSERT_EQ(rdma_resolve_route(id.get(), 2000), 0);
    ASSERT_EQ(channel.next().type, RDMA_CM_EVENT_ROUTE_RESOLVED);
    ASSERT_EQ(id.make_qp(), 0);
    rdma_conn_param param = parameters();
    ASSERT_EQ(rdma_connect(id.get(), &param), 0);
    ASSERT_EQ(channel.next().type, RDMA_CM_EVENT_ESTABLISHED);
    EXPECT_EQ(id.qp_state(), IBV_QPS_RTS);
    ASSERT_EQ(rdma_disconnect(id.get()), 0);
    ASSERT_EQ(channel.next().type, RDMA_CM_EVENT_DISCONNECTED);
    EXPECT_EQ(id.qp_state(), IBV_QPS_ERR);
  }
};

TEST_F(CmThreadsTest, EachConnectsAndPartsByAChannelOfItsOwn) {
  Id listener = listen();
  const uint16_t port = listener.port();
  std::thread server([this] { serve(); });
  std::vector<std::thread> clients;
  for (size_t i = 0; i < kThreads; ++i) {
    clients.emplace_back([port] {
      Channel channel;
      for (size_t round = 0; round < kRounds; ++round) connect_and_part(channel, port);
    });
  }
  for (std::thread& each : clients) each.join();
  server.join();
}

}  // namespace
}  // namespace cm_test
