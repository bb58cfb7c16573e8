// SPDX-License-Identifier: BSD-2-Clause
// rdma_set_option, rdma_get_devices, names of events.
#include "support/fixture.h"

namespace cm_test {
namespace {

TEST_F(CmTest, OptionsCheckTheirSizes) {
  Id id(passive);
  uint8_t byte = 8;
  int word = 1;
  EXPECT_EQ(rdma_set_option(id.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &byte, sizeof byte), 0);
  EXPECT_NE(rdma_set_option(id.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &word, sizeof word), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(rdma_set_option(id.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &word, sizeof word), 0);
  EXPECT_EQ(rdma_set_option(id.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &word, sizeof word), 0);
  EXPECT_EQ(rdma_set_option(id.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &byte, sizeof byte), 0);
  EXPECT_NE(rdma_set_option(id.get(), RDMA_OPTION_ID, 99, &word, sizeof word), 0);
  EXPECT_EQ(errno, ENOSYS);
  EXPECT_NE(rdma_set_option(id.get(), 99, 0, &word, sizeof word), 0);
  EXPECT_EQ(errno, ENOSYS);
}

TEST_F(CmTest, AnAckTimeoutReachesTheQp) {
  Id listener = listen();
  Id client(active);
  uint8_t timeout = 14;
  ASSERT_EQ(rdma_set_option(client.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &timeout, sizeof timeout), 0);
  Address address = device_address(listener.port());
  ASSERT_EQ(rdma_resolve_addr(client.get(), nullptr, address.get(), 2000), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_ADDR_RESOLVED);
  ASSERT_EQ(rdma_resolve_route(client.get(), 2000), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_ROUTE_RESOLVED);
  ASSERT_EQ(client.make_qp(), 0);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  Id server = request();
  ASSERT_EQ(server.make_qp(), 0);
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_ESTABLISHED);
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(client->qp, &attr, IBV_QP_TIMEOUT, &init), 0);
  EXPECT_EQ(attr.timeout, 14);
}

TEST_F(CmTest, AnUnknownPortSpaceIsRefused) {
  rdma_cm_id* id = nullptr;
  EXPECT_NE(rdma_create_id(active.get(), &id, nullptr, static_cast<rdma_port_space>(0x999)), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, DevicesAreThoseOfTheIdentifiers) {
  int count = 0;
  ibv_context** list = rdma_get_devices(&count);
  ASSERT_NE(list, nullptr);
  ASSERT_GT(count, 0);
  EXPECT_EQ(list[count], nullptr);
  Id id(passive);
  Address address = device_address();
  ASSERT_EQ(rdma_bind_addr(id.get(), address.get()), 0);
  bool found = false;
  for (int i = 0; i < count; ++i) found |= list[i] == id->verbs;
  EXPECT_TRUE(found);
  rdma_free_devices(list);
}

TEST(EventTextTest, EventsHaveNames) {
  EXPECT_STREQ(rdma_event_str(RDMA_CM_EVENT_ADDR_RESOLVED), "RDMA_CM_EVENT_ADDR_RESOLVED");
  EXPECT_STREQ(rdma_event_str(RDMA_CM_EVENT_TIMEWAIT_EXIT), "RDMA_CM_EVENT_TIMEWAIT_EXIT");
  EXPECT_STREQ(rdma_event_str(static_cast<rdma_cm_event_type>(99)), "UNKNOWN EVENT");
}

}  // namespace
}  // namespace cm_test
