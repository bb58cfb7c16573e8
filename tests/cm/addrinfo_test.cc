// SPDX-License-Identifier: BSD-2-Clause
// rdma_getaddrinfo.
#include <netdb.h>

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
