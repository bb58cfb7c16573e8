// SPDX-License-Identifier: BSD-2-Clause
// What becomes of an interface's addresses: the GID table and the node GUID.
#include <arpa/inet.h>
#include <endian.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <cstring>

#include "base/gid.h"
#include "verbs/device_registry.h"

namespace vb {
namespace {

Interface make_interface(std::vector<const char*> ipv4, std::vector<const char*> ipv6) {
  Interface netdev;
  netdev.name = "test0";
  netdev.flags = IFF_UP | IFF_RUNNING;
  for (const char* text : ipv4) inet_pton(AF_INET, text, &netdev.ipv4.emplace_back());
  for (const char* text : ipv6) inet_pton(AF_INET6, text, &netdev.ipv6.emplace_back());
  return netdev;
}

/// The valid entries as text; they must stand in front, and the table must have its full length.
std::vector<std::string> table_of(const Interface& netdev) {
  std::vector<std::string> result;
  const std::vector<GidEntry> table = make_gid_table(netdev);
  EXPECT_EQ(static_cast<size_t>(kGidTableLength), table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    if (!table[i].valid) continue;
    EXPECT_EQ(i, result.size());
    Gid gid;
    std::memcpy(gid.raw.data(), table[i].gid.raw, gid.raw.size());
    result.push_back(to_string(gid));
  }
  return result;
}

TEST(GidTable, BeginsWithTwoFormsOfTheIpv4Address) {
  const std::vector<std::string> wanted = {"fe80::5efe:a01:203", "::ffff:10.1.2.3", "2001:db8::1", "::ffff:10.1.2.4"};
  EXPECT_EQ(wanted, table_of(make_interface({"10.1.2.3", "10.1.2.4"}, {"2001:db8::1"})));
}

TEST(GidTable, WithoutIpv4BeginsWithTheIpv6AddressTwice) {
  const std::vector<std::string> wanted = {"2001:db8::1", "2001:db8::1", "2001:db8::2"};
  EXPECT_EQ(wanted, table_of(make_interface({}, {"2001:db8::1", "2001:db8::2"})));
}

TEST(GidTable, KeepsItsLengthWhateverTheInterfaceHas) {
  EXPECT_TRUE(table_of(make_interface({}, {})).empty());
  EXPECT_EQ(static_cast<size_t>(kGidTableLength),
            table_of(make_interface(std::vector<const char*>(40, "10.0.0.1"), {})).size());
}

TEST(UsableInterface, IsUpAndHasAnAddress) {
  EXPECT_TRUE(make_interface({"10.1.2.3"}, {}).usable());
  EXPECT_TRUE(make_interface({}, {"2001:db8::1"}).usable());
  EXPECT_FALSE(make_interface({}, {}).usable());
  Interface down = make_interface({"10.1.2.3"}, {});
  down.flags = 0;
  EXPECT_FALSE(down.usable());
}

TEST(NodeGuid, IsTheModifiedEui64OfTheHardwareAddress) {
  Interface netdev = make_interface({"10.1.2.3"}, {});
  netdev.mac = {0x02, 0xfc, 0x00, 0x00, 0x00, 0x01};
  EXPECT_EQ(0x00fc00fffe000001u, be64toh(make_guid(netdev)));
}

TEST(NodeGuid, WithoutHardwareAddressIsStableAndNotZero) {
  Interface netdev = make_interface({"127.0.0.1"}, {});
  EXPECT_NE(0u, make_guid(netdev));
  EXPECT_EQ(make_guid(netdev), make_guid(netdev));
  const uint64_t first = make_guid(netdev);
  netdev.name = "test1";
  EXPECT_NE(first, make_guid(netdev));
}

TEST(Interfaces, OfThisHostIncludeLoopback) {
  const std::vector<Interface> all = list_interfaces();
  uint32_t last = 0;
  bool loopback = false;
  for (const Interface& netdev : all) {
    EXPECT_GT(netdev.index, last);
    last = netdev.index;
    loopback |= netdev.loopback();
  }
  EXPECT_TRUE(loopback);
}

}  // namespace
}  // namespace vb
