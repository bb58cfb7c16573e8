// SPDX-License-Identifier: BSD-2-Clause
#include "base/gid.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace vb {
namespace {

in_addr ipv4(const char* text) {
  in_addr address{};
  EXPECT_EQ(1, inet_pton(AF_INET, text, &address)) << text;
  return address;
}

Gid gid(const char* text) {
  in6_addr address{};
  EXPECT_EQ(1, inet_pton(AF_INET6, text, &address)) << text;
  return ipv6_gid(address);
}

TEST(GidForms, AreToldApart) {
  EXPECT_EQ(GidForm::kMappedIpv4, gid_form(gid("::ffff:10.1.2.3")));
  EXPECT_EQ(GidForm::kEmbeddedIpv4, gid_form(gid("fe80::5efe:10.1.2.3")));
  EXPECT_EQ(GidForm::kIpv6, gid_form(gid("2001:db8::1")));
  EXPECT_EQ(GidForm::kIpv6, gid_form(gid("fd00::2")));
  EXPECT_EQ(GidForm::kIpv6, gid_form(gid("::1")));
}

TEST(GidForms, WithoutAHostAreNone) {
  for (const char* text : {"::", "ff02::1", "ff0e::ffff:224.0.0.1", "::ffff:0.0.0.0", "::ffff:224.0.0.1",
                           "::ffff:255.255.255.255", "fe80::5efe:0.0.0.0", "fe80::5efe:239.1.2.3"}) {
    EXPECT_EQ(GidForm::kNone, gid_form(gid(text))) << text;
    EXPECT_FALSE(gid_to_address(gid(text), 1)) << text;
  }
}

TEST(EmbeddedGid, IsNoEui64LinkLocalAddress) {
  // Whatever the IPv4 address is, the middle of the interface identifier is not ff:fe.
  for (const char* text : {"254.255.255.254", "255.254.1.1", "10.0.0.1", "127.0.0.1"}) {
    const Gid embedded = embedded_gid(ipv4(text));
    EXPECT_FALSE(embedded.raw[11] == 0xff && embedded.raw[12] == 0xfe) << text;
  }
  EXPECT_EQ(GidForm::kIpv6, gid_form(gid("fe80::fc:ff:fe00:1")));
  EXPECT_EQ(GidForm::kIpv6, gid_form(gid("fe80::5efe:ff:fe00:1")));
}

TEST(EmbeddedGid, LosesNothing) {
  for (const char* text : {"127.0.0.1", "10.255.0.254", "192.0.2.2", "1.0.0.0"}) {
    const auto back = gid_ipv4(embedded_gid(ipv4(text)));
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(ipv4(text).s_addr, back->s_addr);
  }
}

TEST(GidToAddress, GivesAnIpv4SocketForBothIpv4Forms) {
  for (const char* text : {"::ffff:192.0.2.7", "fe80::5efe:192.0.2.7"}) {
    const auto address = gid_to_address(gid(text), 21000);
    ASSERT_TRUE(address) << text;
    ASSERT_EQ(sizeof(sockaddr_in), address->length);
    const auto* in = reinterpret_cast<const sockaddr_in*>(address->get());
    EXPECT_EQ(AF_INET, in->sin_family);
    EXPECT_EQ(21000, ntohs(in->sin_port));
    EXPECT_EQ(ipv4("192.0.2.7").s_addr, in->sin_addr.s_addr);
  }
}

TEST(GidToAddress, GivesAnIpv6SocketAndAScopeOnlyWhereOneIsNeeded) {
  const auto global = gid_to_address(gid("2001:db8::9"), 80, 7);
  ASSERT_TRUE(global);
  ASSERT_EQ(sizeof(sockaddr_in6), global->length);
  EXPECT_EQ(0u, reinterpret_cast<const sockaddr_in6*>(global->get())->sin6_scope_id);
  const auto local = gid_to_address(gid("fe80::fc:ff:fe00:1"), 80, 7);
  ASSERT_TRUE(local);
  EXPECT_EQ(7u, reinterpret_cast<const sockaddr_in6*>(local->get())->sin6_scope_id);
}

TEST(AddressToGid, IsTheInverse) {
  for (const char* text : {"::ffff:192.0.2.7", "2001:db8::9", "::1"}) {
    const auto address = gid_to_address(gid(text), 5);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(gid(text), address_to_gid(*address->get())) << text;
  }
  // The embedded form is a second name of the same address: the mapped one is what comes back.
  EXPECT_EQ(gid("::ffff:10.0.0.1"), address_to_gid(*gid_to_address(gid("fe80::5efe:10.0.0.1"), 5)->get()));
}

TEST(AddressToGid, RefusesOtherFamiliesAndNoHosts) {
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(address_to_gid(other));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  EXPECT_FALSE(address_to_gid(reinterpret_cast<const sockaddr&>(any)));
}

TEST(GidText, IsThatOfTheAddress) {
  EXPECT_EQ("::ffff:10.1.2.3", to_string(mapped_gid(ipv4("10.1.2.3"))));
  EXPECT_EQ("fe80::5efe:a01:203", to_string(embedded_gid(ipv4("10.1.2.3"))));
}

}  // namespace
}  // namespace vb
