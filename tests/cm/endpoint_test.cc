// SPDX-License-Identifier: BSD-2-Clause
// Synchronous identifiers and endpoints: calls that return when it is done.
#include <string>
#include <thread>

#include "support/fixture.h"

namespace cm_test {
namespace {

TEST(EndpointTest, ASynchronousCallReturnsItsOutcome) {
  rdma_cm_id* id = nullptr;
  ASSERT_EQ(rdma_create_id(nullptr, &id, nullptr, RDMA_PS_TCP), 0);
  EXPECT_NE(id->channel, nullptr);
  Id owner(id);
  Address address = device_address(7997);
  ASSERT_EQ(rdma_resolve_addr(id, nullptr, address.get(), 2000), 0);
  ASSERT_NE(id->event, nullptr);
  EXPECT_EQ(id->event->event, RDMA_CM_EVENT_ADDR_RESOLVED);
  ASSERT_EQ(rdma_resolve_route(id, 2000), 0);
  ASSERT_EQ(owner.make_qp(), 0);
  EXPECT_NE(rdma_connect(id, nullptr), 0);
  EXPECT_EQ(errno, ECONNREFUSED);
  ASSERT_NE(id->event, nullptr);
  EXPECT_EQ(id->event->event, RDMA_CM_EVENT_REJECTED);
}

class BothEndpointsTest : public ::testing::Test {
 protected:
  static rdma_addrinfo hints() {
    rdma_addrinfo hints{};
    hints.ai_port_space = RDMA_PS_TCP;
    hints.ai_qp_type = IBV_QPT_RC;
    return hints;
  }
  static ibv_qp_init_attr attributes() {
    ibv_qp_init_attr attr{};
    attr.cap = {4, 4, 1, 1, 64};
    attr.sq_sig_all = 1;
    return attr;
  }
};

TEST_F(BothEndpointsTest, AMessageTravels) {
  rdma_addrinfo passive = hints();
  passive.ai_flags = RAI_PASSIVE;
  Address here = device_address();
  passive.ai_src_addr = here.get();
  passive.ai_src_len = sizeof(sockaddr_in);
  passive.ai_family = AF_INET;
  ibv_qp_init_attr attr = attributes();
  rdma_cm_id* listener = nullptr;
  ASSERT_EQ(rdma_create_ep(&listener, &passive, nullptr, &attr), 0);
  ASSERT_EQ(rdma_listen(listener, 0), 0);
  Address there = device_address(ntohs(rdma_get_src_port(listener)));

  std::thread client([&] {
    rdma_addrinfo active = hints();
    active.ai_dst_addr = there.get();
    active.ai_dst_len = sizeof(sockaddr_in);
    active.ai_family = AF_INET;
    ibv_qp_init_attr own = attributes();
    rdma_cm_id* id = nullptr;
    ASSERT_EQ(rdma_create_ep(&id, &active, nullptr, &own), 0);
    ASSERT_EQ(rdma_connect(id, nullptr), 0);
    char text[] = "hello";
    ibv_sge sge{reinterpret_cast<uintptr_t>(text), sizeof text, 0};
    ibv_send_wr send{}, *bad = nullptr;
    send.sg_list = &sge;
    send.num_sge = 1;
    send.opcode = IBV_WR_SEND;
    send.send_flags = IBV_SEND_INLINE;
    ASSERT_EQ(ibv_post_send(id->qp, &send, &bad), 0);
    ibv_wc wc{};
    while (ibv_poll_cq(id->send_cq, 1, &wc) == 0) {
    }
    EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    EXPECT_EQ(rdma_disconnect(id), 0);
    rdma_destroy_ep(id);
  });

  rdma_cm_id* id = nullptr;
  ASSERT_EQ(rdma_get_request(listener, &id), 0);
  ASSERT_NE(id->qp, nullptr);
  EXPECT_NE(id->channel, listener->channel);
  char text[16] = "";
  ibv_mr* mr = ibv_reg_mr(id->pd, text, sizeof text, IBV_ACCESS_LOCAL_WRITE);
  ibv_sge sge{reinterpret_cast<uintptr_t>(text), sizeof text, mr->lkey};
  ibv_recv_wr receive{}, *bad = nullptr;
  receive.sg_list = &sge;
  receive.num_sge = 1;
  ASSERT_EQ(ibv_post_recv(id->qp, &receive, &bad), 0);
  ASSERT_EQ(rdma_accept(id, nullptr), 0);
  ibv_wc wc{};
  while (ibv_poll_cq(id->recv_cq, 1, &wc) == 0) {
  }
  EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
  EXPECT_STREQ(text, "hello");
  EXPECT_EQ(rdma_disconnect(id), 0);
  client.join();
  ibv_dereg_mr(mr);
  rdma_destroy_ep(id);
  rdma_destroy_ep(listener);
}

}  // namespace
}  // namespace cm_test
