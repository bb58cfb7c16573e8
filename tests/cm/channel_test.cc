// SPDX-License-Identifier: BSD-2-Clause
// Event channels, and identifiers that move between them.
#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/fixture.h"

namespace cm_test {
namespace {

TEST_F(CmTest, ANonBlockingChannelSaysSo) {
  ASSERT_EQ(fcntl(active.get()->fd, F_SETFL, O_NONBLOCK), 0);
  rdma_cm_event* event = nullptr;
  EXPECT_NE(rdma_get_cm_event(active.get(), &event), 0);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(CmTest, AWaitingThreadCanBeCancelled) {
  pthread_t thread;
  auto wait = [](void* channel) -> void* {
    rdma_cm_event* event;
    rdma_get_cm_event(static_cast<rdma_event_channel*>(channel), &event);
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, wait, active.get()), 0);
  ASSERT_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
}

// Here the promise is more than the kernel's. A program that ends with a thread on its way back to the channel is not
// disturbed, and one that goes on does not hang.
TEST_F(CmTest, WhoComesToADestroyedChannelIsToldAfterAWhile) {
  rdma_event_channel* channel = rdma_create_event_channel();
  ASSERT_NE(channel, nullptr);
  rdma_destroy_event_channel(channel);
  const auto before = std::chrono::steady_clock::now();
  rdma_cm_event* event = nullptr;
  EXPECT_NE(rdma_get_cm_event(channel, &event), 0);
  EXPECT_EQ(errno, EBADF);
  EXPECT_GT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(900));
}

// Here the promise is more than the kernel's, too: rdma_destroy_event_channel(3) asks for the identifiers to go first.
TEST_F(CmTest, AnIdentifierMayOutliveItsChannel) {
  rdma_event_channel* channel = rdma_create_event_channel();
  ASSERT_NE(channel, nullptr);
  rdma_cm_id* listener = nullptr;
  ASSERT_EQ(rdma_create_id(channel, &listener, nullptr, RDMA_PS_TCP), 0);
  Address address = device_address();
  ASSERT_EQ(rdma_bind_addr(listener, address.get()), 0);
  ASSERT_EQ(rdma_listen(listener, 4), 0);
  rdma_destroy_event_channel(channel);
  for (int i = 0; i < 100; ++i) rdma_destroy_event_channel(rdma_create_event_channel());
  Id client = resolve(ntohs(rdma_get_src_port(listener)));
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_REJECTED) << "nobody can hear of it";
  client.destroy();
  EXPECT_EQ(rdma_destroy_id(listener), 0);
}

TEST_F(CmTest, DestroyingWaitsForTheLastAcknowledgement) {
  Id id(active);
  Address address = device_address(7999);
  ASSERT_EQ(rdma_resolve_addr(id.get(), nullptr, address.get(), 2000), 0);
  rdma_cm_event* event = nullptr;
  ASSERT_EQ(rdma_get_cm_event(active.get(), &event), 0);
  std::atomic<bool> acknowledged{false};
  std::thread destroyer([&] {
    id.destroy();
    EXPECT_TRUE(acknowledged);
  });
  // Nothing tells that the other thread waits; what is checked is that it had to.
  EXPECT_TRUE(passive.silent());
  acknowledged = true;
  rdma_ack_cm_event(event);
  destroyer.join();
}

TEST_F(CmTest, EventsOfADestroyedIdentifierAreForgotten) {
  Id id(active);
  Address address = device_address(7999);
  ASSERT_EQ(rdma_resolve_addr(id.get(), nullptr, address.get(), 2000), 0);
  id.destroy();
  EXPECT_TRUE(active.silent());
}

TEST_F(ConnectedCmTest, AMigratedIdentifierReportsElsewhere) {
  Channel elsewhere;
  ASSERT_EQ(rdma_migrate_id(server.get(), elsewhere.get()), 0);
  EXPECT_EQ(server->channel, elsewhere.get());
  ASSERT_EQ(rdma_disconnect(client.get()), 0);
  EXPECT_EQ(elsewhere.next().type, RDMA_CM_EVENT_DISCONNECTED);
  EXPECT_TRUE(passive.silent());
  server.destroy();
}

TEST_F(ConnectedCmTest, WaitingEventsMigrateToo) {
  ASSERT_EQ(rdma_disconnect(client.get()), 0);
  pollfd waiting{passive.get()->fd, POLLIN, 0};
  ASSERT_EQ(poll(&waiting, 1, kPatience), 1);
  Channel elsewhere;
  ASSERT_EQ(rdma_migrate_id(server.get(), elsewhere.get()), 0);
  EXPECT_EQ(elsewhere.next().type, RDMA_CM_EVENT_DISCONNECTED);
  server.destroy();
}

}  // namespace
}  // namespace cm_test
