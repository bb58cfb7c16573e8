// SPDX-License-Identifier: BSD-2-Clause
#include <cstring>

#include "support/fixture.h"
#include "support/missing.h"

namespace vt {
namespace {

class PortTest : public VerbsTest {
 protected:
  ContextPtr context = open_device();
  ibv_port_attr port{};

  void SetUp() override {
    VerbsTest::SetUp();
    ASSERT_EQ(ibv_query_port(context.get(), kPort, &port), 0);
  }
  static bool is_zero(const ibv_gid& gid) { return gid.global.subnet_prefix == 0 && gid.global.interface_id == 0; }
};

TEST_F(PortTest, IsAnActiveEthernetPort) {
  EXPECT_EQ(port.state, IBV_PORT_ACTIVE);
  EXPECT_EQ(port.phys_state, 5);
  EXPECT_EQ(port.link_layer, IBV_LINK_LAYER_ETHERNET);
  EXPECT_EQ(port.lid, 0);
  EXPECT_GE(port.active_mtu, IBV_MTU_1024);
  EXPECT_GE(port.max_mtu, port.active_mtu);
  EXPECT_GE(port.max_msg_sz, 1u << 23);
  EXPECT_GE(port.gid_tbl_len, 2);
  EXPECT_GE(port.pkey_tbl_len, 1);
}

TEST_F(PortTest, QueryPortRefusesABadPort) {
  EXPECT_EQ(ibv_query_port(context.get(), 0, &port), EINVAL);
  EXPECT_EQ(ibv_query_port(context.get(), 2, &port), EINVAL);
  EXPECT_EQ(ibv_query_port(context.get(), 255, &port), EINVAL);
}

TEST_F(PortTest, GidsZeroAndOneAreThere) {
  EXPECT_FALSE(is_zero(gid_at(context.get(), 0)));
  EXPECT_FALSE(is_zero(gid_at(context.get(), 1)));
  EXPECT_NE(std::memcmp(gid_at(context.get(), 0).raw, gid_at(context.get(), 1).raw, 16), 0);
}

TEST_F(PortTest, OneOfTheFirstTwoGidsIsIpv4Mapped) {
  EXPECT_NE(is_v4_mapped(gid_at(context.get(), 0)), is_v4_mapped(gid_at(context.get(), 1)));
}

TEST_F(PortTest, EveryGidIndexBelowTheTableLengthAnswers) {
  ibv_gid gid{};
  for (int i = 0; i < port.gid_tbl_len; ++i) ASSERT_EQ(ibv_query_gid(context.get(), kPort, i, &gid), 0) << i;
}

TEST_F(PortTest, QueryGidFailsBeyondTheTableAndOnABadPort) {
  ibv_gid gid{};
  EXPECT_NE(ibv_query_gid(context.get(), kPort, port.gid_tbl_len, &gid), 0);
  EXPECT_NE(ibv_query_gid(context.get(), kPort, -1, &gid), 0);
  EXPECT_NE(ibv_query_gid(context.get(), 2, 0, &gid), 0);
}

TEST_F(PortTest, QueryGidExSaysRoceV2AndNamesTheInterface) {
  ibv_gid_entry entry{};
  ASSERT_EQ(ibv_query_gid_ex(context.get(), kPort, 1, &entry, 0), 0);
  ibv_gid plain = gid_at(context.get(), 1);
  EXPECT_EQ(std::memcmp(entry.gid.raw, plain.raw, 16), 0);
  EXPECT_EQ(entry.gid_index, 1u);
  EXPECT_EQ(entry.port_num, kPort);
  EXPECT_EQ(entry.gid_type, static_cast<uint32_t>(IBV_GID_TYPE_ROCE_V2));
  EXPECT_NE(entry.ndev_ifindex, 0u);
}

TEST_F(PortTest, QueryGidExSaysNoDataForAnEmptyEntry) {
  ibv_gid_entry entry{};
  for (int i = 2; i < port.gid_tbl_len; ++i) {
    if (!is_zero(gid_at(context.get(), i))) continue;
    EXPECT_EQ(ibv_query_gid_ex(context.get(), kPort, static_cast<uint32_t>(i), &entry, 0), ENODATA);
    return;
  }
  SKIP_ON_OTHERS("no entry is empty");
}

TEST_F(PortTest, QueryGidExRefusesBadArguments) {
  ibv_gid_entry entry{};
  auto beyond = static_cast<uint32_t>(port.gid_tbl_len);
  EXPECT_EQ(ibv_query_gid_ex(context.get(), kPort, beyond, &entry, 0), EINVAL);
  EXPECT_EQ(ibv_query_gid_ex(context.get(), 2, 0, &entry, 0), EINVAL);
  EXPECT_EQ(ibv_query_gid_ex(context.get(), 0, 0, &entry, 0), EINVAL);
  EXPECT_NE(ibv_query_gid_ex(context.get(), kPort, 0, &entry, 1), 0);
}

TEST_F(PortTest, GidTableHoldsEveryEntryThatIsNotEmpty) {
  std::vector<ibv_gid_entry> table(static_cast<size_t>(port.gid_tbl_len));
  ssize_t count = ibv_query_gid_table(context.get(), table.data(), table.size(), 0);
  ASSERT_GE(count, 2);
  for (ssize_t i = 0; i < count; ++i) {
    ibv_gid gid = gid_at(context.get(), static_cast<int>(table[i].gid_index));
    EXPECT_EQ(std::memcmp(table[i].gid.raw, gid.raw, 16), 0) << i;
  }
}

TEST_F(PortTest, GidTableRefusesATableThatIsTooSmall) {
  ibv_gid_entry entry{};
  EXPECT_EQ(ibv_query_gid_table(context.get(), &entry, 1, 0), -EINVAL);
}

TEST_F(PortTest, GidTableRefusesUnknownFlags) {
  std::vector<ibv_gid_entry> table(static_cast<size_t>(port.gid_tbl_len));
  EXPECT_EQ(ibv_query_gid_table(context.get(), table.data(), table.size(), 1), -EINVAL);
}

TEST_F(PortTest, DefaultPkeyIsFirst) {
  __be16 pkey = 0;
  ASSERT_EQ(ibv_query_pkey(context.get(), kPort, 0, &pkey), 0);
  EXPECT_EQ(pkey, 0xffff);
  EXPECT_EQ(ibv_get_pkey_index(context.get(), kPort, 0xffff), 0);
}

TEST_F(PortTest, QueryPkeyFailsBeyondTheTable) {
  __be16 pkey = 0;
  EXPECT_NE(ibv_query_pkey(context.get(), kPort, port.pkey_tbl_len, &pkey), 0);
  EXPECT_NE(ibv_query_pkey(context.get(), 2, 0, &pkey), 0);
  EXPECT_EQ(ibv_get_pkey_index(context.get(), kPort, htobe16(0x1234)), -1);
}

}  // namespace
}  // namespace vt
