// SPDX-License-Identifier: BSD-2-Clause
// Address handles: what is refused, and the way back from a completion.
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "support/end.h"
#include "support/fixture.h"
#include "support/missing.h"

namespace vt {
namespace {

class AhTest : public PdTest {
 protected:
  int index = gid_index(context.get());
  ibv_gid own = gid_at(context.get(), index);

  ibv_ah_attr good() {
    ibv_ah_attr attr{};
    attr.is_global = 1;
    attr.port_num = kPort;
    attr.grh.dgid = own;
    attr.grh.sgid_index = static_cast<uint8_t>(index);
    attr.grh.hop_limit = 1;
    return attr;
  }
  void expect_refused(ibv_ah_attr attr) { EXPECT_NULL_ERRNO(EINVAL, ibv_create_ah(pd.get(), &attr)); }
};

TEST_F(AhTest, BelongsToItsPd) {
  ibv_ah_attr attr = good();
  ibv_ah* ah = ibv_create_ah(pd.get(), &attr);
  ASSERT_NE(ah, nullptr);
  EXPECT_EQ(ah->pd, pd.get());
  EXPECT_EQ(ah->context, context.get());
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
  EXPECT_EQ(ibv_destroy_ah(ah), 0);
}

TEST_F(AhTest, APortThatDoesNotExistIsRefused) {
  ibv_ah_attr attr = good();
  attr.port_num = 2;
  expect_refused(attr);
  attr.port_num = 0;
  expect_refused(attr);
}

TEST_F(AhTest, AnEthernetLinkNeedsAGlobalRoute) {
  ibv_ah_attr attr = good();
  attr.is_global = 0;
  expect_refused(attr);
}

TEST_F(AhTest, AGidIndexBehindTheTableIsRefused) {
  ibv_ah_attr attr = good();
  attr.grh.sgid_index = 255;
  // A table may be as long as that, and the entry empty.
  EXPECT_EQ(ibv_create_ah(pd.get(), &attr), nullptr);
  EXPECT_TRUE(errno == EINVAL || errno == ENODATA) << strerror(errno);
}

TEST_F(AhTest, ADestinationThatIsNoAddressIsRefused) {
  ibv_ah_attr attr = good();
  attr.grh.dgid = {};
  EXPECT_EQ(ibv_create_ah(pd.get(), &attr), nullptr);
}

TEST_F(AhTest, TheDeviceHasRoomForSome) {
  ibv_device_attr attr{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_GT(attr.max_ah, 0);
}

class WayBackTest : public AhTest {
 protected:
  ibv_wc wc{};
  ibv_grh grh{};

  void SetUp() override {
    AhTest::SetUp();
    wc.wc_flags = IBV_WC_GRH;
    wc.sl = 3;
  }
  int init(ibv_ah_attr& attr) { return ibv_init_ah_from_wc(context.get(), kPort, &wc, &grh, &attr); }
  void ipv4_header(uint32_t from, const uint8_t (&to)[4]) {
    uint8_t ip[20] = {0x45, 7, 0, 60, 0, 0, 0x40, 0, 9, 17};
    memcpy(ip + 12, &from, 4);
    memcpy(ip + 16, to, 4);
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof ip; i += 2) sum += static_cast<uint32_t>(ip[i] << 8 | ip[i + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    ip[10] = static_cast<uint8_t>(~sum >> 8);
    ip[11] = static_cast<uint8_t>(~sum);
    memset(&grh, 0, sizeof grh);
    memcpy(reinterpret_cast<char*>(&grh) + 20, ip, sizeof ip);
  }
};

TEST_F(WayBackTest, OfAnIpv4Header) {
  if (!is_v4_mapped(own)) SKIP_ON_OTHERS("the device has no IPv4-mapped GID");
  ipv4_header(htobe32(0x0a000001), {own.raw[12], own.raw[13], own.raw[14], own.raw[15]});
  ibv_ah_attr attr{};
  ASSERT_EQ(init(attr), 0);
  EXPECT_EQ(attr.is_global, 1);
  EXPECT_EQ(attr.port_num, kPort);
  EXPECT_EQ(attr.sl, 3);
  EXPECT_EQ(attr.grh.sgid_index, index);
  EXPECT_EQ(attr.grh.traffic_class, 7);
  const uint8_t sender[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
  EXPECT_EQ(memcmp(attr.grh.dgid.raw, sender, 16), 0);
}

TEST_F(WayBackTest, OfAnIpv6Header) {
  grh.version_tclass_flow = htobe32(6u << 28 | 0x12u << 20 | 0x345);
  grh.next_hdr = IPPROTO_UDP;  // RoCE v2
  grh.hop_limit = 33;
  grh.dgid = own;
  grh.sgid = own;
  grh.sgid.raw[15] ^= 1;
  ibv_ah_attr attr{};
  ASSERT_EQ(init(attr), 0);
  EXPECT_EQ(attr.grh.sgid_index, index);
  EXPECT_EQ(attr.grh.traffic_class, 0x12);
  EXPECT_EQ(attr.grh.flow_label, 0x345u);
  EXPECT_EQ(attr.grh.hop_limit, 33);
  EXPECT_EQ(memcmp(attr.grh.dgid.raw, grh.sgid.raw, 16), 0);
}

TEST_F(WayBackTest, FromAGroupThereIsNone) {
  ipv4_header(htobe32(0x0a000001), {224, 1, 2, 3});
  ibv_ah_attr attr{};
  errno = 0;
  EXPECT_EQ(init(attr), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(WayBackTest, OfAnotherProtocolThereIsNone) {
  ibv_ah_attr attr{};
  errno = 0;
  EXPECT_EQ(init(attr), -1);
  EXPECT_EQ(errno, EPROTONOSUPPORT);
}

}  // namespace
}  // namespace vt
