// SPDX-License-Identifier: BSD-2-Clause
#include "cm/next_hop.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "cm/address.h"

namespace vb::cm {
namespace {

/// Two links without anybody else, and routes by routers on them, in a network of this process's own.
constexpr char kNetwork[] =
    "ip link add va type veth peer name va-end && ip link add vb type veth peer name vb-end && "
    "for link in lo va va-end vb vb-end; do ip link set $link up || exit 1; done && "
    "ip addr add 10.9.1.1/24 dev va && ip addr add 10.9.2.1/24 dev vb && "
    "ip route add 10.9.3.0/24 via 10.9.1.7 && ip route add 10.9.4.0/24 via inet6 fe80::7 dev vb";

SocketAddress host(const char* text, const char* link = nullptr) {
  const bool six = strchr(text, ':') != nullptr;
  SocketAddress address = any_address(six ? AF_INET6 : AF_INET, 0);
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  inet_pton(six ? AF_INET6 : AF_INET, text, six ? static_cast<void*>(&v6.sin6_addr) : &v4.sin_addr);
  if (link) v6.sin6_scope_id = if_nametoindex(link);
  return address;
}

bool leads(const SocketAddress& destination, const char* link, const char* to) {
  const auto hop = next_hop(destination);
  return hop && hop->interface == if_nametoindex(link) && same_host(hop->host, host(to));
}

/// The first that does not hold, by its number; 0: all hold.
int wrong_in_the_network() {
  const bool holds[] = {
      leads(host("10.9.1.9"), "va", "10.9.1.9"),
      leads(host("10.9.3.9"), "va", "10.9.1.7"),
      leads(host("10.9.4.9"), "vb", "fe80::7"),
      leads(host("fe80::9", "va"), "va", "fe80::9"),
      leads(host("fe80::9", "vb"), "vb", "fe80::9"),
      !next_hop(host("127.0.0.1")),
      !next_hop(host("10.9.2.1")),
      !next_hop(host("10.77.1.1")),
  };
  for (size_t i = 0; i < std::size(holds); ++i) {
    if (!holds[i]) return static_cast<int>(i) + 1;
  }
  return 0;
}

TEST(NextHop, IsWhoTakesThePacketOnTheLinkThatLeadsThere) {
  constexpr int kNoNetwork = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) _exit(kNoNetwork);
    _exit(std::system(kNetwork) == 0 ? wrong_in_the_network() : kNoNetwork);
  }
  int status = -1;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoNetwork) GTEST_SKIP() << "this process may not make networks";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the line of the table above that does not hold";
}

}  // namespace
}  // namespace vb::cm
