// SPDX-License-Identifier: BSD-2-Clause
// rdma_getaddrinfo.
#include <endian.h>
#include <infiniband/ib.h>
#include <netdb.h>

#include <string>

#include "support/fixture.h"

namespace cm_test {
namespace {

struct Free {
  void operator()(rdma_addrinfo* info) const { rdma_freeaddrinfo(info); }
};
using Info = std::unique_ptr<rdma_addrinfo, Free>;

int resolve(const char* node, const char* service, const rdma_addrinfo* hints, Info& info) {
  rdma_addrinfo* result = nullptr;
  int code = rdma_getaddrinfo(node, service, hints, &result);
  if (code == 0) info.reset(result);
  return code;
}

TEST(AddrinfoTest, TheActiveSideGetsADestination) {
  rdma_addrinfo hints{};
  hints.ai_port_space = RDMA_PS_TCP;
  Info info;
  ASSERT_EQ(resolve("127.0.0.1", "7471", &hints, info), 0);
  EXPECT_EQ(info->ai_family, AF_INET);
  EXPECT_EQ(info->ai_qp_type, IBV_QPT_RC);
  EXPECT_EQ(info->ai_port_space, RDMA_PS_TCP);
  ASSERT_EQ(info->ai_dst_len, sizeof(sockaddr_in));
  EXPECT_EQ(ntohs(reinterpret_cast<sockaddr_in*>(info->ai_dst_addr)->sin_port), 7471);
}

TEST(AddrinfoTest, ThePassiveSideGetsASource) {
  rdma_addrinfo hints{};
  hints.ai_flags = RAI_PASSIVE;
  hints.ai_family = AF_INET;
  hints.ai_port_space = RDMA_PS_TCP;
  Info info;
  ASSERT_EQ(resolve(nullptr, "7471", &hints, info), 0);
  ASSERT_EQ(info->ai_src_len, sizeof(sockaddr_in));
  EXPECT_EQ(info->ai_dst_len, 0u);
  EXPECT_EQ(reinterpret_cast<sockaddr_in*>(info->ai_src_addr)->sin_addr.s_addr, INADDR_ANY);
}

TEST(AddrinfoTest, Ipv6) {
  Info info;
  ASSERT_EQ(resolve("::1", "7471", nullptr, info), 0);
  EXPECT_EQ(info->ai_family, AF_INET6);
  EXPECT_EQ(info->ai_dst_len, sizeof(sockaddr_in6));
}

TEST(AddrinfoTest, AGidIsAnAddressOfItsFamily) {
  rdma_addrinfo hints{};
  hints.ai_flags = RAI_NUMERICHOST | RAI_FAMILY;
  hints.ai_family = AF_IB;
  hints.ai_port_space = RDMA_PS_TCP;
  Info info;
  ASSERT_EQ(resolve("::ffff:127.0.0.1", "7471", &hints, info), 0);
  EXPECT_EQ(info->ai_family, AF_IB);
  ASSERT_EQ(info->ai_dst_len, sizeof(sockaddr_ib));
  const auto& address = *reinterpret_cast<sockaddr_ib*>(info->ai_dst_addr);
  EXPECT_EQ(address.sib_family, AF_IB);
  EXPECT_EQ(be64toh(address.sib_sid), uint64_t{RDMA_PS_TCP} << 16 | 7471);
  EXPECT_EQ(be32toh(address.sib_addr.sib_addr32[2]), 0xffffu);
  EXPECT_EQ(be32toh(address.sib_addr.sib_addr32[3]), 0x7f000001u);
}

TEST(AddrinfoTest, TheFamilyOfGidsIsAHintWhenItIsSaidToBe) {
  rdma_addrinfo hints{};
  hints.ai_flags = RAI_NUMERICHOST;
  hints.ai_family = AF_IB;
  hints.ai_port_space = RDMA_PS_TCP;
  Info info;
  ASSERT_EQ(resolve("::1", "7471", &hints, info), 0);
  EXPECT_EQ(info->ai_family, AF_INET6);
}

// The kernel has no route for such an address on RoCE.
TEST_F(CmTest, AGidLeadsToItsAddress) {
  Id listener = listen();
  rdma_addrinfo hints{};
  hints.ai_flags = RAI_FAMILY;
  hints.ai_family = AF_IB;
  hints.ai_port_space = RDMA_PS_TCP;
  Info info;
  Id client(active);
  ASSERT_EQ(::cm_test::resolve("::ffff:127.0.0.1", std::to_string(listener.port()).c_str(), &hints, info), 0);
  ASSERT_EQ(rdma_resolve_addr(client.get(), nullptr, info->ai_dst_addr, 2000), 0) << errno;
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_ADDR_RESOLVED);
  ASSERT_EQ(rdma_resolve_route(client.get(), 2000), 0);
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_ROUTE_RESOLVED);
  ASSERT_EQ(client.make_qp(), 0);
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  EXPECT_NE(request().get(), nullptr);
}

TEST(AddrinfoTest, DatagramsComeWithTheirPortSpace) {
  rdma_addrinfo hints{};
  hints.ai_port_space = RDMA_PS_UDP;
  Info info;
  ASSERT_EQ(resolve("127.0.0.1", "7471", &hints, info), 0);
  EXPECT_EQ(info->ai_qp_type, IBV_QPT_UD);
}

TEST(AddrinfoTest, ErrorsAreThoseOfTheResolver) {
  Info info;
  EXPECT_NE(resolve(nullptr, nullptr, nullptr, info), 0);
  rdma_addrinfo hints{};
  hints.ai_flags = RAI_NUMERICHOST;
  EXPECT_EQ(resolve("localhost", "7471", &hints, info), EAI_NONAME);
}

}  // namespace
}  // namespace cm_test
